package repository_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
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
	return text(s)
}

func history(t testing.TB, url string) []repository.HistoryRow {
	t.Helper()
	store, err := postgres.Open(t.Context(), postgres.Options{URL: url, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var rows []repository.HistoryRow
	err = store.History(t.Context(), func(r repository.HistoryRow) error {
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// gen makes random requests that often meet: few jobs with changing label
// names, few metric names with changing types.
type gen struct{ *rand.Rand }

func (g gen) path() string {
	path := "job/" + pick(g, "a", "b")
	for _, label := range []string{"x", "y", "instance"} {
		if g.IntN(3) == 0 {
			path += "/" + label + "/" + pick(g, "1", "2")
		}
	}
	if g.IntN(12) == 0 {
		path += "/instance@base64/="
	}
	return path
}

// body returns a random body that can be parsed.
func (g gen) body() string {
	for {
		body := g.anyBody()
		if _, err := exposition.ParseText(strings.NewReader(body), exposition.LegacyNames); err == nil {
			return body
		}
	}
}

func (g gen) anyBody() string {
	var b strings.Builder
	names := []string{"m", "n", "h", "h_count", "s", "s_sum"}
	g.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names[:g.IntN(3)] {
		typ := pick(g, "gauge", "gauge", "gauge", "counter")
		if name == "h" {
			typ = pick(g, "histogram", "gauge")
		}
		if name == "s" {
			typ = "summary"
		}
		fmt.Fprintf(&b, "# TYPE %s %s\n", name, typ)
		labels := pick(g, "", `{x="1"}`, `{y="2"}`, `{instance="1"}`, `{z="3"}`)
		switch typ {
		case "histogram", "summary":
			fmt.Fprintf(&b, "%s_sum%s %d\n%s_count%s %d\n", name, labels, g.IntN(100), name, labels, g.IntN(100))
		default:
			fmt.Fprintf(&b, "%s%s %d\n", name, labels, g.IntN(100))
		}
	}
	return b.String()
}

func pick[T any](g gen, from ...T) T { return from[g.IntN(len(from))] }

// TestModel protects the semantics: whatever the replicas are asked, one after
// the other, answers and expositions are those of the simple model, on each.
func TestModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("random requests of seed %d", seed), func(t *testing.T) {
			t.Parallel()
			replicas, url := newReplicas(t, 3)
			g := gen{rand.New(rand.NewPCG(seed, 1))}
			m := newModel()
			for i := range 300 {
				r := replicas[g.IntN(len(replicas))]
				what := step(t, g, r, m)
				if got, want := timeless(scrape(t, replicas[g.IntN(len(replicas))])), m.exposition(); got != want {
					t.Fatalf("after request %d, %s: exposition is\n%s\nwant\n%s", i, what, got, want)
				}
			}
			replayed, err := replay(history(t, url))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := replayed.exposition(), m.exposition(); got != want {
				t.Errorf("history replays to\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// step sends one random request to the replica and to the model, and compares
// their answers.
func step(t *testing.T, g gen, r *repository.Repository, m *model) string {
	t.Helper()
	path := g.path()
	switch n := g.IntN(100); {
	case n < 2:
		m.wipe()
		if err := r.Wipe(t.Context(), repository.Request{Method: repository.Wipe}); err != nil {
			t.Fatal(err)
		}
		return "wipe"
	case n < 7:
		m.deleteMatching(key(t, path))
		d := repository.Deletion{Request: repository.Request{Method: repository.Delete}, Key: key(t, path), Recursive: true}
		if err := r.Delete(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		return "recursive delete of " + path
	case n < 20:
		m.delete(key(t, path))
		if err := push(t, r, repository.Delete, path, ""); err != nil {
			t.Fatal(err)
		}
		return "delete of " + path
	}
	method, body := pick(g, repository.Put, repository.Post), g.body()
	what := fmt.Sprintf("%s to %s of\n%s", method, path, body)
	err := push(t, r, method, path, body)
	families, normalizeErr := normalized(t, path, body)
	accepted := m.push(method, key(t, path), families, normalizeErr != nil)
	if accepted != (err == nil) {
		t.Fatalf("%s: error is %v, but the model says accepted: %t", what, err, accepted)
	}
	if err != nil && !errors.Is(err, exposition.ErrInconsistent) {
		t.Fatalf("%s: %v", what, err)
	}
	return what
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
			g := gen{rand.New(rand.NewPCG(uint64(w), 2))}
			own := fmt.Sprintf("job/own%d", w)
			for i := range 60 {
				hammer(t, g, replicas[g.IntN(3)])
				if err := push(t, replicas[g.IntN(3)], repository.Put, own, fmt.Sprintf("own_value{w=\"%d\"} %d\n", w, i)); err != nil {
					t.Error(err)
					return
				}
				want := fmt.Sprintf("own_value{instance=\"\",job=\"own%d\",w=\"%d\"} %d\n", w, w, i)
				if got := scrape(t, replicas[g.IntN(3)]); !strings.Contains(got, want) {
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
	replayed, err := replay(history(t, url))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := replayed.exposition(), timeless(want); got != want {
		t.Errorf("history replays to\n%s\nwant\n%s", got, want)
	}
}

// hammer sends one random request, whatever the answer.
func hammer(t *testing.T, g gen, r *repository.Repository) {
	path := g.path()
	var err error
	switch n := g.IntN(100); {
	case n < 3:
		d := repository.Deletion{Request: repository.Request{Method: repository.Delete}, Key: key(t, path), Recursive: true}
		err = r.Delete(t.Context(), d)
	case n < 20:
		err = push(t, r, repository.Delete, path, "")
	default:
		err = push(t, r, pick(g, repository.Put, repository.Post), path, g.body())
	}
	if err != nil && !errors.Is(err, exposition.ErrInconsistent) && !errors.Is(err, context.Canceled) {
		t.Errorf("%s: %v", path, err)
	}
}
