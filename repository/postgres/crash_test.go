package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
)

// TestTransactionIDUsedAgain protects against silent loss: after a crash,
// PostgreSQL hands out transaction ids again that lie below a replica's cursor.
func TestTransactionIDUsedAgain(t *testing.T) {
	t.Parallel()
	// Nothing but commits is to tell the log, on disk, of ids in use.
	cluster := pgtest.StartCluster(t, pgtest.Options{Durable: true,
		Settings: map[string]string{"wal_level": "minimal", "max_wal_senders": "0", "autovacuum": "off", "wal_writer_delay": "10s"}})
	url := cluster.URL("postgres")
	if err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	r := newReplica(t, url)
	r.put("m 1\n", "job/before")
	// Ids that leave no trace on disk, since they are rolled back.
	victim := connect(t, url)
	for range 20 {
		run(t, victim, "BEGIN")
		run(t, victim, "SELECT pg_current_xact_id()")
		run(t, victim, "ROLLBACK")
	}
	r.catchUp()
	seen := query[string](t, victim, "SELECT pg_snapshot_xmax($1::text::pg_snapshot)::text", postgres.SnapshotOf(r.cursor))
	witness := connect(t, url)
	cluster.KillBackend(victim.PgConn().PID())
	for witness.Ping(t.Context()) == nil {
		runtime.Gosched() // until the server ends all sessions, to recover
	}

	newReplica(t, url).put("m 2\n", "job/after")
	again := query[bool](t, connect(t, url), `SELECT xid < $1::text::xid8 FROM feed
		WHERE cardinality(keys) > 0 ORDER BY at DESC LIMIT 1`, seen)
	if !again {
		t.Fatal("the transaction id was not used again, so the test shows nothing")
	}
	if !r.catchUp() {
		t.Error("the replica went on from its old cursor")
	}
	if got := r.value("job/after"); got != "2" {
		t.Errorf("the push after the crash is %q, want 2", got)
	}
}

// TestKilledServer protects what was acknowledged from a crash of the whole
// server in the middle of commits.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	cluster := pgtest.StartCluster(t, pgtest.Options{Durable: true})
	url := cluster.URL("postgres")
	if err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	r := newReplica(t, url)
	acked := make(chan int)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		last := 0
		for i := 1; ctx.Err() == nil; i++ {
			if err := r.Commit(ctx, r.commit(repository.Put, fmt.Sprintf("m %d\n", i), "job/a")); err != nil {
				break
			}
			last = i
			select {
			case acked <- last:
			default:
			}
		}
		stop()
		acked <- last
	}()
	for i := range acked {
		if i > 20 {
			break
		}
	}
	cluster.Kill()
	<-ctx.Done()
	last := <-acked
	cluster.Restart()
	r.catchUp()
	// The commit that was under way may have landed.
	if got := r.value("job/a"); got != fmt.Sprint(last) && got != fmt.Sprint(last+1) {
		t.Errorf("after the crash the value is %s, acknowledged was %d", got, last)
	}
}

// TestNewLife protects replicas from a database that is not the one that their
// cursor is of, though it looks alike.
func TestNewLife(t *testing.T) {
	t.Parallel()
	t.Run("the files of a stopped server are put back", func(t *testing.T) {
		t.Parallel()
		cluster := pgtest.StartCluster(t, pgtest.Options{Durable: true})
		url := cluster.URL("postgres")
		if err := postgres.Migrate(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		r := newReplica(t, url)
		r.put("m 1\n", "job/a")
		data := query[string](t, connect(t, url), "SHOW data_directory")
		cluster.Stop()
		if out, err := exec.Command("cp", "-a", data, data+".copy").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		cluster.Restart()
		for range 20 {
			r.put("m 2\n", "job/a")
		}
		r.catchUp()
		cluster.Stop()
		if out, err := exec.Command("sh", "-c", `rm -r "$0" && mv "$0.copy" "$0"`, data).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		cluster.Restart()
		newReplica(t, url).put("m 1\n", "job/b")
		if !r.catchUp() {
			t.Error("the replica went on from its old cursor")
		}
		if a, b := r.value("job/a"), r.value("job/b"); a != "1" || b != "1" {
			t.Errorf("the replica has %q and %q, stored are 1 and 1", a, b)
		}
	})
	t.Run("the groups are written anew", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t, postgres.Migrate)
		r := newReplica(t, url)
		r.put("m 1\n", "job/a")
		old := r.commit(repository.Put, "m 2\n", "job/a")
		run(t, connect(t, url), "VACUUM FULL push_group")
		if err := r.Commit(t.Context(), old); !errors.Is(err, repository.ErrVoid) {
			t.Errorf("a commit before the new life has begun: %v", err)
		}
		if !r.catchUp() {
			t.Error("the replica went on from its old cursor")
		}
		var stale *repository.StaleEpochError
		if err := r.Commit(t.Context(), old); !errors.As(err, &stale) {
			t.Errorf("a commit with what was learned in the old life: %v", err)
		}
	})
	t.Run("a commit of the life before is known to have been made", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t, postgres.Migrate)
		r := newReplica(t, url)
		c := r.commit(repository.Put, "m 1\n", "job/a")
		r.must(r.Commit(t.Context(), c))
		run(t, connect(t, url), "DELETE FROM incarnation")
		r.catchUp()
		if committed, err := r.Fence(t.Context(), c.ID); err != nil || !committed {
			t.Errorf("fence: %t, %v", committed, err)
		}
	})
	t.Run("a dump brings transaction ids of another server", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t, postgres.Migrate)
		r := newReplica(t, url)
		r.put("m 1\n", "job/a")
		c := connect(t, url)
		run(t, c, "UPDATE feed SET xid = '999999999'")
		run(t, c, "DELETE FROM incarnation")
		r.catchUp()
		if n := query[int](t, c, "SELECT count(*) FROM feed WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())"); n != 0 {
			t.Errorf("%d rows of the feed are read at each catch-up", n)
		}
	})
	t.Run("a life begins once", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t, postgres.Migrate)
		r := newReplica(t, url)
		r.put("m 1\n", "job/a")
		c := connect(t, url)
		run(t, c, "SELECT begin_life(clock_timestamp() + interval '5 s')")
		if n := query[int](t, c, "SELECT count(*) FROM feed"); n != 1 {
			t.Errorf("the feed has %d rows after a late begin, want 1", n)
		}
		if r.catchUp() || r.value("job/a") != "1" {
			t.Error("the replica read everything, or missed the push")
		}
	})
	t.Run("the clock was ahead for a while", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t, postgres.Migrate)
		r := newReplica(t, url)
		r.put("m 1\n", "job/a")
		c := connect(t, url)
		run(t, c, "UPDATE catalog SET trimmed_before = clock_timestamp() + interval '1 hour'")
		r.must(r.Maintain(t.Context(), repository.DefaultRetention))
		r.catchUp()
		if r.catchUp() {
			t.Error("the replica reads everything again though nothing happened")
		}
		r.put("m 2\n", "job/a")
		r.must(r.Maintain(t.Context(), repository.DefaultRetention))
		if n := query[int](t, c, "SELECT count(*) FROM feed"); n != 2 {
			t.Errorf("the feed has %d rows, want those of the two commits", n)
		}
	})
}

// TestTrimmedFeed protects a replica that was away for longer than the feed is
// kept.
func TestTrimmedFeed(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, postgres.Migrate)
	r := newReplica(t, url)
	r.put("m 1\n", "job/a")
	c := connect(t, url)
	run(t, c, "DELETE FROM feed")
	run(t, c, "UPDATE catalog SET trimmed_before = clock_timestamp()")
	if !r.catchUp() || r.value("job/a") != "1" {
		t.Error("the replica missed what was trimmed")
	}
}
