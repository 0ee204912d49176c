package storetest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// restored makes a commit of PUTs one of groups with these times.
func restored(c *repository.Commit, times repository.Times) *repository.Commit {
	for i := range c.Groups {
		g := &c.Groups[i]
		g.Reset, g.Pushed, g.Failed, g.Times = true, !times.Pushed.IsZero(), !times.Failed.IsZero(), &times
	}
	return c
}

func testRestored(t *testing.T, r *replica) {
	pushed := time.Date(2023, 4, 5, 6, 7, 8, 901234000, time.UTC)
	for _, times := range []repository.Times{
		{Pushed: pushed},
		{Pushed: pushed, Failed: pushed.Add(time.Hour), Families: map[string]time.Time{"a": pushed.Add(-time.Hour)}},
		{Failed: pushed},
	} {
		tx := r.exclusive()
		must(t, tx.Commit(t.Context(), restored(r.request(repository.Put, "a 1\nb 1\n", "job/a", "job/b"), times)))
		r.expect(map[string]string{"job/a": "a=1 b=1", "job/b": "a=1 b=1"})
		g := r.group("job/b")
		if !g.PushTime.Equal(times.Pushed) || !g.PushFailureTime.Equal(times.Failed) {
			t.Errorf("got a push at %v and a failure at %v, want %v and %v", g.PushTime, g.PushFailureTime, times.Pushed, times.Failed)
		}
		if len(g.FamilyTimes) != len(times.Families) || !g.FamilyTimes["a"].Equal(times.Families["a"]) {
			t.Errorf("got the family times %v, want %v", g.FamilyTimes, times.Families)
		}
	}
	r.do(repository.Post, "b 2\n", "job/b")
	r.expect(map[string]string{"job/b": "a=1 b=2"})
	if g := r.group("job/b"); g.PushTime.Before(pushed.Add(time.Hour)) {
		t.Errorf("a push after that is of %v", g.PushTime)
	}
}

// testCopiedHistory also copies to a Store of the same kind; whether one reads
// what another kind has written shows where both are known.
func testCopiedHistory(t *testing.T, r, to *replica) {
	if n, last, err := to.HistorySize(t.Context()); n != 0 || last != 0 || err != nil {
		t.Fatalf("the size of no history is %d, the last row %d: %v", n, last, err)
	}
	c := r.request(repository.Put, "a 1\n", "job/a", "job/a/i/1")
	c.History[0].Success, c.History[1].Success = new(true), new(false)
	must(t, r.Commit(t.Context(), c))
	must(t, r.Commit(t.Context(), refused(r.request(repository.Post, "b 1\n", "job/b"), "no")))
	r.deleteAll("job/a")
	r.deleteAll("")
	rows := r.history()
	for i := range rows {
		rows[i].At = rows[i].At.AddDate(0, -i, 0) // days that are long over
	}
	for range 2 { // the second time changes nothing
		must(t, to.AddHistory(t.Context(), rows[:2]))
		must(t, to.AddHistory(t.Context(), rows))
	}
	copied := to.history()
	if len(copied) != len(rows) {
		t.Fatalf("%d rows were copied, want %d", len(copied), len(rows))
	}
	for i := range rows {
		got, want := copied[i], rows[i]
		if got.Key.Digest() != want.Key.Digest() || string(got.Families) != string(want.Families) || !got.At.Equal(want.At) {
			t.Errorf("row %d is %+v, want %+v", i, got, want)
		}
		got.Key, got.Families, got.At = want.Key, want.Families, want.At
		if !equalRows(got, want) {
			t.Errorf("row %d is %+v, want %+v", i, got, want)
		}
	}
	last := rows[len(rows)-1].Seq
	if n, l, err := to.HistorySize(t.Context()); n != int64(len(rows)) || l != last || err != nil {
		t.Errorf("the size is %d, the last row %d, want %d and %d: %v", n, l, len(rows), last, err)
	}
	to.put("c 1\n", "job/c")
	if after := to.history(); len(after) != len(rows)+1 || after[len(rows)].Seq <= last {
		t.Errorf("the next row is %+v, want it to have a number beyond %d", after[len(after)-1], last)
	}
	var n int
	must(t, to.History(t.Context(), last, func(repository.HistoryRow) error { n++; return nil }))
	if n != 1 {
		t.Errorf("%d rows come after the last that was copied, want 1", n)
	}
}

func equalRows(a, b repository.HistoryRow) bool {
	return a.Request == b.Request && a.Seq == b.Seq && a.Accepted == b.Accepted && a.Reason == b.Reason &&
		a.Affected == b.Affected && reflect.DeepEqual(a.Success, b.Success) && a.Series == b.Series && a.Commit == b.Commit && a.Replica == b.Replica
}

func testForeignHistory(t *testing.T, r, other *replica) {
	r.put("a 1\n", "job/a")
	other.put("b 1\n", "job/b")
	if err := r.AddHistory(t.Context(), other.history()); !errors.Is(err, repository.ErrData) {
		t.Errorf("got %v for a row with the number of another one, want ErrData", err)
	}
	if rows := r.history(); len(rows) != 1 || rows[0].Key.Job() != "a" {
		t.Errorf("the history is %+v", rows)
	}
}
