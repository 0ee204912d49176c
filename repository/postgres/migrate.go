package postgres

import (
	"context"
	"log/slog"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// Migrate brings the database at url to the current schema, as a gateway does
// when it starts.
func Migrate(ctx context.Context, url string) error {
	s, err := Open(ctx, Options{URL: url, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Migrate(ctx); err != nil {
		return err
	}
	return s.Maintain(ctx, repository.DefaultRetention)
}
