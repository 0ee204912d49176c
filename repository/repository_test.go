package repository_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// open returns a replica on the database.
func open(t testing.TB, url string, change ...func(*repository.Options)) *repository.Repository {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	store, err := postgres.Open(t.Context(), postgres.Options{URL: url, Replica: "test", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	options := repository.Options{Logger: logger, Registry: prometheus.NewRegistry()}
	for _, c := range change {
		c(&options)
	}
	r := repository.New(store, options)
	t.Cleanup(r.Close)
	for r.Ready(t.Context()) != nil {
		runtime.Gosched()
	}
	return r
}

// newReplicas returns n replicas on a database of their own.
func newReplicas(t testing.TB, n int, change ...func(*repository.Options)) ([]*repository.Repository, string) {
	t.Helper()
	url := pgtest.New(t, postgres.Migrate)
	replicas := make([]*repository.Repository, n)
	for i := range replicas {
		replicas[i] = open(t, url, change...)
	}
	return replicas, url
}

func key(t testing.TB, path string) exposition.GroupingKey {
	t.Helper()
	k, err := exposition.ParseGroupingKey(path, exposition.LegacyNames)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// push is what a client does, without HTTP.
func push(t testing.TB, r *repository.Repository, method repository.Method, path, body string) error {
	t.Helper()
	k := key(t, path)
	if method == repository.Delete {
		return r.Delete(t.Context(), repository.Deletion{Request: repository.Request{Method: method}, Key: k})
	}
	families, err := exposition.ParseText(strings.NewReader(body), exposition.LegacyNames)
	if err != nil {
		t.Fatal(err)
	}
	p := repository.Push{Request: repository.Request{Method: method, Bytes: len(body)}, Key: k}
	p.Families, p.Refused = exposition.Normalize(k, families, exposition.Rules{})
	return r.Push(t.Context(), p)
}

func scrape(t testing.TB, r *repository.Repository) string {
	t.Helper()
	s, err := r.Snapshot(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	return model.Text(s)
}

// TestModel protects the semantics: whatever the replicas are asked, one after
// the other, answers and expositions are those of the simple model, on each.
func TestModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("random requests of seed %d", seed), func(t *testing.T) {
			t.Parallel()
			replicas, url := newReplicas(t, 3)
			traffic := model.NewTraffic(seed)
			traffic.Wipes = 2
			m := model.New()
			for i := range 300 {
				request := traffic.Next()
				step(t, replicas[traffic.IntN(3)], m, request)
				if got, want := model.Timeless(scrape(t, replicas[traffic.IntN(3)])), m.Exposition(); got != want {
					t.Fatalf("after request %d, %s: exposition is\n%s\nwant\n%s", i, request, got, want)
				}
			}
			replayed, err := model.Replay(model.History(t, url), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := replayed.Exposition(), m.Exposition(); got != want {
				t.Errorf("history replays to\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// step sends a request to the replica and to the model, and compares their
// answers.
func step(t *testing.T, r *repository.Repository, m *model.Model, request model.Request) {
	t.Helper()
	err := send(t, r, request)
	accepted := true
	switch {
	case request.Method == repository.Wipe:
		m.Wipe()
	case request.Recursive:
		m.DeleteMatching(key(t, request.Path))
	case request.Method == repository.Delete:
		m.Delete(key(t, request.Path))
	default:
		families, refused := normalized(t, request.Path, request.Body)
		accepted = m.Push(request.Method, key(t, request.Path), families, refused != nil)
	}
	if accepted != (err == nil) {
		t.Fatalf("%s: error is %v, but the model says accepted: %t", request, err, accepted)
	}
	if err != nil && !errors.Is(err, exposition.ErrInconsistent) {
		t.Fatalf("%s: %v", request, err)
	}
}

// send asks the replica, and returns its answer.
func send(t *testing.T, r *repository.Repository, request model.Request) error {
	t.Helper()
	switch {
	case request.Method == repository.Wipe:
		return r.Wipe(t.Context(), repository.Request{Method: repository.Wipe})
	case request.Recursive:
		d := repository.Deletion{Request: repository.Request{Method: repository.Delete}, Key: key(t, request.Path), Recursive: true}
		return r.Delete(t.Context(), d)
	default:
		return push(t, r, request.Method, request.Path, request.Body)
	}
}

func normalized(t testing.TB, path, body string) ([]exposition.Family, error) {
	t.Helper()
	families, err := exposition.ParseText(strings.NewReader(body), exposition.LegacyNames)
	if err != nil {
		t.Fatal(err)
	}
	return exposition.Normalize(key(t, path), families, exposition.Rules{})
}

// TestConcurrentReplicas protects the promise to clients: what is acknowledged
// is in every later scrape of every replica, and in the end all replicas, a new
// one, and the replayed history agree.
func TestConcurrentReplicas(t *testing.T) {
	t.Parallel()
	replicas, url := newReplicas(t, 3)
	var wg sync.WaitGroup
	for w := range 12 {
		wg.Go(func() {
			traffic := model.NewTraffic(uint64(100 + w))
			own := fmt.Sprintf("job/own%d", w)
			for i := range 60 {
				request := traffic.Next()
				if err := send(t, replicas[traffic.IntN(3)], request); err != nil && !errors.Is(err, exposition.ErrInconsistent) {
					t.Errorf("%s: %v", request, err)
				}
				if err := push(t, replicas[traffic.IntN(3)], repository.Put, own, fmt.Sprintf("own_value{w=\"%d\"} %d\n", w, i)); err != nil {
					t.Error(err)
					return
				}
				want := fmt.Sprintf("own_value{instance=\"\",job=\"own%d\",w=\"%d\"} %d\n", w, w, i)
				if got := scrape(t, replicas[traffic.IntN(3)]); !strings.Contains(got, want) {
					t.Errorf("an acknowledged push is missing: %q", want)
					return
				}
			}
		})
	}
	wg.Wait()
	want := scrape(t, replicas[0])
	for i, r := range append(replicas[1:], open(t, url)) {
		if got := scrape(t, r); got != want {
			t.Errorf("replica %d differs:\n%s\nwant\n%s", i+1, got, want)
		}
	}
	replayed, err := model.Replay(model.History(t, url), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := replayed.Exposition(), model.Timeless(want); got != want {
		t.Errorf("history replays to\n%s\nwant\n%s", got, want)
	}
}
