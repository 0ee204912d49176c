package exposition

import (
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxMessages bounds the memory that a body takes once it is parsed: an empty
// message takes two bytes of it, but a hundred in memory.
const maxMessages = maxLines

// tooManyMessages reports whether there are too many in a body of delimited
// MetricFamily messages, as far as it is one.
func tooManyMessages(body []byte) bool {
	descriptor := (&dto.MetricFamily{}).ProtoReflect().Descriptor()
	count := 0
	for len(body) > 0 && count <= maxMessages {
		message, n := protowire.ConsumeBytes(body)
		if n < 0 {
			break
		}
		count += 1 + countMessages(descriptor, message, maxMessages-count)
		body = body[n:]
	}
	return count > maxMessages
}

// countMessages returns how many messages there are in b, which holds the
// fields of one of type d, or more than limit as soon as there are. Each number
// of a list, like the buckets of native histograms, counts for one, too; what
// the type does not know counts for nothing, since it is not kept.
func countMessages(d protoreflect.MessageDescriptor, b []byte, limit int) int {
	n := 0
	for len(b) > 0 && n <= limit {
		number, wire, size := protowire.ConsumeTag(b)
		if size < 0 {
			return n
		}
		value := b[size:]
		if size = protowire.ConsumeFieldValue(number, wire, value); size < 0 {
			return n
		}
		b = value[size:]
		field := d.Fields().ByNumber(number)
		if field == nil {
			continue
		}
		content, _ := protowire.ConsumeBytes(value)
		switch isBytes := wire == protowire.BytesType; {
		case isBytes && field.Message() != nil:
			n += 1 + countMessages(field.Message(), content, limit-n)
		case isBytes && field.IsList():
			n += countPacked(field.Kind(), content)
		case field.IsList() && field.Message() == nil:
			n++
		}
	}
	return n
}

// countPacked returns how many numbers there are in a packed list.
func countPacked(kind protoreflect.Kind, b []byte) int {
	if kind == protoreflect.DoubleKind {
		return len(b) / 8
	}
	n := 0
	for _, c := range b {
		if c < 0x80 { // the last byte of a varint
			n++
		}
	}
	return n
}
