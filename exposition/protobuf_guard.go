package exposition

import "google.golang.org/protobuf/encoding/protowire"

// maxMessages bounds the memory that a body takes once it is parsed: an empty
// message takes two bytes of it, but a hundred in memory.
const maxMessages = maxLines

// message says which fields of a message of client_model are messages, too.
type message map[protowire.Number]message

var (
	leafMessage      = message{}
	exemplarMessage  = message{1: leafMessage, 3: leafMessage}
	counterMessage   = message{2: exemplarMessage, 3: leafMessage}
	summaryMessage   = message{3: leafMessage, 4: leafMessage}
	bucketMessage    = message{3: exemplarMessage}
	histogramMessage = message{
		3: bucketMessage, 9: leafMessage, 12: leafMessage, 15: leafMessage, 16: exemplarMessage,
	}
	metricMessage = message{
		1: leafMessage, 2: leafMessage, 3: counterMessage, 4: summaryMessage, 5: leafMessage, 7: histogramMessage,
	}
	familyMessage = message{4: metricMessage}
)

// count returns how many messages there are in b, or more than limit as soon
// as there are. What is no message counts for nothing.
func (m message) count(b []byte, limit int) int {
	n := 0
	for len(b) > 0 && n <= limit {
		number, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return n
		}
		b = b[size:]
		inner, known := m[number]
		if known && kind == protowire.BytesType {
			content, _ := protowire.ConsumeBytes(b)
			n += 1 + inner.count(content, limit-n)
		}
		if size = protowire.ConsumeFieldValue(number, kind, b); size < 0 {
			return n
		}
		b = b[size:]
	}
	return n
}
