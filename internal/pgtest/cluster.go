package pgtest

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// startTimeout is generous: a disk that is busy with something else can hold
// up a durable start for many seconds.
const startTimeout = 60 * time.Second

// Options says how a cluster differs from a fast one on a unix socket.
type Options struct {
	// Durable makes commits survive [Cluster.Kill], as they do in production.
	Durable bool
	// TCP makes the cluster listen on a free port of 127.0.0.1 too, which its
	// URLs then name. Restart keeps the port.
	TCP bool
	// Settings are added to the configuration, as in postgresql.conf.
	Settings map[string]string
}

// Cluster is a PostgreSQL server that belongs to one test, whose goroutine
// must be the one that calls the methods. What goes wrong fails the test.
type Cluster struct {
	t    testing.TB // nil for the one that tests share, and outside of tests
	opts Options
	bin  string
	dir  *tempDir
	port int
	proc *process
}

// StartCluster starts a new, empty PostgreSQL server and stops it at the end
// of the test. The superuser is postgres, without a password.
func StartCluster(t testing.TB, opts Options) *Cluster {
	t.Helper()
	c, err := NewCluster(opts)
	if err != nil {
		t.Fatal("pgtest:", err)
	}
	c.t = t
	t.Cleanup(c.Remove)
	return c
}

// NewCluster is [StartCluster] for programs that are no tests. The caller calls
// Remove in the end.
func NewCluster(opts Options) (*Cluster, error) {
	bin, err := binDir()
	if err != nil {
		return nil, err
	}
	dir, err := newTempDir()
	if err != nil {
		return nil, err
	}
	c := &Cluster{opts: opts, bin: bin, dir: dir, port: 5432}
	if err := c.initialise(); err != nil {
		dir.remove()
		return nil, err
	}
	if err := c.start(); err != nil {
		c.Remove()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) initialise() error {
	if c.opts.TCP {
		port, err := freePort()
		if err != nil {
			return err
		}
		c.port = port
	}
	program := filepath.Join(c.bin, "initdb")
	cmd, err := command(c.dir.path, program, "-D", c.data(), "-U", "postgres", "-A", "trust",
		"-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w%s\n%s", program, err, unreachableHint(program), out)
	}
	return nil
}

func (c *Cluster) data() string { return filepath.Join(c.dir.path, "data") }

// start starts the server and waits until it takes connections.
func (c *Cluster) start() error {
	proc, err := startProcess(c.dir.path, filepath.Join(c.bin, "postgres"), c.arguments()...)
	if err != nil {
		return err
	}
	c.proc = proc
	err = waitFor(startTimeout, func() error {
		if proc.ended() {
			return nil
		}
		return ping(c.URL("postgres"))
	})
	if proc.ended() {
		return fmt.Errorf("postgres ended at its start:\n%s", proc.output())
	}
	if err != nil {
		return fmt.Errorf("postgres takes no connections after %v: %w\n%s", startTimeout, err, proc.output())
	}
	return nil
}

func (c *Cluster) arguments() []string {
	settings := map[string]string{
		"listen_addresses":        "",
		"unix_socket_directories": c.dir.path,
		"port":                    strconv.Itoa(c.port),
		"timezone":                "UTC",
		"max_connections":         "200",
	}
	if c.opts.TCP {
		settings["listen_addresses"] = "127.0.0.1"
	}
	if !c.opts.Durable {
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
		settings["autovacuum"] = "off"
	}
	maps.Copy(settings, c.opts.Settings)
	args := []string{"-D", c.data()}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// URL returns the URL of the database, which need not exist.
func (c *Cluster) URL(database string) string {
	if c.opts.TCP {
		return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", c.port, url.PathEscape(database))
	}
	return socketURL(c.dir.path, c.port, database)
}

func socketURL(dir string, port int, database string) string {
	return fmt.Sprintf("postgres://postgres@/%s?host=%s&port=%d&sslmode=disable",
		url.PathEscape(database), url.QueryEscape(dir), port)
}

// Stop shuts the server down as an operator would: connections are closed,
// what is committed is on disk.
func (c *Cluster) Stop() { c.proc.stop(syscall.SIGINT) }

// Kill ends all processes of the server with SIGKILL. A restart begins with
// crash recovery.
func (c *Cluster) Kill() { c.proc.kill() }

// KillBackend ends the process behind one connection with SIGKILL, upon which
// the server closes all connections, recovers and goes on by itself. The pid is
// that of pg_backend_pid(). It does not wait for the recovery.
func (c *Cluster) KillBackend(pid uint32) {
	c.t.Helper()
	if err := syscall.Kill(int(pid), syscall.SIGKILL); err != nil {
		c.t.Fatalf("pgtest: kill backend %d: %v", pid, err)
	}
}

// Restart starts the server again on the same data, address and port; it is
// stopped first if it runs. It returns when the server takes connections.
func (c *Cluster) Restart() {
	c.t.Helper()
	c.Stop()
	if err := c.start(); err != nil {
		c.t.Fatal("pgtest: restart:", err)
	}
}

// PID returns the id of the server's first process, whose children are all
// others.
func (c *Cluster) PID() int { return c.proc.cmd.Process.Pid }

// Program returns the path of one of PostgreSQL's programs, which need not be
// there.
func (c *Cluster) Program(name string) string { return filepath.Join(c.bin, name) }

// Remove ends the server without ceremony and removes its files. Tests need
// not call it.
func (c *Cluster) Remove() {
	if c.proc != nil {
		c.proc.stop(syscall.SIGQUIT)
	}
	if err := c.dir.remove(); err != nil && c.t != nil {
		c.t.Errorf("pgtest: %v", err)
	}
}

func ping(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// freePort returns a port of 127.0.0.1 that nobody listened on a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
