package postgres_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

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

// TestLateCommit protects what was written by a transaction that other ones, and
// catch-ups, have overtaken.
func TestLateCommit(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, postgres.Migrate)
	r := newReplica(t, url)
	r.put("m 1\n", "job/a")
	c := connect(t, url)
	for _, overtaken := range []bool{false, true} {
		run(t, c, "BEGIN")
		run(t, c, "UPDATE push_group SET families = replace(families::text, '1', '2')::json WHERE job = 'a'")
		run(t, c, `INSERT INTO feed (commit_id, xid, at, keys)
			SELECT gen_random_uuid(), pg_current_xact_id(), clock_timestamp(), array_agg(key) FROM push_group WHERE job = 'a'`)
		if overtaken {
			newReplica(t, url).put("m 1\n", "job/b")
		}
		for range 2 {
			if r.catchUp(); r.value("job/a") != "1" {
				t.Errorf("the replica has %q before the commit", r.value("job/a"))
			}
		}
		run(t, c, "COMMIT")
		if r.catchUp(); r.value("job/a") != "2" {
			t.Errorf("the replica has %q after the commit; overtaken: %t", r.value("job/a"), overtaken)
		}
		r.put("m 1\n", "job/a")
		r.catchUp()
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
