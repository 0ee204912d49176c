package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
)

type connKey struct{}

// ConnContext keeps the connection for its requests. It is for
// [http.Server.ConnContext]; without it a client that has gone is noticed a
// little later.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// change begins something that changes groups: it returns the context that it
// has to end in, or an error if the client has gone.
//
// A process that was frozen finds requests that have waited for long. Their
// clients have sent them elsewhere, and newer ones after them, which they must
// not undo. The server notices the end of a connection, too, but only beside the
// handler.
func (s *Server) change(r *http.Request) (context.Context, context.CancelFunc, error) {
	if conn, ok := r.Context().Value(connKey{}).(net.Conn); ok && closedByClient(conn) {
		return nil, nil, fmt.Errorf("%w: the client has closed the connection", context.Canceled)
	}
	ctx, cancel := deadline(r.Context(), s.opt.PushTimeout)
	return ctx, cancel, nil
}
