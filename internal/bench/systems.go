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
	gateways []*process
	database int    // process id, 0 if there is none
	release  func() // ends its use
}

// The systems that are compared.
const (
	pushgateway = iota
	unchecked   // Pushgateway that does not check what is pushed
	onSQLite
	oneReplica
	threeReplicas
)

var names = map[int]string{
	pushgateway: "Pushgateway", unchecked: "Pushgateway, check off",
	onSQLite: "SQLite", oneReplica: "1 replica", threeReplicas: "3 replicas",
}

// start starts a system with as many groups of the traffic plain.
func (b *bench) start(ctx context.Context, which, stored int) (*system, error) {
	switch which {
	case pushgateway, unchecked:
		return b.theirs.start(ctx, which, stored)
	case onSQLite:
		database, err := b.ours.sqlite(ctx, stored)
		if err != nil {
			return nil, err
		}
		return b.ours.start(ctx, database, 1)
	}
	database, err := b.ours.postgres(ctx, stored)
	if err != nil {
		return nil, err
	}
	return b.ours.start(ctx, database, map[int]int{oneReplica: 1, threeReplicas: 3}[which])
}

// startNew is start, but never resumes a Pushgateway that was used before.
func (b *bench) startNew(ctx context.Context, which, stored int) (*system, error) {
	if which != pushgateway && which != unchecked {
		return b.start(ctx, which, stored)
	}
	p, err := b.theirs.fresh(ctx, which, stored)
	if err != nil {
		return nil, err
	}
	return &system{gateways: []*process{p}, release: p.kill}, nil
}

// original starts Pushgateways. Reading their groups takes them long, so they
// are paused, not ended, while others are measured.
type original struct {
	program string
	version string
	dir     string
	files   map[int]string // by how many groups they have
	paused  map[[2]int]*process
}

// findOriginal looks for the program that PUSHGATEWAY_BIN names, or for
// Debian's. Its files are kept in dir.
func findOriginal(dir string) (*original, error) {
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
	return &original{program: path, version: first, dir: dir, files: map[int]string{}, paused: map[[2]int]*process{}}, nil
}

// start starts a Pushgateway, or resumes the one that was paused.
func (o *original) start(ctx context.Context, which, stored int) (*system, error) {
	key := [2]int{which, stored}
	p := o.paused[key]
	if p == nil {
		var err error
		if p, err = o.fresh(ctx, which, stored); err != nil {
			return nil, err
		}
		o.paused[key] = p
	}
	return &system{gateways: []*process{p}, release: func() { p.pause() }}, p.resume()
}

// fresh starts a Pushgateway that has read its groups from a file and will
// write no file. The caller ends it.
func (o *original) fresh(ctx context.Context, which, stored int) (*process, error) {
	file, err := o.file(ctx, stored)
	if err != nil {
		return nil, err
	}
	flags := []string{"--persistence.file=" + file, "--persistence.interval=24h"}
	if which == unchecked {
		flags = append(flags, "--push.disable-consistency-check")
	}
	return start(ctx, nil, o.program, flags...)
}

// file returns a file with as many groups. They are pushed unchecked: with its
// check on, that would take hours.
func (o *original) file(ctx context.Context, stored int) (string, error) {
	file := o.files[stored]
	if file != "" {
		return file, nil
	}
	progress("storing %s groups: Pushgateway", thousands(stored))
	file = filepath.Join(o.dir, fmt.Sprintf("groups-%d", stored))
	p, err := start(ctx, nil, o.program, "--persistence.file="+file, "--push.disable-consistency-check")
	if err != nil {
		return "", err
	}
	err = pushOnce(ctx, []*process{p}, plain(stored), stored, 0)
	p.stop()
	o.files[stored] = file
	return file, err
}

// forget ends all Pushgateways that are paused.
func (o *original) forget() {
	for _, p := range o.paused {
		p.kill()
	}
	clear(o.paused)
}

// ours starts replicas of this gateway on a durable PostgreSQL of its own, or
// one on an SQLite file.
type ours struct {
	program   string
	dir       string // of SQLite files
	cluster   *pgtest.Cluster
	version   string // of PostgreSQL
	databases map[string]string
	count     int // of databases
}

func newOurs(ctx context.Context, program, dir string) (*ours, error) {
	cluster, err := pgtest.NewCluster(pgtest.Options{Durable: true, TCP: true, Settings: map[string]string{
		"wal_keep_size": "2GB", // for looking into what was written
	}})
	if err != nil {
		return nil, err
	}
	o := &ours{program: program, dir: dir, cluster: cluster, databases: map[string]string{}}
	err = o.query(ctx, cluster.URL("postgres"), func(conn *pgx.Conn) error {
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

func (o *ours) query(ctx context.Context, url string, f func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return f(conn)
}

// empty makes a new database and returns its URL.
func (o *ours) empty(ctx context.Context) (string, error) {
	o.count++
	name := fmt.Sprintf("bench_%d", o.count)
	return o.cluster.URL(name), o.query(ctx, o.cluster.URL("postgres"), func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0")
		return err
	})
}

// postgres returns the URL of the database with as many groups.
func (o *ours) postgres(ctx context.Context, stored int) (string, error) {
	key := fmt.Sprintf("PostgreSQL %d", stored)
	if url := o.databases[key]; url != "" {
		return url, nil
	}
	url, err := o.empty(ctx)
	if err != nil {
		return "", err
	}
	progress("storing %s groups: PostgreSQL", thousands(stored))
	o.databases[key] = url
	return url, o.seed(ctx, url, plain(stored), stored)
}

// sqlite returns the URL of the file with as many groups.
func (o *ours) sqlite(ctx context.Context, stored int) (string, error) {
	url := "sqlite:" + filepath.Join(o.dir, fmt.Sprintf("stored_%d.db", stored))
	if o.databases[url] != "" {
		return url, nil
	}
	progress("storing %s groups: SQLite", thousands(stored))
	o.databases[url] = url
	return url, o.seed(ctx, url, plain(stored), stored)
}

// seed pushes to as many groups once.
func (o *ours) seed(ctx context.Context, database string, t traffic, groups int) error {
	s, err := o.start(ctx, database, 1)
	if err != nil {
		return err
	}
	defer s.release()
	return pushOnce(ctx, s.gateways, t, groups, 0)
}

// start starts replicas on a database, whose history is emptied.
func (o *ours) start(ctx context.Context, database string, replicas int) (*system, error) {
	if isPostgres(database) {
		if err := o.forgetHistory(ctx, database); err != nil {
			return nil, err
		}
	}
	return o.startAsIs(ctx, database, replicas)
}

// startAsIs is start, but leaves the history there.
func (o *ours) startAsIs(ctx context.Context, database string, replicas int) (*system, error) {
	s := &system{}
	s.release = func() {
		for _, p := range s.gateways {
			p.stop()
		}
	}
	if isPostgres(database) {
		s.database = o.cluster.PID()
	}
	for range replicas {
		p, err := start(ctx, []string{"DATABASE_URL=" + database}, o.program)
		if err != nil {
			s.release()
			return nil, err
		}
		s.gateways = append(s.gateways, p)
	}
	return s, nil
}

func isPostgres(database string) bool { return strings.HasPrefix(database, "postgres") }

// forgetHistory empties the history, which would fill a small disk in the end.
func (o *ours) forgetHistory(ctx context.Context, database string) error {
	return o.query(ctx, database, func(conn *pgx.Conn) error {
		var exists bool
		if err := conn.QueryRow(ctx, `SELECT to_regclass('push_history') IS NOT NULL`).Scan(&exists); err != nil || !exists {
			return err
		}
		_, err := conn.Exec(ctx, `TRUNCATE push_history`)
		return err
	})
}
