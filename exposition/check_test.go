package exposition

import (
	"errors"
	"testing"
)

func TestCheckNames(t *testing.T) {
	t.Parallel()
	a, b := testKey(t, "job", "a", "instance", "b"), testKey(t, "job", "b")
	const (
		put  = true
		post = false
	)
	groups := func(g ...Group) []Group { return g }
	for _, test := range []struct {
		name    string
		groups  []Group
		replace bool
		push    []Family
		want    string // "" if the push is fine
	}{
		{"a new name is free", groups(testGroup(t, a, simple("m", Counter))), put, []Family{simple("n", Gauge)}, ""},
		{"the same type is fine", groups(testGroup(t, a, simple("m", Counter))), put, []Family{simple("m", Counter)}, ""},
		{
			"another type in another group", groups(testGroup(t, a, simple("jobs_total", Counter))), put, []Family{simple("jobs_total", Gauge)},
			`metric jobs_total is pushed as gauge but group {job="a",instance="b"}, last pushed at 2026-11-22T10:00:00Z, has it as counter: push it as counter, or delete that group`,
		},
		{
			"a count beside another group's histogram", groups(testGroup(t, a, simple("h", Histogram))), post, []Family{simple("h_count", Gauge)},
			`gauge h_count exposes h_count, which collides with histogram h that group {job="a",instance="b"}, last pushed at 2026-11-22T10:00:00Z, has: rename one of them, or delete that group`,
		},
		{
			"a summary beside another group's sum", groups(testGroup(t, a, simple("s_sum", Gauge))), put, []Family{simple("s", Summary)},
			`summary s exposes s_sum, which collides with gauge s_sum that group {job="a",instance="b"}, last pushed at 2026-11-22T10:00:00Z, has: rename one of them, or delete that group`,
		},
		{"a group may change the type that only it has", groups(testGroup(t, b, simple("m", Counter))), post, []Family{simple("m", Gauge)}, ""},
		{"put may turn a histogram into its count", groups(testGroup(t, b, simple("h", Histogram))), put, []Family{simple("h_count", Gauge)}, ""},
		{
			"post may not", groups(testGroup(t, b, simple("h", Histogram))), post, []Family{simple("h_count", Gauge)},
			`gauge h_count exposes h_count, which collides with histogram h of the same group: rename one of them, or push without the other`,
		},
		{"post may, if it removes the histogram", groups(testGroup(t, b, simple("h", Histogram))), post, []Family{{Name: "h", Type: Histogram}, simple("h_count", Gauge)}, ""},
		{
			"a push may collide within itself", nil, put, []Family{simple("s", Summary), simple("s_count", Gauge)},
			`gauge s_count exposes s_count, which collides with summary s of the same group: rename one of them, or push without the other`,
		},
		{"a removal collides with nothing", groups(testGroup(t, a, simple("m", Counter))), post, []Family{{Name: "m", Type: Gauge}}, ""},
		{"push times are the gateway's own", nil, put, []Family{simple(PushTimeName, Counter)}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := NewState()
			s.Apply(Change{Groups: test.groups})
			err := s.CheckNames(b, test.replace, test.push)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (!errors.Is(err, ErrInconsistent) || err.Error() != test.want):
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}
