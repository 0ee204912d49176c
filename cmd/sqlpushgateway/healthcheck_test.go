package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	answering := func(code int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(code)
			io.WriteString(w, text)
		}
	}
	ready := httptest.NewServer(answering(http.StatusOK, "OK"))
	t.Cleanup(ready.Close)
	waiting := httptest.NewServer(answering(http.StatusServiceUnavailable, "waiting for the database\nand more"))
	t.Cleanup(waiting.Close)
	stuck := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stuck }))
	t.Cleanup(hanging.Close)
	t.Cleanup(func() { close(stuck) })
	secured := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "alice" || password != "hunter2" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(secured.Close)
	withUser := strings.Replace(secured.URL, "://", "://alice:hunter2@", 1)

	for _, c := range []struct {
		name   string
		args   []string
		code   int
		stderr string // part of it
	}{
		{"a ready gateway is healthy", []string{ready.URL}, 0, ""},
		{"one that waits is not, and says why", []string{waiting.URL}, 1, "answers 503 Service Unavailable: waiting for the database\n"},
		{"one that hangs is not", []string{"--timeout=10ms", hanging.URL}, 1, "deadline exceeded"},
		{"one that is not there is not", []string{"http://127.0.0.1:1/-/ready"}, 1, "connection refused"},
		{"the user and password of the URL are used", []string{"--insecure", withUser}, 0, ""},
		{"a wrong password is not shown", []string{"--insecure", strings.Replace(withUser, "alice", "bob", 1)}, 1, "bob:xxxxx@"},
		{"certificates are verified unless told otherwise", []string{withUser}, 1, "certificate"},
		{"the help is no error", []string{"--help"}, 0, ""},
		{"an unknown flag is an error", []string{"--nope"}, 1, "unknown long flag '--nope' (see --help)"},
		{"a bad flag is named", []string{"--timeout=soon"}, 1, "--timeout: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), append([]string{"healthcheck"}, c.args...), &stdout, &stderr)
			if code != c.code || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("got exit code %d and %q, want %d and %q", code, stderr.String(), c.code, c.stderr)
			}
			if strings.Contains(stderr.String(), "hunter2") || strings.Count(stderr.String(), "\n") > 1 {
				t.Errorf("got %q, want one line without the password", stderr.String())
			}
		})
	}
}

func TestTheHelpListsTheCommands(t *testing.T) {
	t.Parallel()
	var stdout bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, &stdout, io.Discard); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	for _, c := range commands() {
		if !strings.Contains(stdout.String(), c.name+": "+c.help) {
			t.Errorf("the help lacks %s:\n%s", c.name, stdout.String())
		}
	}
}
