package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
)

// system is what is measured: one or several gateways that show the same
// groups, and the database behind them, if there is one.
type system struct {
	name     string
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

// start starts a Pushgateway with as many groups. They are pushed unchecked:
// with its check on, that would take hours.
func (o *original) start(ctx context.Context, dir string, stored int) (*system, error) {
	file := "--persistence.file=" + filepath.Join(dir, fmt.Sprintf("groups-%d", stored))
	const interval = "--persistence.interval=24h" // only at the end
	p, err := start(ctx, nil, o.program, file, interval, "--push.disable-consistency-check")
	if err != nil {
		return nil, err
	}
	err = seed(ctx, []*process{p}, stored)
	p.stop()
	if err != nil {
		return nil, err
	}
	if p, err = start(ctx, nil, o.program, file, interval); err != nil {
		return nil, err
	}
	return &system{name: "Pushgateway", gateways: []*process{p}}, nil
}

// ours starts replicas of this gateway on a durable PostgreSQL of its own.
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

// store makes a database with as many groups and returns its name.
func (o *ours) store(ctx context.Context, stored int) (string, error) {
	name := fmt.Sprintf("stored_%d", stored)
	err := o.exec(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0")
		return err
	})
	if err != nil {
		return "", err
	}
	s, err := o.start(ctx, name, 1)
	if err != nil {
		return "", err
	}
	defer s.stop()
	return name, seed(ctx, s.gateways, stored)
}

// start starts replicas on a database.
func (o *ours) start(ctx context.Context, database string, replicas int) (*system, error) {
	s := &system{name: "1 replica", database: o.cluster.PID()}
	if replicas > 1 {
		s.name = fmt.Sprintf("%d replicas", replicas)
	}
	for range replicas {
		p, err := start(ctx, []string{"DATABASE_URL=" + o.cluster.URL(database)}, o.program)
		if err != nil {
			s.stop()
			return nil, err
		}
		s.gateways = append(s.gateways, p)
	}
	return s, nil
}
