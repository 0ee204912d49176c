// Package sqlite is the Store on one SQLite file, which one process at a time
// works on.
//
// Whoever writes takes turns within the process, so that most of what replicas
// need locks and identities for is not needed: what has changed since a cursor
// is known in memory, and a commit is made or not made when it returns.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/migrations"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// Memory is the path of a database that nobody else sees and that ends with
// its Store.
const Memory = ":memory:"

// Options of a Store.
type Options struct {
	// Path is that of the database's file, or Memory. Any character is allowed.
	// The file and its folder are made if they are missing, for their owner only.
	Path string
	// Replica names this process in the history.
	Replica string
	Logger  *slog.Logger // required
}

// Store is a repository.Store on SQLite.
type Store struct {
	path    string // of the file, or "" in memory
	lock    *lock
	replica string
	logger  *slog.Logger

	writer  *writer
	readers *sql.DB
	// reading is held by readers while they have a snapshot, and alone by who
	// wants the write-ahead log to begin anew, which snapshots prevent.
	reading sync.RWMutex
	anchor  *sql.Conn // keeps a database in memory

	layouts exposition.Layouts

	feed feed
	fate fates
	// failure is why the disk did not take the last commit, or nil.
	failure atomic.Pointer[failure]
	closing sync.Once
}

// failure is what happened, and when.
type failure struct {
	err error
	at  time.Time
}

var _ repository.Store = (*Store)(nil)

// maxReaders is how many snapshots may be read at once.
const maxReaders = 4

// Open returns a Store, whose file no other process may have open as a Store:
// PATH.lock is locked while it is. It creates the file but not its schema. Its
// errors are one line each and say what is wrong with the path.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{replica: o.Replica, logger: o.Logger}
	if o.Path != Memory {
		var err error
		if s.path, s.lock, err = openFile(o.Path); err != nil {
			return nil, err
		}
	}
	if err := s.connect(ctx); err != nil {
		s.Close()
		return nil, err
	}
	if s.lock != nil {
		s.lock.keep()
	}
	return s, nil
}

func (s *Store) connect(ctx context.Context) error {
	source := fileSource(s.path)
	if s.path == "" {
		source = memorySource(uuid.NewString())
	}
	var err error
	if s.writer, err = newWriter(source, s.path == ""); err != nil {
		return err
	}
	if s.readers, err = sql.Open("sqlite", source.with("query_only(1)")); err != nil {
		return fmt.Errorf("open the database: %w", wrap(err))
	}
	s.readers.SetMaxOpenConns(maxReaders)
	s.readers.SetMaxIdleConns(maxReaders)
	if s.path == "" {
		if s.anchor, err = s.writer.db.Conn(ctx); err != nil {
			return fmt.Errorf("open the database: %w", wrap(err))
		}
		return nil
	}
	if err := checkOwner(ctx, s.readers); err != nil {
		return fmt.Errorf("the database %s %w", s.path, err)
	}
	return nil
}

// Migrate implements repository.Store.
func (s *Store) Migrate(ctx context.Context) error {
	if err := s.writer.take(ctx, time.Now().Add(time.Minute)); err != nil {
		return err
	}
	defer s.writer.give()
	s.writer.drop() // the migrations need the connection
	if err := s.setUp(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	provider, err := newProvider(s.writer.db)
	if err != nil {
		return err
	}
	if _, err := provider.Up(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("migrate the schema: %w", wrap(err))
	}
	return nil
}

// setUp makes settings that are the file's from its beginning on. Rows are a
// few kB, and pages of twice the default size hold more than twice as many.
func (s *Store) setUp(ctx context.Context) error {
	var mode string
	_, err := s.writer.db.ExecContext(ctx, `PRAGMA page_size = 8192`)
	if err == nil {
		err = s.writer.db.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode)
	}
	if err != nil {
		return fmt.Errorf("set up the database: %w", wrap(err))
	}
	if s.path != "" && mode != "wal" {
		return fmt.Errorf("%w: the file system of %s does not support SQLite's write-ahead log: use a local disk", repository.ErrUnavailable, s.path)
	}
	return nil
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	folder, err := fs.Sub(migrations.SQLite, "sqlite")
	if err != nil {
		return nil, fmt.Errorf("open migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, folder, goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return provider, nil
}

// failureKept is for how long a commit that the disk did not take speaks for
// others. A small one may still find room.
const failureKept = 3 * time.Second

// Ping implements repository.Store. Some time after a commit that the disk did
// not take it tries another one, unless that has succeeded meanwhile.
func (s *Store) Ping(ctx context.Context) error {
	last := s.failure.Load()
	if last == nil {
		return s.read(ctx, func(querier, position) error { return nil })
	}
	if time.Since(last.at) < failureKept {
		return last.err
	}
	t, err := s.begin(ctx, time.Now().Add(time.Second))
	if err != nil {
		return err
	}
	defer t.Rollback()
	return t.finish(ctx, nil, false)
}

// requestsKept is for how long requests that come again get their answer.
const requestsKept = time.Hour

// maxLog is the size of the write-ahead log from which on readers are made to
// wait for it to begin anew.
const maxLog = 64 << 20

// Maintain implements repository.Store.
func (s *Store) Maintain(ctx context.Context, retention time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := s.trim(ctx, trimRequestsSQL, time.Now().Add(-requestsKept))
	if err == nil {
		err = s.trim(ctx, trimHistorySQL, time.Now().Add(-retention))
	}
	if errors.Is(err, repository.ErrDeadline) {
		return nil // there is another time
	}
	return err
}

// Few at a time, since pushes wait meanwhile.
const (
	trimRequestsSQL = `DELETE FROM push_request WHERE id IN (SELECT id FROM push_request WHERE at < ? ORDER BY at LIMIT 500)`
	trimHistorySQL  = `DELETE FROM push_history WHERE seq IN (SELECT seq FROM push_history WHERE at < ? ORDER BY at LIMIT 500)`
)

// trim runs the statement until it deletes nothing any more.
func (s *Store) trim(ctx context.Context, query string, before time.Time) error {
	for {
		n, err := s.trimSome(ctx, query, before)
		if err != nil || n == 0 {
			return err
		}
	}
}

func (s *Store) trimSome(ctx context.Context, query string, before time.Time) (int64, error) {
	deadline, _ := ctx.Deadline()
	t, err := s.begin(ctx, deadline)
	if err != nil {
		return 0, err
	}
	defer t.Rollback()
	n, err := t.exec(query, formatTime(before))
	if err != nil || n == 0 {
		return 0, err
	}
	return n, t.finish(ctx, nil, false)
}

// restartLog makes the write-ahead log begin anew when snapshots have kept it
// from that for too long. The caller has the writer.
func (s *Store) restartLog() {
	if s.path == "" {
		return
	}
	info, err := os.Stat(s.path + "-wal")
	if err != nil || info.Size() < maxLog {
		return
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	// It fails if another program reads the file, or the disk is full. There is
	// another time.
	_, _ = s.writer.exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
}

// Close implements repository.Store.
func (s *Store) Close() { s.closing.Do(s.close) }

func (s *Store) close() {
	if s.readers != nil {
		s.readers.Close()
	}
	if s.writer != nil {
		_ = s.writer.take(context.Background(), time.Now().Add(10*time.Second))
		s.writer.drop()
		if s.anchor != nil {
			s.anchor.Close()
		}
		s.writer.db.Close()
	}
	if s.lock != nil {
		s.lock.free()
	}
}
