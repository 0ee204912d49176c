package repository_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
	"github.com/sqlpushgateway/sqlpushgateway/repository/sqlite"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// database is where replicas keep what is pushed.
type database struct {
	// replicas is how many may work on it at once, for a test that wants several.
	replicas int
	open     func(testing.TB) repository.Store
}

// databases are empty ones of each kind, by name.
var databases = map[string]func(testing.TB) database{
	"PostgreSQL": func(t testing.TB) database {
		url := pgtest.New(t, postgres.Migrate)
		return database{replicas: 3, open: func(t testing.TB) repository.Store { return openPostgres(t, url) }}
	},
	"SQLite": func(t testing.TB) database {
		path := filepath.Join(t.TempDir(), "test.db")
		return database{replicas: 1, open: func(t testing.TB) repository.Store {
			store, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, Replica: "test", Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			return store
		}}
	},
}

// onEach runs a test on each kind of database.
func onEach(t *testing.T, test func(*testing.T, database)) {
	t.Parallel()
	for name, create := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, create(t))
		})
	}
}

// start returns as many replicas as the database takes, and the Store of one.
func (d database) start(t testing.TB, change ...func(*repository.Options)) ([]*repository.Repository, repository.Store) {
	t.Helper()
	var replicas []*repository.Repository
	var store repository.Store
	for range d.replicas {
		store = d.open(t)
		replicas = append(replicas, start(t, store, change...))
	}
	return replicas, store
}

func openPostgres(t testing.TB, url string) repository.Store {
	t.Helper()
	store, err := postgres.Open(t.Context(), postgres.Options{URL: url, Replica: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// start returns a replica on the store, which it closes in the end.
func start(t testing.TB, store repository.Store, change ...func(*repository.Options)) *repository.Repository {
	t.Helper()
	options := repository.Options{Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()}
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

// open returns a replica on the PostgreSQL database.
func open(t testing.TB, url string, change ...func(*repository.Options)) *repository.Repository {
	t.Helper()
	return start(t, openPostgres(t, url), change...)
}

// newReplicas returns n replicas on a PostgreSQL database of their own.
func newReplicas(t testing.TB, n int, change ...func(*repository.Options)) ([]*repository.Repository, string) {
	t.Helper()
	url := pgtest.New(t, postgres.Migrate)
	replicas := make([]*repository.Repository, n)
	for i := range replicas {
		replicas[i] = open(t, url, change...)
	}
	return replicas, url
}

// history returns the audit log.
func history(t testing.TB, store repository.Store) []repository.HistoryRow {
	t.Helper()
	var rows []repository.HistoryRow
	err := store.History(t.Context(), 0, func(r repository.HistoryRow) error {
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func key(t testing.TB, path string) exposition.GroupingKey {
	t.Helper()
	k, err := exposition.ParseGroupingKey(path, exposition.LegacyNames)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// patient is a context that ends later than a push takes on a slow machine.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// push is what a client does, without HTTP. Half of the pushes come prepared, like
// those whose like was pushed before.
func push(t testing.TB, r *repository.Repository, method repository.Method, path, body string) error {
	t.Helper()
	k := key(t, path)
	ctx := patient(t)
	if method == repository.Delete {
		return r.Delete(ctx, repository.Deletion{Request: repository.Request{Method: method}, Key: k})
	}
	p := repository.Push{Request: repository.Request{Method: method, Bytes: len(body)}, Key: k}
	var bodies exposition.Bodies
	for range 1 + len(body)%2 {
		p.Families, p.Prepared, p.Refused = bodies.Read(strings.NewReader(body), k, exposition.Rules{})
	}
	if errors.Is(p.Refused, exposition.ErrMalformed) {
		t.Fatal(p.Refused)
	}
	return r.Push(ctx, p)
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
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("random requests of seed %d", seed), func(t *testing.T) {
			onEach(t, func(t *testing.T, d database) { testModel(t, d, seed) })
		})
	}
}

func testModel(t *testing.T, d database, seed uint64) {
	replicas, store := d.start(t)
	traffic := model.NewTraffic(seed)
	traffic.Wipes = 2
	m := model.New()
	for i := range 300 {
		request := traffic.Next()
		step(t, model.Pick(traffic, replicas...), m, request)
		if got, want := model.Timeless(scrape(t, model.Pick(traffic, replicas...))), m.Exposition(); got != want {
			t.Fatalf("after request %d, %s: exposition is\n%s\nwant\n%s", i, request, got, want)
		}
	}
	replayed, err := model.Replay(history(t, store), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := replayed.Exposition(), m.Exposition(); got != want {
		t.Errorf("history replays to\n%s\nwant\n%s", got, want)
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
func TestConcurrentReplicas(t *testing.T) { onEach(t, testConcurrentReplicas) }

func testConcurrentReplicas(t *testing.T, d database) {
	replicas, store := d.start(t)
	var wg sync.WaitGroup
	for w := range 12 {
		wg.Go(func() {
			traffic := model.NewTraffic(uint64(100 + w))
			own := fmt.Sprintf("job/own%d", w)
			for i := range 60 {
				request := traffic.Next()
				if err := send(t, model.Pick(traffic, replicas...), request); err != nil && !errors.Is(err, exposition.ErrInconsistent) {
					t.Errorf("%s: %v", request, err)
				}
				if err := push(t, model.Pick(traffic, replicas...), repository.Put, own, fmt.Sprintf("own_value{w=\"%d\"} %d\n", w, i)); err != nil {
					t.Error(err)
					return
				}
				want := fmt.Sprintf("own_value{instance=\"\",job=\"own%d\",w=\"%d\"} %d\n", w, w, i)
				if got := scrape(t, model.Pick(traffic, replicas...)); !strings.Contains(got, want) {
					t.Errorf("an acknowledged push is missing: %q", want)
					return
				}
			}
		})
	}
	wg.Wait()
	want := scrape(t, replicas[0])
	replayed, err := model.Replay(history(t, store), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := replayed.Exposition(), model.Timeless(want); got != want {
		t.Errorf("history replays to\n%s\nwant\n%s", got, want)
		if d.replicas == 1 {
			replicas[0].Close() // a new one is the next process
		}
		for i, r := range append(replicas[1:], start(t, d.open(t))) {
			if got := scrape(t, r); got != want {
				t.Errorf("replica %d differs:\n%s\nwant\n%s", i+1, got, want)
			}
		}
	}
}
