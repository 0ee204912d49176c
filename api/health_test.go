package api_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/api"
)

func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fakeGateway{}, api.Options{})
	for _, path := range []string{"/-/healthy", "/-/ready"} {
		if w := send(s, "GET", path, ""); w.Code != 200 || w.Body.String() != "OK" {
			t.Errorf("%s: code %d, body %q", path, w.Code, w.Body)
		}
	}
	away := newServer(t, &fakeGateway{err: errors.New("no connection")}, api.Options{})
	w := send(away, "GET", "/-/ready", "")
	if w.Code != 503 {
		t.Errorf("database away: code %d, want 503", w.Code)
	}
	wantLine(t, w, "database does not answer")
}

func TestDrainingServerSendsClientsAway(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fakeGateway{}, api.Options{})
	if got := send(s, "PUT", "/metrics/job/a", body).Header().Get("Connection"); got != "" {
		t.Errorf("Connection %q before draining", got)
	}
	s.Drain()
	for request, code := range map[string]int{"GET /-/ready": 503, "GET /-/healthy": 200, "PUT /metrics/job/a": 200, "GET /nope": 404} {
		method, path, _ := strings.Cut(request, " ")
		w := send(s, method, path, "")
		if w.Code != code || w.Header().Get("Connection") != "close" {
			t.Errorf("%s: code %d, Connection %q; want %d, close", request, w.Code, w.Header().Get("Connection"), code)
		}
	}
}

func TestCommandLineHasTheMaskedFlagsOnly(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fakeGateway{}, api.Options{Flags: map[string]string{"b": "2", "a": "1"}})
	got := send(s, "GET", "/debug/pprof/cmdline", "").Body.String()
	if !strings.HasSuffix(got, "\x00--a=1\x00--b=2") || strings.Contains(got, "-test.") {
		t.Errorf("command line %q", got)
	}
}
