package storetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

func claim(name, owner string, typ exposition.Type) repository.Claim {
	return repository.Claim{Claim: exposition.Claim{Name: name, Owner: owner, Type: typ}}
}

func testRegisterNames(t *testing.T, r *replica) {
	register := func(owner string, typ exposition.Type) error {
		c := r.request(repository.Put, "h_count 1\n", "job/a")
		c.Names = []repository.Claim{claim("z", "z", exposition.Gauge), claim("h_count", owner, typ)}
		return r.Commit(t.Context(), c)
	}
	must(t, register("h_count", exposition.Gauge))
	must(t, register("h_count", exposition.Gauge))
	for what, err := range map[string]error{
		"another owner of a name": register("h", exposition.Gauge),
		"another type of a name":  register("h_count", exposition.Histogram),
	} {
		var odd *repository.NotPlainError
		if !errors.As(err, &odd) || len(odd.Jobs) != 0 || len(odd.Names) != 1 || odd.Names[0] != claim("h_count", "h_count", exposition.Gauge) {
			t.Errorf("%s: %v, %+v", what, err, odd)
		}
	}
	if n := len(r.history()); n != 2 {
		t.Errorf("the history has %d rows, want those of what was stored", n)
	}
}

func testRegisterJobs(t *testing.T, r *replica) {
	register := func(shape string) error {
		c := r.request(repository.Put, "m 1\n", "job/a")
		c.Jobs = []repository.JobShape{{Job: "z", Shape: "job"}, {Job: "a", Shape: shape}}
		return r.Commit(t.Context(), c)
	}
	must(t, register("job"))
	must(t, register("job"))
	err := register("job\xffx")
	var odd *repository.NotPlainError
	if !errors.As(err, &odd) || len(odd.Names) != 0 || len(odd.Jobs) != 1 || odd.Jobs[0].Job != "a" || odd.Jobs[0].Shared || odd.Jobs[0].Shape == "job\xffx" {
		t.Errorf("another shape of a job: %v, %+v", err, odd)
	}
	tx := r.exclusive()
	r.epoch, err = tx.Claim(t.Context(), nil, repository.JobShape{Job: "a", Shape: "job", Shared: true})
	must(t, err)
	must(t, tx.Commit(t.Context(), r.request(repository.Put, "m 1\n", "job/a")))
	odd = nil
	if err := register("job"); !errors.As(err, &odd) || len(odd.Jobs) != 1 || !odd.Jobs[0].Shared {
		t.Errorf("a job with several shapes: %v, %+v", err, odd)
	}
}

func testMixedNames(t *testing.T, r *replica) {
	tx := r.exclusive()
	mixed := claim("m", "m", exposition.Gauge)
	mixed.Mixed = true
	epoch, err := tx.Claim(t.Context(), []repository.Claim{mixed}, repository.JobShape{Job: "a", Shape: "job"})
	must(t, err)
	r.epoch = epoch
	must(t, tx.Commit(t.Context(), r.request(repository.Put, "m 1\n", "job/a")))
	register := func(unchecked bool) error {
		c := r.request(repository.Put, "m 1\n", "job/a")
		c.Names, c.Unchecked = []repository.Claim{claim("m", "m", exposition.Counter)}, unchecked
		return r.Commit(t.Context(), c)
	}
	must(t, register(true))
	var odd *repository.NotPlainError
	if err := register(false); !errors.As(err, &odd) || len(odd.Names) != 1 || !odd.Names[0].Mixed {
		t.Errorf("a name of several owners: %v, %+v", err, odd)
	}
}

func testStaleEpoch(t *testing.T, r *replica) {
	r.put("m 1\n", "job/a")
	tx := r.exclusive()
	waiting := r.request(repository.Put, "m 2\n", "job/a")
	result := make(chan error, 1)
	go func() { result <- r.Commit(t.Context(), waiting) }() // before the claim or after it
	epoch, err := tx.Claim(t.Context(), nil, repository.JobShape{Job: "z", Shape: "job"})
	must(t, err)
	if epoch == r.epoch {
		t.Errorf("a claim left the epoch at %d", epoch)
	}
	c := r.request(repository.Put, "n 1\n", "job/z")
	c.Epoch = epoch
	must(t, tx.Commit(t.Context(), c))
	_, _, begin := r.BeginJobs(t.Context(), r.epoch, soon(), []string{"a"})
	for what, err := range map[string]error{"a plain commit": <-result, "a shared commit": begin} {
		var stale *repository.StaleEpochError
		if !errors.As(err, &stale) || stale.Epoch != epoch {
			t.Errorf("%s of an epoch before %d: %v", what, epoch, err)
		}
	}
	r.expect(map[string]string{"job/a": "m=1", "job/z": "n=1"})
	if r.epoch != epoch {
		t.Errorf("the epoch is %d, want %d", r.epoch, epoch)
	}
	r.put("m 3\n", "job/a")
}

func testRolledBackClaim(t *testing.T, r *replica) {
	tx := r.exclusive()
	_, err := tx.Claim(t.Context(), []repository.Claim{claim("m", "h", exposition.Histogram)}, repository.JobShape{Job: "a", Shape: "job", Shared: true})
	must(t, err)
	tx.Rollback()
	c := r.request(repository.Put, "m 1\n", "job/a")
	c.Names = []repository.Claim{claim("m", "m", exposition.Gauge)}
	c.Jobs = []repository.JobShape{{Job: "a", Shape: "job"}}
	must(t, r.Commit(t.Context(), c))
}

func testStructural(t *testing.T, r *replica) {
	other := newReplica(t, r.Store)
	r.put("m 1\n", "job/a")
	tx := r.exclusive()
	position, err := tx.CatchUp(t.Context(), r.cursor, r.known, r.apply)
	must(t, err)
	if got := r.show("job/a"); got != "m=1" || position.Epoch != r.epoch {
		t.Errorf("a structural commit sees %q at epoch %d, want m=1 at %d", got, position.Epoch, r.epoch)
	}
	groups, err := tx.Groups(t.Context(), []exposition.GroupingKey{key(t, "job/a"), key(t, "job/none")})
	must(t, err)
	if len(groups) != 1 || show(groups[0]) != "m=1" {
		t.Errorf("groups are %+v", groups)
	}
	epoch, err := tx.Claim(t.Context(), []repository.Claim{claim("m", "m", exposition.Counter)}, repository.JobShape{Job: "a", Shape: "job"})
	must(t, err)
	c := r.request(repository.Put, "# TYPE m counter\nm 2\n", "job/a")
	c.Epoch = epoch
	must(t, tx.Commit(t.Context(), c))
	tx.Rollback() // after a commit it does nothing
	other.expect(map[string]string{"job/a": "m=2"})
	c = other.request(repository.Put, "m 3\n", "job/a")
	c.Names = []repository.Claim{claim("m", "m", exposition.Gauge)}
	var odd *repository.NotPlainError
	if err := r.Commit(t.Context(), c); !errors.As(err, &odd) || odd.Names[0].Type != exposition.Counter {
		t.Errorf("the type before a claim: %v", err)
	}
}

func testShared(t *testing.T, r *replica) {
	tx := r.exclusive()
	epoch, err := tx.Claim(t.Context(), nil, repository.JobShape{Job: "a", Shape: "job", Shared: true})
	must(t, err)
	c := r.request(repository.Put, "m 1\n", "job/a")
	c.Epoch = epoch
	c.Shapes = []repository.JobShape{{Job: "a", Shape: "job", Shared: true}, {Job: "a", Shape: "job\xffx", Shared: true}}
	must(t, tx.Commit(t.Context(), c))
	r.catchUp()
	jobs, shapes, err := r.BeginJobs(t.Context(), epoch, soon(), []string{"b", "a"})
	must(t, err)
	defer jobs.Rollback()
	slices.Sort(shapes["a"])
	if !slices.Equal(shapes["a"], []string{"job", "job\xffx"}) || len(shapes["b"]) != 0 {
		t.Errorf("shapes are %q", shapes)
	}
	groups, err := jobs.Groups(t.Context(), []exposition.GroupingKey{key(t, "job/a")})
	must(t, err)
	if len(groups) != 1 {
		t.Errorf("groups are %v", groups)
	}
	c = r.request(repository.Put, "m 2\n", "job/a/x/1")
	c.Shapes = []repository.JobShape{{Job: "a", Shape: "job\xffx", Shared: true}, {Job: "a", Shape: "job\xffy", Shared: true}}
	must(t, jobs.Commit(t.Context(), c))
	tx, shapes, err = r.BeginJobs(t.Context(), epoch, soon(), []string{"a"})
	must(t, err)
	tx.Rollback()
	if len(shapes["a"]) != 3 {
		t.Errorf("shapes are %q, want one more", shapes)
	}
	r.expect(map[string]string{"job/a": "m=1", "job/a/x/1": "m=2"})
}

func testPrune(t *testing.T, r *replica) {
	tx := r.exclusive()
	epoch, err := tx.Claim(t.Context(), nil, repository.JobShape{Job: "several", Shape: "job", Shared: true})
	must(t, err)
	r.epoch = epoch
	c := r.request(repository.Put, "m 1\n", "job/a")
	c.Names = []repository.Claim{claim("stays", "stays", exposition.Gauge), claim("goes", "goes", exposition.Gauge)}
	c.Jobs = []repository.JobShape{{Job: "a", Shape: "job"}, {Job: "gone", Shape: "job"}}
	c.Shapes = []repository.JobShape{{Job: "several", Shape: "job", Shared: true}, {Job: "several", Shape: "job\xffx", Shared: true}}
	must(t, tx.Commit(t.Context(), c))

	tx = r.exclusive()
	must(t, tx.Prune(t.Context(), repository.Held{Names: []string{"stays"}, Shapes: []repository.JobShape{
		{Job: "a", Shape: "job"}, {Job: "several", Shape: "job\xffx"}}}))
	var stale *repository.StaleEpochError
	if err := r.Commit(t.Context(), r.request(repository.Put, "m 1\n", "job/a")); !errors.As(err, &stale) {
		t.Errorf("a commit with what was learned before: %v", err)
	}
	r.catchUp()
	c = r.request(repository.Put, "m 1\n", "job/a")
	c.Names = []repository.Claim{claim("goes", "goes", exposition.Counter)}
	c.Jobs = []repository.JobShape{{Job: "gone", Shape: "job\xffy"}, {Job: "several", Shape: "job\xffx"}, {Job: "a", Shape: "job"}}
	must(t, r.Commit(t.Context(), c))
	c = r.request(repository.Put, "m 1\n", "job/a")
	c.Names = []repository.Claim{claim("stays", "stays", exposition.Counter)}
	c.Jobs = []repository.JobShape{{Job: "a", Shape: "job\xffy"}}
	var odd *repository.NotPlainError
	if err := r.Commit(t.Context(), c); !errors.As(err, &odd) || len(odd.Names) != 1 || len(odd.Jobs) != 1 {
		t.Errorf("what is held: %v, %+v", err, odd)
	}
}
