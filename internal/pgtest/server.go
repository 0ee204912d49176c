package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

const (
	databasePrefix = "pgtest_"
	// dropAfter is how many databases of ended tests are kept: dropping one is
	// slow while the processes of its connections are still ending.
	dropAfter = 16
	// lockClass is the first half of the advisory locks by which runs on a
	// common server tell which databases are in use.
	lockClass = 0x70677465
)

// shared is the server of this process: tests that run in parallel have no
// other common place.
var shared server

// server hands out databases of one PostgreSQL server.
type server struct {
	mu       sync.Mutex
	opened   bool
	err      error    // why it could not be opened
	cluster  *Cluster // nil if the server is not ours
	url      func(database string) string
	admin    *pgx.Conn
	run      int32  // tells our databases from those of other runs
	template string // the migrated database, once there is one
	count    int
	retired  []string // databases of ended tests
}

// give returns the URL of a new database, empty if migrate is nil.
func (s *server) give(t testing.TB, migrate Migrate) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx := context.Background() // t.Context() ends before the clean-up begins
	if !s.opened {
		s.opened = true
		s.err = s.open(ctx)
	}
	if s.err != nil {
		t.Fatal("pgtest: ", s.err)
	}
	name, err := s.create(ctx, migrate)
	if err != nil {
		t.Fatal("pgtest:", err)
	}
	t.Cleanup(func() { s.takeBack(ctx, t, name) })
	return s.url(name)
}

func (s *server) open(ctx context.Context) error {
	adminURL := os.Getenv("TEST_DATABASE_URL")
	if adminURL != "" {
		u, err := url.Parse(adminURL)
		if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
			return errors.New("TEST_DATABASE_URL must be a URL like postgres://user:password@host/postgres")
		}
		s.url = func(database string) string {
			of := *u
			of.Path = "/" + database
			return of.String()
		}
	} else {
		cluster, err := NewCluster(Options{})
		if err != nil {
			return err
		}
		s.cluster, s.url, adminURL = cluster, cluster.URL, cluster.URL("postgres")
	}
	admin, err := pgx.Connect(ctx, adminURL)
	if err != nil {
		return fmt.Errorf("connect to TEST_DATABASE_URL: %w", err)
	}
	s.admin = admin
	var id [4]byte
	rand.Read(id[:])
	s.run = int32(binary.BigEndian.Uint32(id[:]) >> 1)
	if _, err := admin.Exec(ctx, `SELECT pg_advisory_lock($1, $2)`, lockClass, s.run); err != nil {
		return err
	}
	if s.cluster == nil {
		return s.dropStale(ctx)
	}
	return nil
}

// create makes a database. It is called with the lock held: copies that are
// made at the same time only wait for each other in the server.
func (s *server) create(ctx context.Context, migrate Migrate) (string, error) {
	if migrate == nil {
		return s.createFrom(ctx, "template0")
	}
	if s.template == "" {
		name, err := s.createFrom(ctx, "template0")
		if err != nil {
			return "", err
		}
		if err := migrate(ctx, s.url(name)); err != nil {
			return "", fmt.Errorf("migrate: %w", err)
		}
		if err := checkConnections(ctx, s.admin, name); err != nil {
			return "", fmt.Errorf("after migrate: %w", err)
		}
		s.template = name
	}
	return s.createFrom(ctx, s.template)
}

func (s *server) createFrom(ctx context.Context, template string) (string, error) {
	s.count++
	name := fmt.Sprintf("%s%d_%d", databasePrefix, s.run, s.count)
	statement := "CREATE DATABASE " + name + " TEMPLATE " + template
	if template == "template0" {
		statement += " ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
	}
	_, err := s.admin.Exec(ctx, statement)
	return name, err
}

// takeBack ends the use of a test's database.
func (s *server) takeBack(ctx context.Context, t testing.TB, name string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := checkConnections(ctx, s.admin, name); err != nil {
		t.Errorf("pgtest: %v", err)
	}
	if t.Failed() && s.cluster == nil {
		t.Logf("pgtest: database %s is kept until the next run", name)
		return
	}
	s.retired = append(s.retired, name)
	if len(s.retired) < dropAfter {
		return
	}
	if err := s.drop(ctx, s.retired); err != nil {
		t.Errorf("pgtest: %v", err)
	}
	s.retired = nil
}

func (s *server) drop(ctx context.Context, databases []string) error {
	for _, name := range databases {
		if _, err := s.admin.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
			return err
		}
	}
	return nil
}

// dropStale drops what runs that ended early left on a common server: the
// databases of those whose advisory lock is free.
func (s *server) dropStale(ctx context.Context) error {
	rows, err := s.admin.Query(ctx, `SELECT datname FROM pg_database WHERE datname ~ ('^' || $1 || '[0-9]+_[0-9]+$')`, databasePrefix)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		var free bool
		run, _, _ := strings.Cut(strings.TrimPrefix(name, databasePrefix), "_")
		err := s.admin.QueryRow(ctx, `
			SELECT NOT EXISTS (SELECT FROM pg_locks
			WHERE locktype = 'advisory' AND classid = $1::int8 AND objid = $2::int8)`, lockClass, run).Scan(&free)
		if err != nil {
			return err
		}
		if free {
			if err := s.drop(ctx, []string{name}); err != nil {
				return err
			}
		}
	}
	return nil
}

// close drops the databases, or stops the server if it is ours.
func (s *server) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx := context.Background()
	var errs []error
	if s.admin != nil {
		if s.cluster == nil {
			errs = append(errs, s.drop(ctx, append(s.retired, s.template)))
		}
		errs = append(errs, s.admin.Close(ctx))
	}
	if s.cluster != nil {
		s.cluster.Remove()
	}
	return errors.Join(errs...)
}
