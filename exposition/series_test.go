package exposition_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

func TestCheckSeries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path, body, otherPath, otherBody string
		want                                   string // the series in the error; "": none
	}{
		{"a label of the key against a label of the push", "job/a", "m{tag=\"v\"} 1\n", "job/a/tag/v", "m 1\n", `m{instance="",job="a",tag="v"}`},
		{"and the other way round", "job/a/tag/v", "m 1\n", "job/a", "n 1\nm 1\nm{tag=\"v\"} 1\n", `m{instance="",job="a",tag="v"}`},
		{"other values are other series", "job/a", "m{tag=\"w\"} 1\n", "job/a/tag/v", "m 1\n", ""},
		{"other families are other series", "job/a", "m{tag=\"v\"} 1\n", "job/a/tag/v", "l 1\nn 1\n", ""},
		{"other jobs are other series", "job/b", "m{tag=\"v\"} 1\n", "job/a/tag/v", "m 1\n", ""},
		{"a group does not collide with itself", "job/a", "m 1\n", "job/a", "m 1\n", ""},
		{"an empty label is not a missing one", "job/a", "m 1\n", "job/a/tag/", "m 1\n", ""},
		{"an instance in the push", "job/a", "m{instance=\"i\"} 1\n", "job/a/instance/i", "m 1\n", `m{instance="i",job="a"}`},
		{"groups that only an empty instance tells apart", "job/a", "", "job/a/instance/", "", `push_time_seconds{instance="",job="a"}`},
		{"histograms", "job/a", "# TYPE h histogram\nh_sum{tag=\"v\"} 1\n", "job/a/tag/v", "# TYPE h histogram\nh_sum 1\n", `h{instance="",job="a",tag="v"}`},
		{"names that are parts of others", "job/a", "m{x=\"1\",y=\"\"} 1\n", "job/a/x/1y", "m 1\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			other := exposition.Group{Key: parseKey(t, c.otherPath), Families: normalized(t, c.otherPath, c.otherBody), PushTime: time.Unix(1700000000, 0)}
			err := exposition.CheckSeries(parseKey(t, c.path), normalized(t, c.path, c.body), other)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			requireRefusal(t, err, exposition.ErrInconsistent)
			for _, want := range []string{c.want, other.Key.String(), "2023-11-14T22:13:20Z"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
		})
	}
}

func TestCheckSeriesOfAGroupWithoutSuccess(t *testing.T) {
	t.Parallel()
	err := exposition.CheckSeries(parseKey(t, "job/a"), nil, exposition.Group{Key: parseKey(t, "job/a/instance/")})
	requireRefusal(t, err, exposition.ErrInconsistent)
	if !strings.Contains(err.Error(), "no push succeeded") {
		t.Error(err)
	}
}

func normalized(t testing.TB, path, body string) []exposition.Family {
	t.Helper()
	families, err := exposition.Normalize(parseKey(t, path), parseBody(t, body), exposition.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	return families
}
