package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
)

// system is what is measured: one or several gateways that show the same
// groups, and the database behind them, if there is one.
type system struct {
	gateways []*process
	database int // process id, 0 if there is none
}

func (s *system) pids() []int {
	var pids []int
	for _, g := range s.gateways {
		pids = append(pids, g.cmd.Process.Pid)
	}
	return pids
}

func (s *system) stop() {
	for _, g := range s.gateways {
		g.stop()
	}
}

// original starts Pushgateways that keep groups in a file.
type original struct {
	program string
	version string
}

// findOriginal looks for the program that PUSHGATEWAY_BIN names, or for
// Debian's.
func findOriginal() (*original, error) {
	program := os.Getenv("PUSHGATEWAY_BIN")
	if program == "" {
		program = "prometheus-pushgateway"
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("no Pushgateway to compare with: install Debian's package prometheus-pushgateway, or set PUSHGATEWAY_BIN to the program (%w)", err)
	}
	out, err := exec.Command(path, "--version").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s --version: %w", path, err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return &original{program: path, version: first}, nil
}

// start starts a Pushgateway with as many groups, which writes its file at most
// once in an interval, and at its end. They are pushed unchecked: with its check
// on, that would take hours.
func (o *original) start(ctx context.Context, file string, stored int, interval time.Duration) (*system, error) {
	flags := []string{"--persistence.file=" + file, "--persistence.interval=" + interval.String()}
	p, err := start(ctx, nil, o.program, append(flags, "--push.disable-consistency-check")...)
	if err != nil {
		return nil, err
	}
	err = seed(ctx, []*process{p}, stored)
	p.stop()
	if err != nil {
		return nil, err
	}
	if p, err = start(ctx, nil, o.program, flags...); err != nil {
		return nil, err
	}
	return &system{gateways: []*process{p}}, nil
}

// ours starts replicas of this gateway on a durable PostgreSQL of its own, or
// one on an SQLite file.
type ours struct {
	program string
	cluster *pgtest.Cluster
	version string // of PostgreSQL
}

func newOurs(ctx context.Context, program string) (*ours, error) {
	cluster, err := pgtest.NewCluster(pgtest.Options{Durable: true, TCP: true})
	if err != nil {
		return nil, err
	}
	o := &ours{program: program, cluster: cluster}
	err = o.exec(ctx, func(conn *pgx.Conn) error {
		var fsync, commit string
		err := conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('fsync'),
			current_setting('synchronous_commit')`).Scan(&o.version, &fsync, &commit)
		if err == nil && (fsync != "on" || commit != "on") {
			err = fmt.Errorf("the database is not durable: fsync %s, synchronous_commit %s", fsync, commit)
		}
		return err
	})
	if err != nil {
		cluster.Remove()
		return nil, err
	}
	return o, nil
}

func (o *ours) exec(ctx context.Context, f func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, o.cluster.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return f(conn)
}

// storePostgres makes a database with as many groups and returns its URL.
func (o *ours) storePostgres(ctx context.Context, stored int) (string, error) {
	name := fmt.Sprintf("stored_%d", stored)
	err := o.exec(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0")
		return err
	})
	if err != nil {
		return "", err
	}
	return o.seed(ctx, o.cluster.URL(name), stored)
}

// storeSQLite makes a file with as many groups in the folder and returns its URL.
func (o *ours) storeSQLite(ctx context.Context, dir string, stored int) (string, error) {
	return o.seed(ctx, "sqlite:"+filepath.Join(dir, fmt.Sprintf("stored_%d.db", stored)), stored)
}

// seed returns the URL that it is given.
func (o *ours) seed(ctx context.Context, database string, stored int) (string, error) {
	s, err := o.start(ctx, database, 1)
	if err != nil {
		return "", err
	}
	defer s.stop()
	return database, seed(ctx, s.gateways, stored)
}

// start starts replicas on a database.
func (o *ours) start(ctx context.Context, database string, replicas int) (*system, error) {
	s := &system{}
	if !strings.HasPrefix(database, "sqlite:") {
		s.database = o.cluster.PID()
	}
	for range replicas {
		p, err := start(ctx, []string{"DATABASE_URL=" + database}, o.program)
		if err != nil {
			s.stop()
			return nil, err
		}
		s.gateways = append(s.gateways, p)
	}
	return s, nil
}
