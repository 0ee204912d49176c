// Package postgres is the Store on PostgreSQL 14 and later. The SQL of commits
// is in the functions of the migrations; docs/design.md explains the protocol.
package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/migrations"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// Options of a Store.
type Options struct {
	// URL is a connection URL or keyword string as pgx reads it; it may name
	// several hosts.
	URL            string
	MaxConnections int32         // default 8
	ConnectTimeout time.Duration // default 2 s, unless the URL has one
	// Replica names this process in the history.
	Replica string
	Logger  *slog.Logger // required
}

// Store is a repository.Store on PostgreSQL.
type Store struct {
	pool *pgxpool.Pool
	// readers is for those who read at the pace of a client: they must not
	// keep commits and scrapes waiting for a connection.
	readers *pgxpool.Pool
	clock   clock
	share   share
	replica string
	// prepares is false in the modes for poolers, in which nothing is prepared.
	prepares bool
	layouts  exposition.Layouts
	logger   *slog.Logger
}

var _ repository.Store = (*Store)(nil)

// maxReaders is how many clients may read groups or history at once, beyond
// MaxConnections.
const maxReaders = 2

// partitionsAhead is for how many days the history has partitions in advance.
const partitionsAhead = 7

// Open returns a Store. It does not connect yet; it returns an error only for
// a URL that cannot be read, and does not repeat the URL.
func Open(ctx context.Context, o Options) (*Store, error) {
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, fmt.Errorf("the database URL cannot be read: use postgres://user:password@host:5432/database: %s", redact(err))
	}
	config.MaxConns = 8
	if o.MaxConnections > 0 {
		config.MaxConns = o.MaxConnections
	}
	config.HealthCheckPeriod = 5 * time.Second
	config.ShouldPing = shouldPing
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 2 * time.Second
	}
	if o.ConnectTimeout > 0 {
		config.ConnConfig.ConnectTimeout = o.ConnectTimeout
	}
	config.ConnConfig.DialFunc = (&net.Dialer{
		Timeout:         config.ConnConfig.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
		Control:         control,
	}).DialContext
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "sqlpushgateway"
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database pool: %w", err)
	}
	config = config.Copy()
	config.MaxConns = maxReaders
	readers, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("open the database pool: %w", err)
	}
	return &Store{
		pool: pool, readers: readers, replica: o.Replica, logger: o.Logger,
		prepares: config.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement,
	}, nil
}

// Migrate brings the schema up to date, and makes sure that the server is one
// that the Store can work on.
func (s *Store) Migrate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := s.checkServer(ctx); err != nil {
		return err
	}
	folder, err := fs.Sub(migrations.Postgres, "postgres")
	if err != nil {
		return fmt.Errorf("open migrations: %w", err)
	}
	// A table lock, since a session's would stay behind on a pooler's server
	// connection.
	locker, err := lock.NewPostgresTableLocker(
		lock.WithTableLockTimeout(time.Second, 300),
		lock.WithTableUnlockTimeout(time.Second, 30),
	)
	if err != nil {
		return fmt.Errorf("make the migration lock: %w", err)
	}
	db := stdlib.OpenDBFromPool(s.pool)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, folder, goose.WithLocker(locker),
		goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if pending, err := provider.HasPending(ctx); err == nil && !pending {
		return nil
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the schema: %w", wrap(err))
	}
	return nil
}

func (s *Store) checkServer(ctx context.Context) error {
	var version int
	var encoding string
	var now time.Time
	err := s.pool.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), clock_timestamp()`).
		Scan(&version, &encoding, &now)
	if err != nil {
		return wrap(err)
	}
	s.clock.set(now)
	if version < 140000 {
		return fmt.Errorf("PostgreSQL 14 or later is needed, the server is %d", version/10000)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database's encoding is %s: create it with ENCODING 'UTF8'", encoding)
	}
	return nil
}

// Ping implements repository.Store. A standby, which takes no commits, cannot
// read an unlogged table.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `SELECT 1 FROM incarnation`)
	return wrap(err)
}

// Identity tells databases apart, and schemas in them, by whatever name and on
// whatever way they are reached. A restart of the server changes it.
func (s *Store) Identity(ctx context.Context) (string, error) {
	var identity string
	err := s.pool.QueryRow(ctx, `SELECT concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()), oid, 'push_group'::regclass::oid)
		FROM pg_database WHERE datname = current_database()`).Scan(&identity)
	return identity, wrap(err)
}

// Maintain implements repository.Store.
func (s *Store) Maintain(ctx context.Context, retention time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := s.pool.Exec(ctx, `SELECT trim_feed()`); err != nil {
		return fmt.Errorf("trim the feed: %w", wrap(err))
	}
	_, err := s.pool.Exec(ctx, `SELECT make_history_partitions(today, today + $1::int)
		FROM (SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date) t (today)`, partitionsAhead)
	if err != nil && !isLockTimeout(err) {
		return fmt.Errorf("make history partitions: %w", wrap(err))
	}
	for {
		var dropped bool
		err := s.pool.QueryRow(ctx, `SELECT drop_history_partition(clock_timestamp() - make_interval(secs => $1::float8))`,
			retention.Seconds()).Scan(&dropped)
		if isLockTimeout(err) || err == nil && !dropped {
			return nil // somebody reads it, or there is none: there is another time
		}
		if err != nil {
			return fmt.Errorf("drop old history: %w", wrap(err))
		}
	}
}

// Close implements repository.Store.
func (s *Store) Close() {
	s.readers.Close()
	s.pool.Close()
}

// Pool returns the connection pool, for its statistics.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// begin starts a transaction whose isolation level does not depend on the
// server's settings.
func (s *Store) begin(ctx context.Context) (pgx.Tx, error) {
	tx, err := s.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	return tx, wrap(err)
}
