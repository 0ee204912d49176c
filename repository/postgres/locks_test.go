package postgres_test

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
)

func deadline() time.Time { return time.Now().Add(5 * time.Second) }

// TestStaleEpoch protects the catalog: a plain commit that waited for a
// structural one must see the epoch that this made, not the one before.
func TestStaleEpoch(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, postgres.Migrate)
	a, b := newReplica(t, url), newReplica(t, url)
	tx, err := a.BeginExclusive(t.Context(), deadline())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	result := make(chan error, 1)
	plain := b.commit(repository.Put, "m 1\n", "job/a")
	go func() { result <- b.Commit(t.Context(), plain) }()
	awaitLockWait(t, url)
	epoch, err := tx.Claim(t.Context(), nil, repository.JobShape{Job: "z", Shape: "job"})
	if err != nil {
		t.Fatal(err)
	}
	c := a.commit(repository.Put, "n 1\n", "job/z")
	c.Epoch = epoch
	a.must(tx.Commit(t.Context(), c))
	var stale *repository.StaleEpochError
	if err := <-result; !errors.As(err, &stale) || stale.Epoch != epoch {
		t.Errorf("plain commit after epoch %d: %v", epoch, err)
	}
}

// awaitLockWait returns when somebody waits for a lock.
func awaitLockWait(t *testing.T, url string) {
	t.Helper()
	c := connect(t, url)
	eventually(t, func() error {
		if query[int](t, c, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0 {
			return errors.New("nobody waits for a lock")
		}
		return nil
	})
}

// TestRegister protects names and jobs from two replicas that register them
// differently.
func TestRegister(t *testing.T) {
	t.Parallel()
	r := newReplica(t, pgtest.New(t, postgres.Migrate))
	commit := func(owner string, typ exposition.Type, shape string) error {
		c := r.commit(repository.Put, "h_count 1\n", "job/a")
		c.Names = []repository.Claim{{Claim: exposition.Claim{Name: "h_count", Owner: owner, Type: typ}}}
		c.Jobs = []repository.JobShape{{Job: "a", Shape: shape}}
		return r.Commit(t.Context(), c)
	}
	r.must(commit("h_count", exposition.Gauge, "job"))
	r.must(commit("h_count", exposition.Gauge, "job"))
	var odd *repository.NotPlainError
	if err := commit("h", exposition.Histogram, "job"); !errors.As(err, &odd) || len(odd.Names) != 1 || odd.Names[0].Owner != "h_count" {
		t.Errorf("another owner of a name: %v, %+v", err, odd)
	}
	odd = nil
	if err := commit("h_count", exposition.Gauge, "job\xffx"); !errors.As(err, &odd) || len(odd.Jobs) != 1 {
		t.Errorf("another shape of a job: %v, %+v", err, odd)
	}
}

// TestDeleteBesideCreation protects the audit: a DELETE that ran beside the
// creation of its group removed nothing, and says so.
func TestDeleteBesideCreation(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, postgres.Migrate)
	r := newReplica(t, url)
	c := connect(t, url)
	run(t, c, "BEGIN")
	run(t, c, "INSERT INTO push_group (key, labels, job, families) VALUES ($1, '{\"job\": \"a\"}', 'a', '{}')", digestOf(key(t, "job/a")))
	r.must(r.Commit(t.Context(), r.commit(repository.Delete, "", "job/a")))
	run(t, c, "COMMIT")
	r.must(r.Commit(t.Context(), r.commit(repository.Delete, "", "job/a")))
	rows := r.history()
	if len(rows) != 2 || rows[0].Affected != 0 || rows[1].Affected != 1 {
		t.Errorf("history is %+v", rows)
	}
}

func digestOf(k exposition.GroupingKey) []byte {
	d := k.Digest()
	return d[:]
}

// TestLongText protects names, jobs and labels that are longer than an index
// entry, which nothing compresses.
func TestLongText(t *testing.T) {
	t.Parallel()
	r := newReplica(t, pgtest.New(t, postgres.Migrate))
	random := make([]byte, 3000)
	rand.Read(random)
	long := "n" + hex.EncodeToString(random)
	path := fmt.Sprintf("job/%s/%s/%s", long, long, long)
	c := r.commit(repository.Put, long+" 1\n", path)
	c.Names = []repository.Claim{{Claim: exposition.Claim{Name: long, Owner: long}}}
	c.Jobs = []repository.JobShape{{Job: long, Shape: key(t, path).Shape()}}
	c.Shapes = c.Jobs
	r.must(r.Commit(t.Context(), c))
	r.catchUp()
	if r.value(path) != "1" {
		t.Error("the group is missing")
	}
	r.must(r.DeleteGroups(t.Context(), uuid.New(), deadline(), repository.Deletion{
		Request: repository.Request{Method: repository.Delete}, Key: key(t, "job/"+long), Recursive: true}))
	r.catchUp()
	if r.value(path) != "" {
		t.Error("the group is still there")
	}
}

// TestBatchesInAnyOrder protects commits that meet on many groups from
// deadlocks: rows are locked in the order of their keys.
func TestBatchesInAnyOrder(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, postgres.Migrate)
	var paths []string
	for i := range 20 {
		paths = append(paths, fmt.Sprintf("job/a/i/%d", i))
	}
	seed := newReplica(t, url)
	seed.put("m 0\n", paths...)
	var wg sync.WaitGroup
	for w := range 4 {
		r := newReplica(t, url)
		wg.Go(func() {
			for i := range 30 {
				mine := slices.Concat(paths[(i*7+w)%20:], paths[:(i*7+w)%20])
				if err := r.Commit(t.Context(), r.commit(repository.Post, fmt.Sprintf("m %d\n", i), mine...)); err != nil {
					t.Errorf("commit: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if n := query[int](t, connect(t, url), "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
}

// TestFrozenReplica protects all others from a replica that freezes while it
// holds the catalog lock.
func TestFrozenReplica(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, postgres.Migrate)
	frozen, r := newReplica(t, url), newReplica(t, url)
	tx, err := frozen.BeginExclusive(t.Context(), deadline())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	r.put("m 1\n", "job/a")
	r.catchUp()
	if r.value("job/a") != "1" {
		t.Error("the push is missing")
	}
}

// TestPostKeepsWhatItDoesNotName protects the semantics of POST, and the push
// times of the families that it leaves alone.
func TestPostKeepsWhatItDoesNotName(t *testing.T) {
	t.Parallel()
	r := newReplica(t, pgtest.New(t, postgres.Migrate))
	r.put("a 1\nb 1\nc 1\n", "job/a")
	r.catchUp()
	first := r.groups[key(t, "job/a").Digest()].PushTime
	post := r.commit(repository.Post, "a 2\n", "job/a")
	post.Groups[0].Cleared = []string{"b"}
	r.must(r.Commit(t.Context(), post))
	r.catchUp()
	g := r.groups[key(t, "job/a").Digest()]
	var names []string
	for _, f := range g.Families {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); got != "a c" {
		t.Errorf("families are %q, want a and c", got)
	}
	if len(g.FamilyTimes) != 1 || !g.FamilyTimes["c"].Equal(first) {
		t.Errorf("family times are %v, want c at %s", g.FamilyTimes, first)
	}
	if !g.PushTime.After(first) {
		t.Error("the push time did not advance")
	}
}
