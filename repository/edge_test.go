package repository_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
)

// TestDataThatTheDatabaseRefuses protects the neighbours of a push whose data
// makes the database refuse the commit that they are all in.
func TestDataThatTheDatabaseRefuses(t *testing.T) { onEach(t, testDataThatTheDatabaseRefuses) }

func testDataThatTheDatabaseRefuses(t *testing.T, d database) {
	replicas, store := d.start(t)
	r := replicas[0]
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := push(t, r, repository.Put, fmt.Sprintf("job/a/i/%d", i), "m 1\n"); err != nil {
				t.Errorf("a good push: %v", err)
			}
		})
		wg.Go(func() {
			bad := []exposition.Family{{Name: "bad", Help: "no \x00 in jsonb", Metrics: []exposition.Metric{{Value: 1}}}}
			p := repository.Push{Request: repository.Request{Method: repository.Put}, Key: key(t, fmt.Sprintf("job/b/i/%d", i)), Families: bad}
			if err := r.Push(patient(t), p); !errors.Is(err, exposition.ErrInconsistent) {
				t.Errorf("a bad push: %v", err)
			}
		})
	}
	wg.Wait()
	if n := strings.Count(scrape(t, r), "\nm{"); n != 20 {
		t.Errorf("%d good pushes are exposed, want 20", n)
	}
	rejected := 0
	for _, row := range history(t, store) {
		if !row.Accepted && row.Reason != "" {
			rejected++
		}
	}
	if rejected != 20 {
		t.Errorf("%d rejected pushes are in the history, want 20", rejected)
	}
}

// TestRequestSentTwice protects newer pushes from a proxy that sends a request
// a second time: it gets the first one's answer and changes nothing.
func TestRequestSentTwice(t *testing.T) { onEach(t, testRequestSentTwice) }

func testRequestSentTwice(t *testing.T, d database) {
	replicas, store := d.start(t)
	send := func(r *repository.Repository, id, body string) error {
		k := key(t, "job/a")
		families, err := exposition.ParseText(strings.NewReader(body), exposition.LegacyNames)
		if err != nil {
			t.Fatal(err)
		}
		p := repository.Push{Request: repository.Request{Method: repository.Put, ID: id, BodyDigest: [32]byte([]byte(fmt.Sprintf("%32s", body)))}, Key: k}
		p.Families, p.Refused = exposition.Normalize(k, families, exposition.Rules{})
		return r.Push(patient(t), p)
	}
	for _, step := range []struct {
		what, id, body string
		refused        bool
		rows           int
	}{
		{"a push", "1", "m 1\n", false, 1},
		{"a newer push", "2", "m 2\n", false, 2},
		{"the first one again", "1", "m 1\n", false, 2},
		{"a refused push", "3", "m 3\nm 4\n", true, 3},
		{"the refused one again", "3", "m 3\nm 4\n", true, 3},
		{"another body under the same id", "2", "m 5\n", false, 4},
		{"a push without an id", "", "m 6\n", false, 5},
		{"and again", "", "m 6\n", false, 6},
	} {
		err := send(replicas[step.rows%len(replicas)], step.id, step.body)
		if refused := errors.Is(err, exposition.ErrInconsistent); refused != step.refused || err != nil && !refused {
			t.Errorf("%s: %v", step.what, err)
		}
		if n := len(history(t, store)); n != step.rows {
			t.Errorf("%s: history has %d rows, want %d", step.what, n, step.rows)
		}
	}
	t.Run("both at the same time", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				if err := send(replicas[i%len(replicas)], "at once", "m 7\n"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(history(t, store)); n != 7 {
			t.Errorf("history has %d rows, want 7", n)
		}
	})
}

// TestHostileHeaders protects pushes from what strangers write into headers.
func TestHostileHeaders(t *testing.T) { onEach(t, testHostileHeaders) }

func testHostileHeaders(t *testing.T, d database) {
	replicas, store := d.start(t)
	hostile := "a\x00b\xff\n" + strings.Repeat("é", 10_000)
	p := repository.Push{Key: key(t, "job/a"), Request: repository.Request{
		Method: repository.Put, ID: hostile, Client: hostile, Username: hostile, UserAgent: hostile}}
	if err := replicas[0].Push(patient(t), p); err != nil {
		t.Fatal(err)
	}
	row := history(t, store)[0]
	for _, s := range []string{row.ID, row.Client, row.Username, row.UserAgent} {
		if !strings.HasPrefix(s, "a b\uFFFD é") || len(s) > 256 {
			t.Errorf("the history has %q", s)
		}
	}
}

// TestWaitsForTheDatabase protects a start before the database's: the gateway
// waits, tells so, and pushes wait within their deadline.
func TestWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	logger := slog.New(slog.DiscardHandler)
	store, err := postgres.Open(t.Context(), postgres.Options{URL: "postgres://u@127.0.0.1:1/none", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	r := repository.New(store, repository.Options{Logger: logger, Registry: prometheus.NewRegistry()})
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := r.Ready(ctx); !errors.Is(err, repository.ErrUnavailable) {
		t.Errorf("ready: %v", err)
	}
	if _, err := r.Snapshot(ctx, false); !errors.Is(err, repository.ErrUnavailable) {
		t.Errorf("snapshot: %v", err)
	}
	if err := r.Push(ctx, repository.Push{Key: key(t, "job/a"), Request: repository.Request{Method: repository.Put}}); !errors.Is(err, repository.ErrUnavailable) {
		t.Errorf("push: %v", err)
	}
	if err := r.Wipe(ctx, repository.Request{Method: repository.Wipe}); !errors.Is(err, repository.ErrUnavailable) {
		t.Errorf("wipe: %v", err)
	}
}

// TestUnreadableRow protects all other groups from a row that somebody has
// changed by hand.
func TestUnreadableRow(t *testing.T) {
	t.Parallel()
	replicas, url := newReplicas(t, 1)
	for _, path := range []string{"job/a", "job/b"} {
		if err := push(t, replicas[0], repository.Put, path, "m 1\n"); err != nil {
			t.Fatal(err)
		}
	}
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if _, err := c.Exec(t.Context(), `UPDATE push_group SET families = '{"m": 7}' WHERE job = 'b'`); err != nil {
		t.Fatal(err)
	}
	got := scrape(t, open(t, url))
	if !strings.Contains(got, `m{instance="",job="a"} 1`) || strings.Contains(got, `job="b"`) {
		t.Errorf("exposition is\n%s", got)
	}
}

// TestPrune protects the tables from names that come and never come back.
func TestPrune(t *testing.T) { onEach(t, testPrune) }

func testPrune(t *testing.T, d database) {
	d.replicas = 1
	replicas, store := d.start(t, func(o *repository.Options) { o.MaintainInterval = 20 * time.Millisecond })
	if err := push(t, replicas[0], repository.Put, "job/a", "stays 1\n"); err != nil {
		t.Fatal(err)
	}
	epoch := func() int64 {
		p, err := store.CatchUp(t.Context(), nil, nil, func(exposition.Change) {})
		if err != nil {
			t.Fatal(err)
		}
		return p.Epoch
	}
	before := epoch()
	for i := range 12 {
		var body strings.Builder
		for j := range 1000 {
			fmt.Fprintf(&body, "goes_%d 1\n", 1000*i+j)
		}
		if err := push(t, replicas[0], repository.Put, "job/b", body.String()); err != nil {
			t.Fatal(err)
		}
	}
	if err := push(t, replicas[0], repository.Delete, "job/b", ""); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); epoch() == before; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the names are not forgotten")
		}
	}
	if err := push(t, replicas[0], repository.Put, "job/c", "# TYPE goes_1 counter\ngoes_1 1\nstays 1\n"); err != nil {
		t.Errorf("a forgotten name with another type: %v", err)
	}
}

// TestRefusedForWhatNeverWas protects a push from a refusal because of another
// one of its batch that is not stored after all.
func TestRefusedForWhatNeverWas(t *testing.T) {
	t.Parallel()
	replicas, url := newReplicas(t, 1)
	r := replicas[0]
	for _, path := range []string{"job/a/i/1", "job/a/k/1"} { // two shapes
		if err := push(t, r, repository.Put, path, "other 1\n"); err != nil {
			t.Fatal(err)
		}
	}
	blocker, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer blocker.Close(t.Context())
	for range 10 {
		if _, err := blocker.Exec(t.Context(), "SELECT pg_advisory_lock(7371, 1)"); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 4 { // all committers wait, and what follows makes one batch
			wg.Go(func() { push(t, r, repository.Put, fmt.Sprintf("job/busy%d", i), "busy 1\n") })
		}
		wg.Go(func() {
			bad := []exposition.Family{{Name: "s", Help: "no \x00 in jsonb", Metrics: []exposition.Metric{{Labels: []exposition.Label{{Name: "k", Value: "2"}}, Value: 1}}}}
			p := repository.Push{Request: repository.Request{Method: repository.Put}, Key: key(t, "job/a/i/2"), Families: bad}
			if err := r.Push(patient(t), p); !errors.Is(err, exposition.ErrInconsistent) {
				t.Errorf("the bad push: %v", err)
			}
		})
		wg.Go(func() { // the same series, from another group
			if err := push(t, r, repository.Put, "job/a/k/2", "s{i=\"2\"} 1\n"); err != nil {
				t.Errorf("the good push: %v", err)
			}
		})
		if _, err := blocker.Exec(t.Context(), "SELECT pg_sleep(0.1), pg_advisory_unlock(7371, 1)"); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if err := push(t, r, repository.Delete, "job/a/k/2", ""); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCloseDoesNotWaitForTheDatabase protects a stop from a database that
// takes connections and does not answer.
func TestCloseDoesNotWaitForTheDatabase(t *testing.T) {
	t.Parallel()
	replicas, url := newReplicas(t, 1)
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if _, err := c.Exec(t.Context(), "BEGIN; LOCK TABLE feed, incarnation IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := replicas[0].Snapshot(ctx, false); !errors.Is(err, repository.ErrUnavailable) {
		t.Errorf("snapshot: %v", err)
	}
	replicas[0].Close() // hangs if it waits
	if _, err := c.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
}
