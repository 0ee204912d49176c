package api_test

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sqlpushgateway/sqlpushgateway/api"
	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeGateway answers with err, and remembers what it was asked.
type fakeGateway struct {
	err       error
	groups    []exposition.Group
	groupsErr error // after the groups
	jobRuns   int   // for how many jobs there is time, if not 0

	mu        sync.Mutex
	ctx       context.Context
	pushes    []repository.Push
	deletions []repository.Deletion
	wipes     []repository.Request
}

func (f *fakeGateway) Push(ctx context.Context, p repository.Push) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ctx, f.pushes = ctx, append(f.pushes, p)
	return cmp.Or(f.err, p.Refused)
}

func (f *fakeGateway) Delete(_ context.Context, d repository.Deletion) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deletions = append(f.deletions, d)
	return f.err
}

func (f *fakeGateway) Wipe(_ context.Context, r repository.Request) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wipes = append(f.wipes, r)
	return f.err
}

func (f *fakeGateway) Snapshot(ctx context.Context, protobuf bool) (*exposition.Snapshot, error) {
	f.mu.Lock()
	f.ctx = ctx
	f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	state := exposition.NewState()
	if protobuf {
		state.EnableProtobuf()
	}
	state.Apply(exposition.Change{Reset: true, Groups: f.groups})
	return state.Snapshot(), nil
}

func (f *fakeGateway) Groups(_ context.Context, yield func(exposition.Group) error) error {
	for _, g := range f.groups {
		if err := yield(g); err != nil {
			return err
		}
	}
	return f.groupsErr
}

func (f *fakeGateway) Search(context.Context, repository.HistoryQuery, func(*repository.HistoryRow) int) (repository.HistoryPage, error) {
	return repository.HistoryPage{}, f.err
}

func (f *fakeGateway) EachRow(context.Context, repository.HistoryQuery, func(*repository.HistoryRow) error) error {
	return f.err
}

func (f *fakeGateway) HistoryRow(context.Context, int64) (repository.HistoryRow, bool, error) {
	return repository.HistoryRow{}, true, f.err
}

func (f *fakeGateway) JobRuns(_ context.Context, jobs []string) ([]repository.JobRuns, error) {
	n := len(jobs)
	if f.jobRuns > 0 {
		n = min(n, f.jobRuns)
	}
	return make([]repository.JobRuns, n), f.err
}

func (f *fakeGateway) Ready(context.Context) error { return f.err }

func newServer(t testing.TB, g api.Gateway, o api.Options) *api.Server {
	t.Helper()
	s, err := api.New(g, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// send sends a request with headers given as "Name: value".
func send(h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req := httptest.NewRequest(method, target, r)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

func mustKey(t testing.TB, path string) exposition.GroupingKey {
	t.Helper()
	key, err := exposition.ParseGroupingKey(path, exposition.UTF8Names)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// mustGroup returns a group as if the text had been pushed at the time.
func mustGroup(t testing.TB, path, text string, at time.Time) exposition.Group {
	t.Helper()
	families, err := exposition.ParseText(strings.NewReader(text), exposition.LegacyNames)
	if err != nil {
		t.Fatal(err)
	}
	key := mustKey(t, path)
	if families, err = exposition.Normalize(key, families, exposition.Rules{}); err != nil {
		t.Fatal(err)
	}
	return exposition.Group{Key: key, Families: families, PushTime: at}
}

// wantLine checks that an answer is one line of plain text that contains part.
func wantLine(t *testing.T, w *httptest.ResponseRecorder, part string) {
	t.Helper()
	body := w.Body.String()
	if strings.Count(body, "\n") != 1 || !strings.HasSuffix(body, "\n") {
		t.Errorf("the body is not one line: %q", body)
	}
	if !strings.Contains(body, part) {
		t.Errorf("the body %q does not contain %q", body, part)
	}
	if got, want := w.Header().Get("Content-Type"), "text/plain; charset=utf-8"; got != want {
		t.Errorf("Content-Type %q, want %q", got, want)
	}
}
