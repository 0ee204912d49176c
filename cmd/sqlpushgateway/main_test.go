package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
)

// asProgram makes the test binary run the program instead of the tests.
const asProgram = "SQLPUSHGATEWAY_RUN"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Unsetenv("DATABASE_URL") // it is not for tests
	os.Exit(pgtest.Main(m))
}

// testApp is a gateway within the test process.
type testApp struct {
	*app
	url  string
	logs *logs
	stop func() error // ends it, waits, and returns what run returned
}

// startApp runs a gateway on a free port and stops it at the end of the test.
// It may not be ready yet.
func startApp(t *testing.T, databaseURL string, flags ...string) *testApp {
	t.Helper()
	c, err := parseFlags(append([]string{"--web.listen-address=127.0.0.1:0", "--database.url=" + databaseURL}, flags...), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	a := &testApp{logs: &logs{}}
	c.log.Writer = a.logs
	ctx, cancel := context.WithCancel(context.Background())
	if a.app, err = newApp(ctx, c, promslog.New(&c.log)); err != nil {
		cancel()
		t.Fatal(err)
	}
	a.url = "http://" + a.addr()
	result := make(chan error, 1)
	go func() { result <- a.run(ctx) }()
	a.stop = sync.OnceValue(func() error {
		cancel()
		return <-result
	})
	t.Cleanup(func() {
		if err := a.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return a
}

// logs are what a gateway logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// answer is what came back for a request.
type answer struct {
	code   int
	body   string
	header http.Header
}

// ask sends a request on a connection of its own.
func ask(ctx context.Context, method, url string, body io.Reader) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return answer{}, err
	}
	return send(req)
}

func send(req *http.Request) (answer, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Hour}}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(text), resp.Header}, err
}

func mustAsk(t *testing.T, method, url, body string) answer {
	t.Helper()
	a, err := ask(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// waitUntil waits until the URL answers with the code. Only a timeout of the
// whole test run ends a wait in vain.
func waitUntil(t *testing.T, url string, code int) answer {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		a, err := ask(t.Context(), http.MethodGet, url, nil)
		if err == nil && a.code == code {
			return a
		}
		select {
		case <-deadline:
			t.Fatalf("%s did not answer %d: %+v %v", url, code, a, err)
		case <-tick.C:
		}
	}
}
