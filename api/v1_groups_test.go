package api_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/api"
	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

type group struct {
	Job      string
	Labels   map[string]string
	PushedAt *time.Time `json:"pushed_at"`
	FailedAt *time.Time `json:"failed_at"`
	Families []struct {
		Name, Type string
		Metrics    int
	}
}

func (g group) String() string { return g.Job + g.Labels["i"] }

func TestGroupRow(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 5000, time.UTC)
	g := mustGroup(t, "job/a/l/v", "# TYPE b gauge\nb{x=\"1\"} 1\nb{x=\"2\"} 1\na 1\n", at)
	v := &v1{Server: newServer(t, &fakeGateway{groups: []exposition.Group{g, {Key: mustKey(t, "job/b"), PushFailureTime: at}}}, api.Options{}), t: t}
	const want = `{"status":"success","data":[{"job":"a","labels":{"job":"a","l":"v"},"pushed_at":"2026-03-01T12:00:00.000005Z","failed_at":null,` +
		`"families":[{"name":"a","type":"untyped","metrics":1},{"name":"b","type":"gauge","metrics":2}]},` +
		`{"job":"b","labels":{"job":"b"},"pushed_at":null,"failed_at":"2026-03-01T12:00:00.000005Z","families":[]}]}` + "\n"
	if got := getRaw(t, v, "groups").Body.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// manyGroups returns groups with times of which many are equal.
func manyGroups(t *testing.T) []exposition.Group {
	var groups []exposition.Group
	for i := range 60 {
		g := mustGroup(t, fmt.Sprintf("job/%c/i/%02d", 'a'+i%3, i), []string{"m 1\n", "n 1\n"}[i%2], minutes(i*7%5))
		if i%4 == 0 {
			g.PushFailureTime = minutes(i % 3)
		}
		groups = append(groups, g)
	}
	return append(groups, mustGroup(t, "job/a", "m 1\n", minutes(1)), mustGroup(t, "job/ab", "m 1\n", minutes(2)), mustGroup(t, "job/Zürich/i/ÄÖ", "m 1\n", minutes(2)))
}

func TestOrdersOfGroups(t *testing.T) {
	t.Parallel()
	groups := manyGroups(t)
	v := &v1{Server: newServer(t, &fakeGateway{groups: groups}, api.Options{}), t: t}
	never := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.RFC3339Nano)
	}
	by := map[string]func(a, b exposition.Group) int{
		"job":       func(a, b exposition.Group) int { return 0 },
		"pushed_at": func(a, b exposition.Group) int { return cmp.Compare(never(a.PushTime), never(b.PushTime)) },
		"failed_at": func(a, b exposition.Group) int {
			return cmp.Compare(never(a.PushFailureTime), never(b.PushFailureTime))
		},
	}
	for name, compare := range by {
		sorted := slices.SortedFunc(slices.Values(groups), func(a, b exposition.Group) int {
			return cmp.Or(compare(a, b), a.Key.Compare(b.Key))
		})
		for _, sort := range []string{name, "-" + name} {
			want := show(sorted, func(g exposition.Group) string { return g.Key.Job() + g.Key.Get("i") })
			for _, limit := range []string{"1", "7", "63", "1000"} {
				got := pages[group](t, v, "groups", "sort", sort, "limit", limit)
				if got := show(got, group.String); got != want {
					t.Errorf("sort=%s limit=%s: got  %s\nwant %s", sort, limit, got, want)
				}
			}
			slices.Reverse(sorted)
		}
	}
	if got, want := show(pages[group](t, v, "groups"), group.String), show(pages[group](t, v, "groups", "sort", "job"), group.String); got != want {
		t.Errorf("the groups without an order are %s", got)
	}
}

func TestFiltersOfGroups(t *testing.T) {
	t.Parallel()
	v := &v1{Server: newServer(t, &fakeGateway{groups: manyGroups(t)}, api.Options{}), t: t}
	count := func(parameters ...string) int {
		return len(pages[group](t, v, "groups", append(parameters, "limit", "4")...))
	}
	for _, tt := range []struct {
		parameters []string
		want       int
	}{
		{nil, 63},
		{[]string{"q", "zür"}, 1},
		{[]string{"q", "äö"}, 1},
		{[]string{"q", "B"}, 21},
		{[]string{"q", "5"}, 15},
		{[]string{"q", "job"}, 0},
		{[]string{"match[]", "n"}, 30},
		{[]string{"match[]", `{job="a"}`}, 21},
		{[]string{"match[]", `m{job=~"a.*",i=""}`}, 2},
		{[]string{"match[]", "push_time_seconds"}, 0},
		{[]string{"match[]", `{job="ab"}`, "match[]", `{i="07"}`}, 2},
		{[]string{"match[]", "n", "q", "0", "sort", "-pushed_at"}, 5},
		{[]string{"match[]", `{job="b"}`, "sort", "-job"}, 20},
	} {
		if got := count(tt.parameters...); got != tt.want {
			t.Errorf("%v: %d groups, want %d", tt.parameters, got, tt.want)
		}
	}
}

func TestPagesOfGroupsStayWhileGroupsComeAndGo(t *testing.T) {
	t.Parallel()
	for _, sort := range []string{"job", "-job", "pushed_at", "-pushed_at"} {
		t.Run(sort, func(t *testing.T) {
			t.Parallel()
			v := newV1(t)
			for i := range 20 {
				v.push(fmt.Sprintf("job/j%02d", i), "m 1\n")
			}
			seen := map[string]int{}
			cursor := ""
			for page := 0; ; page++ {
				a := get[[]group](t, v, "groups", "sort", sort, "limit", "4", "cursor", cursor)
				for _, g := range a.Data {
					seen[g.Job]++
				}
				if cursor = a.NextCursor; cursor == "" {
					break
				}
				v.push(fmt.Sprintf("job/j%02dx", page), "m 1\n") // one more, among those of before
				send(v, "DELETE", "/metrics/job/"+a.Data[len(a.Data)-1].Job, "")
			}
			for i := range 20 {
				if n := seen[fmt.Sprintf("j%02d", i)]; n != 1 {
					t.Errorf("j%02d is on %d pages", i, n)
				}
			}
		})
	}
}

type jobAnswer struct {
	Job         string
	Groups      int
	LastPush    string `json:"last_push"`
	LastSuccess string `json:"last_success"`
	LastFailure string `json:"last_failure"`
	Runs        struct {
		Count, Succeeded, Failed int
		MedianGap                float64 `json:"median_gap_seconds"`
	}
}

func TestJobRow(t *testing.T) {
	t.Parallel()
	v := newV1(t)
	const ok, bad, plain = "x_success 1\n", "x_success 0\n", "m 1\n"
	deleted := pushRow(t, minutes(900), "job/a/i/1", plain)
	deleted.Method = "DELETE"
	refused := pushRow(t, minutes(901), "job/a/i/1", plain)
	refused.Accepted = false
	v.history(
		pushRow(t, minutes(0), "job/a/i/1", bad),
		pushRow(t, minutes(100), "job/a/i/1", ok),
		pushRow(t, minutes(200), "job/a/i/1", bad), // the start of the next one
		pushRow(t, minutes(220), "job/a/i/1", ok),
		pushRow(t, minutes(300), "job/a/i/2", bad),
		pushRow(t, minutes(310), "job/a/i/1", ok), // another group's
		pushRow(t, minutes(400), "job/a/i/2", plain),
		deleted, refused,
		pushRow(t, minutes(950), "job/b", plain),
	)
	v.push("job/a/i/1", plain)
	v.push("job/a/i/2", plain)
	send(v, "POST", "/metrics/job/c", "m 1 1\n") // refused, but the group is there
	got := get[[]jobAnswer](t, v, "jobs").Data
	if len(got) != 2 || got[0].Job != "a" || got[1].Job != "c" {
		t.Fatalf("the jobs are %+v", got)
	}
	a, c := got[0], got[1]
	if a.Groups != 2 || a.LastPush == "" || !strings.HasPrefix(a.LastSuccess, "2026-03-01T17:10:00") || !strings.HasPrefix(a.LastFailure, "2026-03-01T17:00:00") {
		t.Errorf("job a is %+v", a)
	}
	// Runs at 0, 100, 220, 300, 310, 400 and two now.
	if r := a.Runs; r.Count != 8 || r.Succeeded != 3 || r.Failed != 2 || r.MedianGap != 90*60 {
		t.Errorf("the runs of job a are %+v", r)
	}
	if c.Groups != 1 || c.LastPush != "" || c.LastSuccess != "" || c.Runs.Count != 0 {
		t.Errorf("job c is %+v", c)
	}
}

func TestPagesOfJobs(t *testing.T) {
	t.Parallel()
	var groups []exposition.Group
	want := map[string]int{}
	for _, job := range []string{"b", "ba", "b.", "a", "Ä", "bb", "c"} {
		for i := range 5 {
			path := "job/" + job
			if i > 0 {
				path += fmt.Sprintf("/i/%d", i)
			}
			groups = append(groups, mustGroup(t, path, "m 1\n", minutes(i)))
			want[job]++
		}
	}
	gateway, hurried := &fakeGateway{groups: groups}, &fakeGateway{groups: groups, jobRuns: 2}
	for limit, g := range map[string]*fakeGateway{"1": gateway, "2": gateway, "3": hurried, "7": gateway, "8": hurried, "100": gateway} {
		v := &v1{Server: newServer(t, g, api.Options{}), t: t}
		got := pages[jobAnswer](t, v, "jobs", "limit", limit)
		if names := show(got, func(j jobAnswer) string { return j.Job }); names != "a b b. ba bb c Ä" {
			t.Errorf("limit=%s: the jobs are %s", limit, names)
		}
		for _, j := range got {
			if j.Groups != want[j.Job] || !strings.HasPrefix(j.LastPush, "2026-03-01T12:04:00") {
				t.Errorf("limit=%s: job %s has %d groups, want %d; its last push was at %s", limit, j.Job, j.Groups, want[j.Job], j.LastPush)
			}
		}
	}
}
