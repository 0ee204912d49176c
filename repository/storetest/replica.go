package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// replica is a Store with the cursor, the epoch and the groups of a replica.
type replica struct {
	repository.Store
	t      testing.TB
	cursor repository.Cursor
	epoch  int64
	groups map[exposition.Digest]exposition.Group
}

// newReplica returns a replica that has caught up.
func newReplica(t testing.TB, store repository.Store) *replica {
	t.Helper()
	r := &replica{Store: store, t: t}
	r.catchUp()
	return r
}

// prepare makes the store ready, as a gateway does when it starts.
func prepare(t testing.TB, store repository.Store) *replica {
	t.Helper()
	must(t, store.Migrate(t.Context()))
	must(t, store.Maintain(t.Context(), repository.DefaultRetention))
	return newReplica(t, store)
}

// catchUp applies what has changed, and reports whether it read everything.
func (r *replica) catchUp() bool {
	r.t.Helper()
	everything := r.cursor == nil
	position, err := r.CatchUp(r.t.Context(), r.cursor, r.known, r.apply)
	if errors.Is(err, repository.ErrVoid) {
		everything = true
		position, err = r.CatchUp(r.t.Context(), nil, r.known, r.apply)
	}
	must(r.t, err)
	r.cursor, r.epoch = position.Cursor, position.Epoch
	return everything
}

// known is the key of a group that the replica has.
func (r *replica) known(d exposition.Digest) (exposition.GroupingKey, bool) {
	g, ok := r.groups[d]
	return g.Key, ok
}

func (r *replica) apply(c exposition.Change) {
	if c.Reset {
		r.groups = map[exposition.Digest]exposition.Group{}
	}
	for _, d := range c.Deleted {
		delete(r.groups, d)
	}
	for _, g := range c.Groups {
		g.Unpack()
		r.groups[g.Key.Digest()] = g
	}
}

// request returns a commit of one request to each path.
func (r *replica) request(method repository.Method, body string, paths ...string) *repository.Commit {
	r.t.Helper()
	return NewCommit(r.t, r.epoch, soon(), method, body, paths...)
}

// do commits one request to each path.
func (r *replica) do(method repository.Method, body string, paths ...string) {
	r.t.Helper()
	must(r.t, r.Commit(r.t.Context(), r.request(method, body, paths...)))
}

func (r *replica) put(body string, paths ...string) {
	r.t.Helper()
	r.do(repository.Put, body, paths...)
}

// deleteAll is a recursive delete, or with "" a wipe.
func (r *replica) deleteAll(path string) {
	r.t.Helper()
	d := repository.Deletion{Request: repository.Request{Method: repository.Wipe}}
	if path != "" {
		d = repository.Deletion{Request: repository.Request{Method: repository.Delete}, Key: key(r.t, path), Recursive: true}
	}
	must(r.t, r.DeleteGroups(r.t.Context(), uuid.New(), soon(), d))
}

// show returns the values of the metrics of a group, like "a=1 b=2", or "none"
// if there is no such group. It does not catch up.
func (r *replica) show(path string) string {
	g, ok := r.groups[key(r.t, path).Digest()]
	if !ok {
		return "none"
	}
	return show(g)
}

func show(g exposition.Group) string {
	var parts []string
	for _, f := range g.Families {
		for _, m := range f.Metrics {
			parts = append(parts, fmt.Sprintf("%s=%v", f.Name, m.Value))
		}
	}
	return strings.Join(parts, " ")
}

// expect catches up and compares the groups of the paths with what is wanted.
func (r *replica) expect(want map[string]string) {
	r.t.Helper()
	r.catchUp()
	for path, want := range want {
		if got := r.show(path); got != want {
			r.t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}

func (r *replica) group(path string) exposition.Group {
	r.t.Helper()
	g, ok := r.groups[key(r.t, path).Digest()]
	if !ok {
		r.t.Fatalf("there is no group %s", path)
	}
	return g
}

func (r *replica) history() []repository.HistoryRow {
	r.t.Helper()
	var rows []repository.HistoryRow
	must(r.t, r.History(r.t.Context(), 0, func(row repository.HistoryRow) error {
		rows = append(rows, row)
		return nil
	}))
	return rows
}

// exclusive begins a structural commit, which is rolled back at the end of the
// test unless it was committed.
func (r *replica) exclusive() repository.Tx {
	r.t.Helper()
	tx, err := r.BeginExclusive(r.t.Context(), soon())
	must(r.t, err)
	r.t.Cleanup(tx.Rollback)
	return tx
}

func key(t testing.TB, path string) exposition.GroupingKey {
	t.Helper()
	k, err := exposition.ParseGroupingKey(path, exposition.UTF8Names)
	must(t, err)
	return k
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// receive waits for a value.
func receive[T any](t testing.TB, values <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-values:
	case <-time.After(time.Minute):
		t.Fatal("nothing has come for a minute")
	}
	return v
}

// soon is a deadline that a busy machine keeps, too.
func soon() time.Time { return time.Now().Add(2 * time.Minute) }

// cancelled is a context that has ended.
func cancelled(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
