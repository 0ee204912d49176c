package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// connection is that of a request, and the context in which it was accepted,
// which ends with the server.
type connection struct {
	conn net.Conn
	ctx  context.Context
}

type connectionKey struct{}

// ConnContext keeps the connection for its requests. It is for
// [http.Server.ConnContext].
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, connection{conn, ctx})
}

// tooLate is how long a request may have waited to be read when its client has
// closed the connection.
const tooLate = time.Second

// change begins something that changes groups: it returns the context that it
// has to end in. As in Pushgateway that does not end with the connection: some
// clients close their side when they have sent everything.
//
// But a process that was frozen finds requests that have waited for long. If
// their clients have gone, they have asked elsewhere since, and there are newer
// requests that must not be undone: that is an error.
func (s *Server) change(r *http.Request) (context.Context, context.CancelFunc, error) {
	c, ok := r.Context().Value(connectionKey{}).(connection)
	if !ok {
		c.ctx = r.Context()
	} else if closed, since := closedByClient(c.conn); closed && since > tooLate {
		return nil, nil, fmt.Errorf("%w: the client has closed the connection", context.Canceled)
	}
	ctx, cancel := deadline(c.ctx, s.opt.PushTimeout)
	return ctx, cancel, nil
}
