package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

func testMigrateAgain(t *testing.T, r *replica) {
	r.put("m 1\n", "job/a")
	must(t, r.Migrate(t.Context()))
	must(t, r.Ping(t.Context()))
	r.put("n 1\n", "job/b")
	r.expect(map[string]string{"job/a": "m=1", "job/b": "n=1"})
}

func testPut(_ *testing.T, r *replica) {
	r.put("a 1\nb 1\n", "job/a", "job/a/i/1")
	r.put("a 2\n", "job/a")
	r.expect(map[string]string{"job/a": "a=2", "job/a/i/1": "a=1 b=1"})
	r.put("", "job/a")
	r.expect(map[string]string{"job/a": ""})
}

func testPost(t *testing.T, r *replica) {
	r.put("a 1\nb 1\nc 1\n", "job/a")
	r.catchUp()
	first := r.group("job/a").PushTime
	post := r.request(repository.Post, "a 2\nd 2\n", "job/a")
	post.Groups[0].Cleared = []string{"b"}
	must(t, r.Commit(t.Context(), post))
	r.expect(map[string]string{"job/a": "a=2 c=1 d=2"})
	g := r.group("job/a")
	if len(g.FamilyTimes) != 1 || !g.FamilyTimes["c"].Equal(first) {
		t.Errorf("family times are %v, want c at %s", g.FamilyTimes, first)
	}
	if g.PushTime.Before(first) {
		t.Errorf("the push time went from %s back to %s", first, g.PushTime)
	}
	r.do(repository.Post, "a 3\n", "job/a")
	r.catchUp()
	times := r.group("job/a").FamilyTimes
	if len(times) != 2 || !times["c"].Equal(first) || !times["d"].Equal(g.PushTime) {
		t.Errorf("family times are %v, want c at %s and d at %s", times, first, g.PushTime)
	}
	for _, value := range []string{"4", "5"} { // after other names, and after the same ones
		r.do(repository.Post, strings.ReplaceAll("a V\nc V\nd V\n", "V", value), "job/a")
		r.expect(map[string]string{"job/a": strings.ReplaceAll("a=V c=V d=V", "V", value)})
		if times := r.group("job/a").FamilyTimes; len(times) != 0 {
			t.Errorf("family times are %v though all were pushed", times)
		}
	}
	r.do(repository.Post, "a 6\nc 6\ne 6\n", "job/a") // as many, but other names
	r.expect(map[string]string{"job/a": "a=6 c=6 d=5 e=6"})
	if times := r.group("job/a").FamilyTimes; len(times) != 1 {
		t.Errorf("family times are %v, want that of d", times)
	}
}

func testPostCreates(_ *testing.T, r *replica) {
	r.do(repository.Post, "a 1\n", "job/a")
	r.expect(map[string]string{"job/a": "a=1"})
}

// refused makes a commit of accepted pushes one of refused pushes.
func refused(c *repository.Commit, reason string) *repository.Commit {
	for i := range c.Groups {
		c.Groups[i] = repository.GroupChange{Key: c.Groups[i].Key, Failed: true, Families: []byte("{}")}
	}
	for i := range c.History {
		c.History[i].Accepted, c.History[i].Reason = false, reason
	}
	return c
}

func testRefused(t *testing.T, r *replica) {
	r.put("a 1\n", "job/a")
	r.catchUp()
	pushed := r.group("job/a").PushTime
	must(t, r.Commit(t.Context(), refused(r.request(repository.Put, "b 1\n", "job/a", "job/b"), "no")))
	r.expect(map[string]string{"job/a": "a=1", "job/b": ""})
	a, b := r.group("job/a"), r.group("job/b")
	if !a.PushTime.Equal(pushed) || a.PushFailureTime.IsZero() || a.PushFailureTime.Before(pushed) {
		t.Errorf("the group was pushed at %s and failed at %s, want %s and later", a.PushTime, a.PushFailureTime, pushed)
	}
	if !b.PushTime.IsZero() || b.PushFailureTime.IsZero() {
		t.Errorf("a new group was pushed at %s and failed at %s, want never and now", b.PushTime, b.PushFailureTime)
	}
	r.put("a 2\n", "job/a")
	r.catchUp()
	if g := r.group("job/a"); !g.PushFailureTime.Equal(a.PushFailureTime) {
		t.Errorf("a push changed the failure time from %s to %s", a.PushFailureTime, g.PushFailureTime)
	}
}

// testFolded covers what only several requests in one commit can ask for.
func testFolded(t *testing.T, r *replica) {
	must(t, r.Commit(t.Context(), refused(r.request(repository.Put, "", "job/a", "job/b", "job/c"), "no")))
	r.put("a 1\nb 1\n", "job/a", "job/b", "job/c")
	c := r.request(repository.Post, "a 2\n", "job/a", "job/b", "job/c", "job/d")
	for i := range c.Groups {
		switch g := &c.Groups[i]; g.Key.Job() {
		case "a": // DELETE, then POST
			g.Reset = true
		case "b": // DELETE, then a refused push
			*g = repository.GroupChange{Key: g.Key, Reset: true, Failed: true, Families: []byte("{}")}
		case "c": // POST, then a refused push
			g.Failed = true
		case "d": // DELETE of nothing
			*g = change(repository.Delete, g.Key, nil)
		}
	}
	must(t, r.Commit(t.Context(), c))
	r.expect(map[string]string{"job/a": "a=2", "job/b": "", "job/c": "a=2 b=1", "job/d": "none"})
	a, b, gc := r.group("job/a"), r.group("job/b"), r.group("job/c")
	if !a.PushFailureTime.IsZero() || a.PushTime.IsZero() || len(a.FamilyTimes) != 0 {
		t.Errorf("the times of a group that was deleted and pushed are those of another one: %+v", a)
	}
	if b.PushFailureTime.IsZero() || !b.PushTime.IsZero() {
		t.Errorf("the times of a group that was deleted and refused are those of another one: %+v", b)
	}
	if gc.PushFailureTime.IsZero() || gc.PushTime.IsZero() || len(gc.FamilyTimes) != 1 {
		t.Errorf("the times of a group that was pushed and refused are %+v", gc)
	}
}

func testDelete(t *testing.T, r *replica) {
	r.put("a 1\n", "job/a", "job/a/i/1")
	r.catchUp()
	r.do(repository.Delete, "", "job/a", "job/none")
	r.expect(map[string]string{"job/a": "none", "job/a/i/1": "a=1"})
	r.do(repository.Delete, "", "job/a")
	var affected []string
	for _, row := range r.history()[2:] {
		affected = append(affected, fmt.Sprintf("%s %d", row.Key.Job(), row.Affected))
	}
	if got, want := strings.Join(affected, ", "), "a 1, none 0, a 0"; got != want {
		t.Errorf("the history says %s were removed, want %s", got, want)
	}
}

func testRecursiveDelete(t *testing.T, r *replica) {
	r.put("m 1\n", "job/a", "job/a/x/1", "job/a/x/1/y/2", "job/a/x/2", "job/a/y/2", "job/b/x/1")
	other := newReplica(t, r.Store)
	r.catchUp()
	r.deleteAll("job/a/x/1")
	want := map[string]string{"job/a": "m=1", "job/a/x/1": "none", "job/a/x/1/y/2": "none", "job/a/x/2": "m=1", "job/a/y/2": "m=1", "job/b/x/1": "m=1"}
	r.expect(want)
	other.expect(want)
	r.deleteAll("job/a/x/1")
	r.deleteAll("job/a")
	for path := range want {
		want[path] = "none"
	}
	want["job/b/x/1"] = "m=1"
	r.expect(want)
	var got []string
	for _, row := range r.history()[6:] {
		got = append(got, fmt.Sprintf("%s %d", row.Method, row.Affected))
	}
	if got, want := strings.Join(got, ", "), "DELETE 1, DELETE 1, DELETE 0, DELETE 1, DELETE 1, DELETE 1"; got != want {
		t.Errorf("the history is %s, want a row for each group: %s", got, want)
	}
}

func testWipe(t *testing.T, r *replica) {
	r.put("m 1\n", "job/a", "job/b")
	r.catchUp()
	late := newReplica(t, r.Store)
	r.deleteAll("")
	r.expect(map[string]string{"job/a": "none", "job/b": "none"})
	r.put("m 2\n", "job/b")
	r.deleteAll("")
	r.deleteAll("")
	r.put("m 3\n", "job/c")
	for _, r := range []*replica{r, late} {
		r.expect(map[string]string{"job/a": "none", "job/b": "none", "job/c": "m=3"})
	}
	var got []string
	for _, row := range r.history() {
		if row.Method == repository.Wipe {
			got = append(got, fmt.Sprint(row.Affected))
			if row.Key.Job() != "" || row.Families != nil {
				t.Errorf("a wipe has the key %s and the families %s", row.Key, row.Families)
			}
		}
	}
	if got, want := strings.Join(got, " "), "2 1 0"; got != want {
		t.Errorf("wipes removed %s groups, want %s", got, want)
	}
}

func testCatchUp(t *testing.T, a *replica) {
	b := newReplica(t, a.Store)
	if b.catchUp() {
		t.Error("a second catch-up reads everything")
	}
	a.put("m 1\n", "job/a", "job/b")
	b.expect(map[string]string{"job/a": "m=1", "job/b": "m=1"})
	b.put("m 2\n", "job/a")
	a.do(repository.Delete, "", "job/b")
	a.do(repository.Post, "n 2\n", "job/a")
	a.expect(map[string]string{"job/a": "m=2 n=2", "job/b": "none"})
	b.expect(map[string]string{"job/a": "m=2 n=2", "job/b": "none"})
	changes := 0
	position, err := b.CatchUp(t.Context(), b.cursor, nil, func(c exposition.Change) { changes += len(c.Groups) + len(c.Deleted) })
	must(t, err)
	if changes != 0 || position.Epoch != b.epoch {
		t.Errorf("after catching up there are %d changes, and epoch %d instead of %d", changes, position.Epoch, b.epoch)
	}
	before := b.cursor
	a.put("m 3\n", "job/a")
	b.catchUp()
	b.cursor = before // a cursor can be used twice
	if b.catchUp() {
		t.Error("a cursor is void when it was used before")
	}
	b.expect(map[string]string{"job/a": "m=3"})
}

func testCatchUpParts(t *testing.T, r *replica) {
	const groups = 2500
	var paths []string
	for i := range groups {
		paths = append(paths, fmt.Sprintf("job/a/i/%d", i))
	}
	behind := newReplica(t, r.Store)
	r.put("m 1\n", paths...)
	for _, r := range []*replica{behind, newReplica(t, r.Store)} {
		if r.catchUp(); len(r.groups) != groups {
			t.Errorf("there are %d groups, want %d", len(r.groups), groups)
		}
	}
	read := 0
	must(t, r.Groups(t.Context(), func(g exposition.Group) error {
		read++
		return nil
	}))
	if read != groups {
		t.Errorf("%d groups were read, want %d", read, groups)
	}
	rows := 0
	for i, row := range r.history() {
		if rows++; row.Key.Compare(key(t, paths[i])) != 0 {
			t.Fatalf("row %d is of %s, want %s", i, row.Key, paths[i])
		}
	}
	if rows != groups {
		t.Errorf("the history has %d rows, want %d", rows, groups)
	}
}

func testForeignCursor(t *testing.T, r *replica, other repository.Store) {
	foreign := prepare(t, other)
	foreign.put("m 1\n", "job/a")
	foreign.catchUp()
	_, err := r.CatchUp(t.Context(), foreign.cursor, nil, func(exposition.Change) {})
	if !errors.Is(err, repository.ErrVoid) {
		t.Errorf("a cursor of another database: %v", err)
	}
}

func testReadersStop(t *testing.T, r *replica) {
	r.put("m 1\n", "job/a", "job/b")
	enough := errors.New("enough")
	n := 0
	if err := r.Groups(t.Context(), func(exposition.Group) error { n++; return enough }); err != enough || n != 1 {
		t.Errorf("reading groups ended with %v after %d, want %v after 1", err, n, enough)
	}
	n = 0
	if err := r.History(t.Context(), 0, func(repository.HistoryRow) error { n++; return enough }); err != enough || n != 1 {
		t.Errorf("reading the history ended with %v after %d, want %v after 1", err, n, enough)
	}
	for what, err := range map[string]error{
		"groups":  r.Groups(cancelled(t), func(exposition.Group) error { return nil }),
		"history": r.History(cancelled(t), 0, func(repository.HistoryRow) error { return nil }),
	} {
		if !errors.Is(err, repository.ErrUnavailable) {
			t.Errorf("reading %s with a context that has ended: %v", what, err)
		}
	}
	r.put("m 2\n", "job/a") // nothing is left locked
}

// testSlowReaders protects pages of the API from clients that take all groups at
// a kilobyte a second.
func testSlowReaders(t *testing.T, r *replica) {
	r.put("m 1\n", "job/a", "job/b")
	const slow = 4
	began, goOn, ended := make(chan struct{}, slow), make(chan struct{}), make(chan error, slow)
	for range slow {
		go func() {
			n := 0
			ended <- r.Groups(t.Context(), func(exposition.Group) error {
				if n++; n == 1 {
					began <- struct{}{}
				}
				select {
				case <-goOn:
				case <-t.Context().Done():
				}
				return nil
			})
		}()
	}
	for range slow {
		receive(t, began)
	}
	if rows, _, err := r.FindHistory(t.Context(), repository.HistoryQuery{Limit: 10}); err != nil || len(rows) != 2 {
		t.Errorf("a page beside slow readers has %d rows, want 2: %v", len(rows), err)
	}
	close(goOn)
	for range slow {
		must(t, receive(t, ended))
	}
}

func testTimes(t *testing.T, r *replica) {
	var last time.Time
	for i := range 20 {
		method := repository.Put
		if i%2 == 0 {
			method = repository.Post
		}
		before := time.Now()
		r.do(method, "m 1\n", "job/a")
		r.catchUp()
		at := r.group("job/a").PushTime
		if at.Before(last) {
			t.Errorf("the push time went from %s back to %s", last, at)
		}
		if at.Sub(before).Abs() > time.Minute {
			t.Errorf("a push at %s has the time %s", before, at)
		}
		last = at
	}
	rows := r.history()
	if at := rows[len(rows)-1].At; !at.Equal(last) {
		t.Errorf("the history says that the push was at %s, the group %s", at, last)
	}
}

func testMaintain(t *testing.T, r *replica) {
	for range 3 {
		r.put("m 1\n", "job/a")
		must(t, r.Maintain(t.Context(), repository.DefaultRetention))
	}
	if n := len(r.history()); n != 3 {
		t.Errorf("the history has %d rows, want 3", n)
	}
	if r.catchUp() {
		t.Error("maintenance makes replicas read everything")
	}
	r.expect(map[string]string{"job/a": "m=1"})
}

func testRollback(t *testing.T, r *replica) {
	tx := r.exclusive()
	_, err := tx.Claim(t.Context(), nil, repository.JobShape{Job: "z", Shape: "job"})
	must(t, err)
	tx.Rollback()
	tx.Rollback()
	epoch := r.epoch
	if r.catchUp(); r.epoch != epoch {
		t.Errorf("the epoch went from %d to %d", epoch, r.epoch)
	}
	r.put("m 1\n", "job/a")
	if n := len(r.history()); n != 1 {
		t.Errorf("the history has %d rows, want 1", n)
	}
}

func testFence(t *testing.T, r *replica) {
	ghost := r.request(repository.Put, "m 1\n", "job/a")
	for range 2 { // the first answer can get lost, too
		if committed, err := r.Fence(t.Context(), ghost.ID); err != nil || committed {
			t.Fatalf("fence of a commit that was never made: %t, %v", committed, err)
		}
	}
	if err := r.Commit(t.Context(), ghost); !errors.Is(err, repository.ErrData) {
		t.Errorf("fenced commit: %v", err)
	}
	wipe := repository.Deletion{Request: repository.Request{Method: repository.Wipe}}
	if err := r.DeleteGroups(t.Context(), ghost.ID, soon(), wipe); !errors.Is(err, repository.ErrData) {
		t.Errorf("fenced wipe: %v", err)
	}
	done := r.request(repository.Put, "m 2\n", "job/a")
	must(t, r.Commit(t.Context(), done))
	id := uuid.New()
	must(t, r.DeleteGroups(t.Context(), id, soon(), wipe))
	for what, id := range map[string]uuid.UUID{"commit": done.ID, "wipe": id} {
		if committed, err := r.Fence(t.Context(), id); err != nil || !committed {
			t.Errorf("fence of a %s that was made: %t, %v", what, committed, err)
		}
	}
}
