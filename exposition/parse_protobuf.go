package exposition

import (
	"fmt"
	"io"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// ParseProtobuf reads a body of delimited io.prometheus.client.MetricFamily
// messages, of at most limit bytes in all. Of two families with one name the
// last wins; one without metrics is kept with Metrics empty. It returns an
// ErrMalformed for what is no such body, an ErrInconsistent as
// [FamiliesFromProto] does, and the errors of r wrapped. A body of more than
// maxMessages messages is malformed, too.
func ParseProtobuf(r io.Reader, limit int64) ([]Family, error) {
	// Reading it all first means that no length prefix is ever believed.
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if int64(len(body)) > limit {
		return nil, malformed("the body is larger than %d bytes: split the push", limit)
	}
	if tooManyMessages(body) {
		return nil, malformed("the body has more than %d families, metrics, labels and buckets: push less at once", maxMessages)
	}
	var messages []*dto.MetricFamily
	for rest := body; len(rest) > 0; {
		message, n := protowire.ConsumeBytes(rest)
		if n < 0 {
			return nil, notProtobuf(len(body)-len(rest), protowire.ParseError(n))
		}
		family := &dto.MetricFamily{}
		if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(message, family); err != nil {
			return nil, notProtobuf(len(body)-len(rest), err)
		}
		messages = append(messages, family)
		rest = rest[n:]
	}
	return FamiliesFromProto(messages)
}

func notProtobuf(offset int, err error) error {
	return malformed("no delimited MetricFamily message at byte %d of the body (%s): send such messages, or the text format with the Content-Type text/plain", offset, excerpt(err.Error()))
}
