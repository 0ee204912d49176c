package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// writer is the one connection that writes. Statements on it are never
// interrupted: each is short, and a COMMIT must have an outcome.
type writer struct {
	db    *sql.DB
	turn  chan struct{} // holds a token while somebody has the writer
	begin string        // the statement

	// Those who have the writer may use the rest.
	conn       *sql.Conn
	statements map[string]*sql.Stmt
}

// newWriter returns a writer that connects when it is first used.
func newWriter(from source, memory bool) (*writer, error) {
	db, err := sql.Open("sqlite", from.with())
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", wrap(err))
	}
	w := &writer{db: db, turn: make(chan struct{}, 1), begin: "BEGIN IMMEDIATE"}
	connections := 1
	if memory {
		// There is no log that lets others read while somebody writes: the lock
		// is taken as late as possible. One connection more keeps the database.
		w.begin, connections = "BEGIN", 2
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return w, nil
}

// take waits for the writer, until the deadline or the end of ctx.
func (w *writer) take(ctx context.Context, deadline time.Time) error {
	if err := ended(ctx); err != nil {
		return err
	}
	if time.Now().After(deadline) {
		return repository.ErrDeadline
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-timer.C:
		return repository.ErrDeadline
	case <-ctx.Done():
		return ended(ctx)
	}
}

func (w *writer) give() { <-w.turn }

// drop closes the connection; the next statement opens another one.
func (w *writer) drop() {
	for _, s := range w.statements {
		s.Close()
	}
	if w.conn != nil {
		w.conn.Close()
	}
	w.conn, w.statements = nil, nil
}

// prepare returns the statement, which is prepared once.
func (w *writer) prepare(query string) (*sql.Stmt, error) {
	if s := w.statements[query]; s != nil {
		return s, nil
	}
	if w.conn == nil {
		conn, err := w.db.Conn(context.Background())
		if err != nil {
			return nil, err
		}
		w.conn, w.statements = conn, map[string]*sql.Stmt{}
	}
	s, err := w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	w.statements[query] = s
	return s, nil
}

// exec returns how many rows the statement changed, and SQLite's own errors.
func (w *writer) exec(query string, args ...any) (int64, error) {
	s, err := w.prepare(query)
	if err != nil {
		return 0, err
	}
	result, err := s.Exec(args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// patiently executes the statement, again and again while the database is
// locked, until the deadline or the end of ctx.
func (w *writer) patiently(ctx context.Context, deadline time.Time, query string) error {
	for {
		_, err := w.exec(query)
		if !isBusy(err) || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
		time.Sleep(lockPause)
	}
}

// lockPause is how long to wait before looking at a locked database again.
const lockPause = time.Millisecond
