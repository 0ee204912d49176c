package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pings is the key, in a context, of whether a connection of the pool has to prove
// that it lives before it is used. Without it those have to that were idle for long.
type pings struct{}

// pingAfter is how long a connection is idle until it has to prove that it lives.
const pingAfter = time.Second

func shouldPing(ctx context.Context, p pgxpool.ShouldPingParams) bool {
	if always, ok := ctx.Value(pings{}).(bool); ok {
		return always
	}
	return p.IdleDuration > pingAfter
}

// askFirst calls ask, which reads something in one statement, on a connection that
// need not live, and once more on one that does if it did not. That saves the
// round trip of a ping.
func askFirst(ctx context.Context, ask func(context.Context) error) error {
	err := ask(context.WithValue(ctx, pings{}, false))
	var answer *pgconn.PgError
	if err == nil || ctx.Err() != nil || errors.As(err, &answer) && !isShutdown(answer.Code) {
		return err
	}
	return ask(context.WithValue(ctx, pings{}, true))
}

// isShutdown reports whether a server ends a connection with that SQLSTATE.
func isShutdown(code string) bool {
	return code == "57P01" || code == "57P02" || code == "57P03" || code == "57P05"
}
