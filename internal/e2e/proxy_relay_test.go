package e2e

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// relay stands between nginx and a replica, and does to requests what networks
// and dying machines do.
type relay struct {
	url         string
	connections atomic.Int64 // that nginx has opened
}

// treatment is what becomes of a request that a relay has read. Calling pass
// sends it to the replica, even if nginx has given up meanwhile, and returns
// the answer.
type treatment func(w http.ResponseWriter, r *http.Request, pass func() answer)

// startRelays starts a relay in front of each replica, and nginx in front of
// them.
func startRelays(t *testing.T, replicas []*replica, treat func(to *replica) treatment) (*proxy, []*relay) {
	t.Helper()
	relays := make([]*relay, len(replicas))
	urls := make([]string, len(replicas))
	for i, to := range replicas {
		relays[i] = startRelay(t, to, treat(to))
		urls[i] = relays[i].url
	}
	return startProxyTo(t, urls...), relays
}

func startRelay(t *testing.T, to *replica, treat treatment) *relay {
	t.Helper()
	l := &relay{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			hangUp()
		}
		treat(w, r, func() answer { return pass(r, body, to) })
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			l.connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	l.url = server.URL
	return l
}

// pass sends the request to the replica. The code of the answer is 0 if there
// is none.
func pass(r *http.Request, body []byte, to *replica) answer {
	sent, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, to.url+r.RequestURI, bytes.NewReader(body))
	if err != nil {
		return answer{}
	}
	sent.Header = r.Header
	resp, err := plainClient.Do(sent)
	if err != nil {
		return answer{}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// respond sends the answer to nginx.
func respond(w http.ResponseWriter, a answer) {
	if a.code == 0 {
		hangUp()
	}
	maps.Copy(w.Header(), a.header)
	w.Header().Del("Connection") // it is about the one to the replica
	w.WriteHeader(a.code)
	_, _ = io.WriteString(w, a.body)
}

// hangUp closes the connection to nginx without an answer.
func hangUp() { panic(http.ErrAbortHandler) }
