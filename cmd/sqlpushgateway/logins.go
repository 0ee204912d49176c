package main

import (
	"net"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

func newFailedLogins(registry prometheus.Registerer) prometheus.Counter {
	failed := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sqlpushgateway_failed_logins_total",
		Help: "Requests refused for want of a user and password of --web.config.file.",
	})
	registry.MustRegister(failed)
	return failed
}

// loginCounter is the listener of a server that counts logins which fail.
// web.Serve puts the check of passwords in front of the server's handler, and
// tells nobody; but then it asks for the first connection.
type loginCounter struct {
	net.Listener
	server *http.Server
	failed prometheus.Counter
	once   sync.Once
}

func (l *loginCounter) Accept() (net.Conn, error) {
	l.once.Do(func() { l.server.Handler = countFailedLogins(l.server.Handler, l.failed) })
	return l.Listener.Accept()
}

func countFailedLogins(next http.Handler, failed prometheus.Counter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		if w.Header().Get("WWW-Authenticate") != "" {
			failed.Inc()
		}
	})
}
