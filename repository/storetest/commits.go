package storetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

func testHistory(t *testing.T, r *replica) {
	r.put("m 1\n", "job/a")
	c := r.request(repository.Post, "m 2\n", "job/a", "job/a/i/1", "job/a")
	c.Groups = slices.CompactFunc(c.Groups, func(x, y repository.GroupChange) bool { return x.Key.Digest() == y.Key.Digest() })
	c.History[0].Request = repository.Request{Method: repository.Post, ID: "id", Client: "::1", Username: "us'er", UserAgent: "agent \"7\"", Bytes: 123}
	c.History[0].Series = 45
	c.History[1].Accepted, c.History[1].Reason, c.History[1].Affected = false, "because", 0
	must(t, r.Commit(t.Context(), c))
	r.do(repository.Delete, "", "job/a")
	r.deleteAll("")
	rows := r.history()
	if len(rows) != 6 {
		t.Fatalf("the history has %d rows, want 6", len(rows))
	}
	for i, row := range rows {
		if i > 0 && row.Seq <= rows[i-1].Seq {
			t.Errorf("row %d has the number %d after %d", i, row.Seq, rows[i-1].Seq)
		}
		if i > 0 && row.At.Before(rows[i-1].At) || time.Since(row.At).Abs() > time.Minute {
			t.Errorf("row %d is of %s", i, row.At)
		}
		if row.Replica == "" {
			t.Errorf("row %d has no replica", i)
		}
		if i >= 1 && i <= 3 && row.Commit != c.ID {
			t.Errorf("row %d has the commit %s, want %s", i, row.Commit, c.ID)
		}
	}
	got := rows[1]
	families, err := exposition.DecodeFamilies(got.Families)
	must(t, err)
	if got.Request != c.History[0].Request || got.Series != 45 || !got.Accepted || got.Reason != "" || got.Affected != 1 ||
		got.Key.Compare(key(t, "job/a")) != 0 || len(families) != 1 || families[0].Metrics[0].Value != 2 {
		t.Errorf("a row is %+v, was %+v", got, c.History[0])
	}
	if got := rows[2]; got.Accepted || got.Reason != "because" || got.Affected != 0 || got.Request != (repository.Request{Method: repository.Post}) {
		t.Errorf("the row of a refused push is %+v", got)
	}
	if got := rows[4]; got.Method != repository.Delete || got.Affected != 1 || got.Families != nil {
		t.Errorf("the row of a DELETE is %+v", got)
	}
	if got := rows[5]; got.Method != repository.Wipe || got.Affected != 1 || got.Key.Job() != "" {
		t.Errorf("the row of a wipe is %+v", got)
	}
}

func testHostileHeaders(t *testing.T, r *replica) {
	hostile := "a\x00b\xff\n" + strings.Repeat("é", 10_000)
	c := r.request(repository.Put, "m 1\n", "job/a")
	c.History[0].Request = repository.Request{Method: repository.Put, ID: hostile, Client: hostile, Username: hostile, UserAgent: hostile}
	c.History[0].Reason = hostile
	must(t, r.Commit(t.Context(), c))
	d := repository.Deletion{Request: c.History[0].Request, Key: key(t, "job/a"), Recursive: true}
	d.Method = repository.Delete
	must(t, r.DeleteGroups(t.Context(), uuid.New(), soon(), d))
	for _, row := range r.history() {
		for _, s := range []string{row.ID, row.Client, row.Username, row.UserAgent} {
			if !strings.HasPrefix(s, "a b\uFFFD é") || len(s) > 256 {
				t.Errorf("the history has %q", s)
			}
		}
	}
}

func testSeen(t *testing.T, r *replica) {
	send := func(id string, accepted bool) (*repository.Commit, error) {
		c := r.request(repository.Put, "m 1\n", "job/a", "job/b")
		c.History[0].ID = id
		if !accepted {
			c.History[0].Accepted, c.History[0].Reason = false, "because"
		}
		return c, r.Commit(t.Context(), c)
	}
	first, err := send("1", true)
	must(t, err)
	second, err := send("2", false)
	must(t, err)
	if _, err := send("1", true); !errors.Is(err, repository.ErrSeen) {
		t.Errorf("a request seen before: %v", err)
	}
	digests := [][32]byte{
		first.History[0].Digest(first.History[0].Key),
		second.History[0].Digest(second.History[0].Key),
		{1, 2, 3},
	}
	answers, err := r.Answers(t.Context(), digests)
	must(t, err)
	want := map[[32]byte]repository.Answer{digests[0]: {Accepted: true}, digests[1]: {Reason: "because"}}
	if !reflect.DeepEqual(answers, want) {
		t.Errorf("answers are %v, want %v", answers, want)
	}
	d := repository.Deletion{Request: repository.Request{Method: repository.Delete, ID: "3"}, Key: key(t, "job/b"), Recursive: true}
	must(t, r.DeleteGroups(t.Context(), uuid.New(), soon(), d))
	r.put("m 2\n", "job/b")
	if err := r.DeleteGroups(t.Context(), uuid.New(), soon(), d); !errors.Is(err, repository.ErrSeen) {
		t.Errorf("a recursive delete seen before: %v", err)
	}
	r.expect(map[string]string{"job/b": "m=2"})
	if n := len(r.history()); n != 6 {
		t.Errorf("the history has %d rows, want 6", n)
	}
	none, err := r.Answers(t.Context(), nil)
	if err != nil || len(none) != 0 {
		t.Errorf("answers to nothing: %v, %v", none, err)
	}
}

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
	position, err := tx.CatchUp(t.Context(), r.cursor, r.apply)
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

func testData(t *testing.T, r *replica) {
	families := func(help string) []byte {
		return exposition.AppendFamilies(nil, []exposition.Family{{Name: "m", Help: help, Metrics: []exposition.Metric{{Value: 1}}}})
	}
	c := r.request(repository.Post, "m 1\n", "job/a", "job/b")
	c.Groups[0].Families = families("a\x00b")
	if err := r.Commit(t.Context(), c); !errors.Is(err, repository.ErrData) {
		t.Errorf("NUL: %v", err)
	}
	r.expect(map[string]string{"job/a": "none", "job/b": "none"})
	if n := len(r.history()); n != 0 {
		t.Errorf("the history has %d rows of what was refused", n)
	}
	c = r.request(repository.Post, "m 1\n", "job/a")
	c.Groups[0].Families = families(`no NUL: \u0000, \\u0000 u0000`)
	c.History[0].Families = c.Groups[0].Families
	must(t, r.Commit(t.Context(), c))
	r.expect(map[string]string{"job/a": "m=1"})
}

func testOddText(t *testing.T, r *replica) {
	for i, odd := range []string{
		`quotes "double", 'single', ` + "`back`", `back\slash \n \u0041`, "line\nbreak\ttab", "emoji 👩‍👩‍👧 é é", "\u2028\u2029\ufeff",
		"'; DROP TABLE push_group; --", "%s %00 ?1 $1 :a @b", "<script>&amp;</script>", "\x01\x1f\x7f\u0085", "{}[],:null", "\U0010ffff \uffff", " ", "NULL",
	} {
		k, err := exposition.NewGroupingKey(map[string]string{"job": odd, "instance": odd}, exposition.UTF8Names)
		must(t, err)
		family := exposition.Family{Name: odd, Help: odd, Unit: odd, Metrics: []exposition.Metric{
			{Labels: []exposition.Label{{Name: odd, Value: odd}}, Value: float64(i)}}}
		c := r.request(repository.Post, "")
		c.Names = []repository.Claim{claim(odd, odd, exposition.Gauge)}
		c.Jobs = []repository.JobShape{{Job: odd, Shape: k.Shape()}}
		c.Shapes = c.Jobs
		for range 2 { // to create it, and to merge it
			c.ID = uuid.New()
			c.Groups = []repository.GroupChange{change(repository.Post, k, []exposition.Family{family})}
			c.History = []repository.HistoryRow{{Request: repository.Request{Method: repository.Post}, Key: k, Accepted: true,
				Families: c.Groups[0].Families}}
			must(t, r.Commit(t.Context(), c))
			family.Name, family.Metrics = "other", []exposition.Metric{{Value: 1}}
		}
		r.catchUp()
		g, ok := r.groups[k.Digest()]
		if !ok || g.Key.Compare(k) != 0 || len(g.Families) != 2 {
			t.Fatalf("%q: the group is %+v", odd, g)
		}
		if i := slices.IndexFunc(g.Families, func(f exposition.Family) bool { return f.Name == odd }); i < 0 ||
			g.Families[i].Help != odd || g.Families[i].Unit != odd || g.Families[i].Metrics[0].Labels[0] != (exposition.Label{Name: odd, Value: odd}) {
			t.Errorf("%q: families are %+v", odd, g.Families)
		}
		if _, ok := g.FamilyTimes[odd]; !ok {
			t.Errorf("%q: family times are %v", odd, g.FamilyTimes)
		}
		rows := r.history()
		if row := rows[len(rows)-2]; row.Key.Compare(k) != 0 {
			t.Errorf("%q: the history has %s", odd, row.Key)
		}
		must(t, r.DeleteGroups(t.Context(), uuid.New(), soon(), repository.Deletion{
			Request: repository.Request{Method: repository.Delete}, Key: k, Recursive: true}))
		if r.catchUp(); len(r.groups) != 0 {
			t.Errorf("%q: a recursive delete left %d groups", odd, len(r.groups))
		}
	}
}

func testLongText(t *testing.T, r *replica) {
	random := make([]byte, 3000)
	rand.Read(random)
	long := "n" + hex.EncodeToString(random)
	path := fmt.Sprintf("job/%s/%s/%s", long, long, long)
	c := r.request(repository.Put, long+" 1\n", path)
	c.Names = []repository.Claim{claim(long, long, exposition.Untyped)}
	c.Jobs = []repository.JobShape{{Job: long, Shape: key(t, path).Shape()}}
	c.Shapes = c.Jobs
	must(t, r.Commit(t.Context(), c))
	r.expect(map[string]string{path: long + "=1"})
	r.deleteAll("job/" + long)
	r.expect(map[string]string{path: "none"})
}

func testLarge(t *testing.T, r *replica) {
	var body strings.Builder
	const series = 100_000
	for i := range series {
		fmt.Fprintf(&body, "m{i=\"%d\"} %d\n", i, i)
	}
	r.put(body.String(), "job/a")
	r.do(repository.Post, "n 1\n", "job/a")
	r.catchUp()
	if got := len(r.group("job/a").Families[0].Metrics); got != series {
		t.Errorf("%d series are stored, want %d", got, series)
	}
	families, err := exposition.DecodeFamilies(r.history()[0].Families)
	must(t, err)
	if got := len(families[0].Metrics); got != series {
		t.Errorf("%d series are in the history, want %d", got, series)
	}
}

// nothing checks that what was to be made of job/a was not.
func (r *replica) nothing() {
	r.t.Helper()
	r.expect(map[string]string{"job/a": "none"})
	if n := len(r.history()); n != 0 {
		r.t.Errorf("the history has %d rows", n)
	}
}

func testDeadline(t *testing.T, r *replica) {
	c := r.request(repository.Put, "m 1\n", "job/a")
	c.Deadline = time.Now().Add(-time.Millisecond)
	past := c.Deadline
	results := map[string]error{
		"a commit": r.Commit(t.Context(), c),
		"a wipe":   r.DeleteGroups(t.Context(), uuid.New(), past, repository.Deletion{Request: repository.Request{Method: repository.Wipe}}),
	}
	_, results["an exclusive transaction"] = r.BeginExclusive(t.Context(), past)
	_, _, results["a shared transaction"] = r.BeginJobs(t.Context(), r.epoch, past, []string{"a"})
	for what, err := range results {
		if !errors.Is(err, repository.ErrDeadline) && !errors.Is(err, repository.ErrUnavailable) || errors.Is(err, repository.ErrUnknown) {
			t.Errorf("%s after its deadline: %v", what, err)
		}
	}
	r.nothing()
}

func testNoTurn(t *testing.T, r *replica) {
	tx := r.exclusive()
	c := r.request(repository.Put, "m 1\n", "job/a")
	c.Deadline = time.Now().Add(50 * time.Millisecond)
	if err := r.Commit(t.Context(), c); !errors.Is(err, repository.ErrDeadline) && !errors.Is(err, repository.ErrUnavailable) || errors.Is(err, repository.ErrUnknown) {
		t.Errorf("a commit that has to wait for longer than it may: %v", err)
	}
	r.nothing() // and readers do not wait
	tx.Rollback()
	r.put("m 2\n", "job/a")
}

func testCancelled(t *testing.T, r *replica) {
	err := r.Commit(cancelled(t), r.request(repository.Put, "m 1\n", "job/a"))
	_, begin := r.BeginExclusive(cancelled(t), soon())
	_, catchUp := r.CatchUp(cancelled(t), nil, func(exposition.Change) {})
	for what, err := range map[string]error{"commit": err, "begin": begin, "catch up": catchUp, "ping": r.Ping(cancelled(t))} {
		if !errors.Is(err, repository.ErrUnavailable) {
			t.Errorf("%s with a context that has ended: %v", what, err)
		}
	}
	r.nothing()
}

func testCancelledMeanwhile(t *testing.T, r *replica) {
	made := 0
	for i := range 60 {
		ctx, cancel := context.WithTimeout(t.Context(), mathrand.N(3*time.Millisecond))
		c := r.request(repository.Put, fmt.Sprintf("m %d\n", i), fmt.Sprintf("job/a/i/%d", i))
		err := r.Commit(ctx, c)
		cancel()
		committed := err == nil
		if errors.Is(err, repository.ErrUnknown) {
			committed, err = r.Fence(t.Context(), c.ID)
			must(t, err)
		} else if err != nil && !errors.Is(err, repository.ErrUnavailable) && !errors.Is(err, repository.ErrDeadline) {
			t.Errorf("a commit whose context ends: %v", err)
		}
		want := "none"
		if committed {
			made++
			want = fmt.Sprintf("m=%d", i)
		}
		r.expect(map[string]string{fmt.Sprintf("job/a/i/%d", i): want})
	}
	if n := len(r.history()); n != made {
		t.Errorf("the history has %d rows, %d commits were made", n, made)
	}
}

func testConcurrent(t *testing.T, r *replica) {
	const workers, commits = 8, 25
	var common []string
	for i := range 10 {
		common = append(common, fmt.Sprintf("job/common/i/%d", i))
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			own := fmt.Sprintf("job/own/w/%d", w)
			for i := range commits {
				paths := append(slices.Concat(common[(i*7+w)%10:], common[:(i*7+w)%10]), own)
				c := r.request(repository.Post, fmt.Sprintf("m %d\n", i), paths...)
				for {
					err := r.Commit(t.Context(), c)
					if err == nil {
						break
					}
					if !errors.Is(err, repository.ErrConflict) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	want := map[string]string{}
	for w := range workers {
		want[fmt.Sprintf("job/own/w/%d", w)] = fmt.Sprintf("m=%d", commits-1)
	}
	r.expect(want)
	last := map[exposition.Digest]string{}
	rows := r.history()
	if n := workers * commits * 11; len(rows) != n {
		t.Errorf("the history has %d rows, want %d", len(rows), n)
	}
	for _, row := range rows {
		families, err := exposition.DecodeFamilies(row.Families)
		must(t, err)
		last[row.Key.Digest()] = show(exposition.Group{Families: families})
	}
	for digest, g := range r.groups {
		if show(g) != last[digest] {
			t.Errorf("%s is %s, but last in the history is %s", g.Key, show(g), last[digest])
		}
	}
}

func testAtomic(t *testing.T, r *replica) {
	r.put("m 0\n", "job/a", "job/b")
	watcher := newReplica(t, r.Store)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := r.Commit(t.Context(), r.request(repository.Put, fmt.Sprintf("m %d\n", i), "job/a", "job/b")); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for i := range 100 {
		if i%10 == 0 {
			watcher.cursor = nil
		}
		watcher.catchUp()
		if a, b := watcher.show("job/a"), watcher.show("job/b"); a != b {
			t.Errorf("half a commit is visible: %s and %s", a, b)
		}
	}
	close(stop)
	<-done
}
