package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/exporter-toolkit/web"

	"github.com/sqlpushgateway/sqlpushgateway/api"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// cancelTimeout is how long requests have to notice that the time for them to
// finish is over.
const cancelTimeout = 2 * time.Second

// app is a gateway with all its parts. It listens from the beginning, so that
// its addresses are known, and serves in run.
type app struct {
	config    *config
	logger    *slog.Logger
	gateway   *repository.Repository
	api       *api.Server
	listeners []net.Listener
	servers   []*http.Server     // one for each listener
	logins    prometheus.Counter // that failed
	cancel    context.CancelFunc // ends the contexts of all requests
	quit      chan struct{}      // closed by /-/quit
	stopOnce  sync.Once
}

// newApp opens the listeners and puts the parts together. It returns an error
// for what cannot work, but a database that is away is waited for while
// serving.
func newApp(ctx context.Context, c *config, logger *slog.Logger) (*app, error) {
	listeners, err := listen(c.web)
	if err != nil {
		return nil, err
	}
	a := &app{config: c, logger: logger, listeners: listeners, quit: make(chan struct{})}
	if err := a.build(ctx); err != nil {
		a.closeListeners()
		return nil, err
	}
	return a, nil
}

func (a *app) closeListeners() {
	for _, l := range a.listeners {
		l.Close()
	}
}

// addr is the address of the first listener.
func (a *app) addr() string { return a.listeners[0].Addr().String() }

// replica is the name of this process in the history.
func (a *app) replica() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	_, port, err := net.SplitHostPort(a.addr())
	if err != nil {
		return host
	}
	return net.JoinHostPort(host, port)
}

func (a *app) newServer(base context.Context) *http.Server {
	return &http.Server{
		Handler:           a.api,
		ReadHeaderTimeout: a.config.timeouts.readHeader,
		ReadTimeout:       a.config.timeouts.read,
		WriteTimeout:      a.config.timeouts.write,
		IdleTimeout:       a.config.timeouts.idle,
		ErrorLog:          slog.NewLogLogger(a.logger.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       api.ConnContext,
	}
}

// run serves until ctx ends, somebody asks for the end by /-/quit, or a
// listener fails, which is the error that it returns. Then it stops.
func (a *app) run(ctx context.Context) error {
	failed := make(chan error, len(a.servers))
	for i, server := range a.servers {
		// web.Serve changes the server's handler, hence a server of its own
		// for each listener.
		l := &loginCounter{Listener: a.listeners[i], server: server, failed: a.logins}
		go func() { failed <- web.Serve(l, server, a.config.web, a.logger) }()
	}
	var err error
	remaining := len(a.servers)
	select {
	case <-ctx.Done():
		a.logger.Info("asked to stop: draining")
	case <-a.quit:
		a.logger.Warn("asked to stop by /-/quit: draining")
	case err = <-failed:
		remaining--
	}
	a.stop()
	for range remaining {
		<-failed
	}
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// stop drains: for a while it serves on, but is not ready and closes
// connections; then it closes the listeners without losing a connection that
// is about to be accepted, waits for what is in flight, and closes the database
// last. It is bounded by the flags, and does its work once.
func (a *app) stop() {
	a.stopOnce.Do(func() {
		a.api.Drain()
		if a.config.shutdownDelay > 0 {
			time.Sleep(a.config.shutdownDelay)
		}
		a.refuseNew()
		a.stopServers()
		a.closeListeners() // those that never served
		a.gateway.Close()
		a.logger.Info("stopped")
	})
}

// refuseNew keeps new connections from our listeners. The sockets of systemd go
// on: what arrives there is for the next process.
func (a *app) refuseNew() {
	if *a.config.web.WebSystemdSocket {
		return
	}
	var wait sync.WaitGroup
	for _, l := range a.listeners {
		if tcp, ok := l.(*net.TCPListener); ok {
			wait.Go(func() { refuseNew(tcp) })
		}
	}
	wait.Wait()
}

func (a *app) stopServers() {
	if a.shutdown(a.config.shutdownTimeout) == nil {
		a.cancel()
		return
	}
	a.logger.Warn("requests in flight are cancelled: they took longer than --shutdown.timeout")
	a.cancel()
	if a.shutdown(cancelTimeout) == nil {
		return
	}
	for _, server := range a.servers {
		server.Close()
	}
}

// shutdown closes the listeners and waits until no request is in flight.
func (a *app) shutdown(timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	errs := make([]error, len(a.servers))
	var wait sync.WaitGroup
	for i, server := range a.servers {
		wait.Go(func() { errs[i] = server.Shutdown(ctx) })
	}
	wait.Wait()
	return errors.Join(errs...)
}
