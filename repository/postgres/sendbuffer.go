package postgres

import (
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
)

// sendBuffer is memory for what a connection sends. The driver begins with a small
// buffer each time and drops it when it has grown, which for commits is most
// of a gateway's garbage. As a message that says nothing, a sendBuffer takes
// the place of the driver's buffer until that is dropped.
//
// Each connection has one of its own, so that nothing else is ever written to
// it, whether the driver has dropped it or not.
type sendBuffer struct {
	buf []byte
	min int // how large the next message will be
}

// sendBufferKey is where a connection keeps its sendBuffer.
const sendBufferKey = "send buffer"

// lendBuffer makes room for a statement with these arguments, if it is not so
// large that the memory should not be kept.
func lendBuffer(conn *pgconn.PgConn, arguments [][]byte) {
	size := 1 << 10 // for the rest of the statement
	for _, a := range arguments {
		size += len(a) + 4
	}
	if size > maxPooled {
		return
	}
	b, ok := conn.CustomData()[sendBufferKey].(*sendBuffer)
	if !ok {
		b = &sendBuffer{}
		conn.CustomData()[sendBufferKey] = b
	}
	b.min = size
	conn.Frontend().Send(b)
}

// Encode implements pgproto3.FrontendMessage.
func (b *sendBuffer) Encode(pending []byte) ([]byte, error) {
	b.buf = append(slices.Grow(b.buf[:0], len(pending)+b.min), pending...)
	return b.buf, nil
}

// Decode implements pgproto3.FrontendMessage.
func (b *sendBuffer) Decode([]byte) error { return errors.ErrUnsupported }

// Frontend implements pgproto3.FrontendMessage.
func (b *sendBuffer) Frontend() {}
