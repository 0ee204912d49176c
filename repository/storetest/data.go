package storetest

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

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
