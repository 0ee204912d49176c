package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// DeltaSQL is what a catch-up runs.
const DeltaSQL = deltaSQL

// SnapshotOf returns the snapshot that a cursor stands for.
func SnapshotOf(c repository.Cursor) string { return c.(*cursor).snapshot }

// CommitOn is Commit on a connection of the test's own.
func (s *Store) CommitOn(ctx context.Context, conn *pgx.Conn, c *repository.Commit) error {
	return s.commit(ctx, conn, c)
}
