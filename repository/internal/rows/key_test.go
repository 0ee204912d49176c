package rows_test

import (
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository/internal/rows"
)

// TestKnownKeys protects groups that are known from rows that somebody has changed
// by hand: they are checked as if nothing were known.
func TestKnownKeys(t *testing.T) {
	t.Parallel()
	known, err := exposition.ParseGroupingKey("job/a/instance/b", exposition.LegacyNames)
	if err != nil {
		t.Fatal(err)
	}
	digest := known.Digest()
	for _, c := range []struct {
		name, labels string
		key          []byte
		readable     bool
	}{
		{"its own labels", `{"job": "a", "instance": "b"}`, digest[:], true},
		{"its own labels, escaped", `{"job": "a", "instance": "\u0062"}`, digest[:], true},
		{"other labels", `{"job": "a", "instance": "c"}`, digest[:], false},
		{"no job", `{"instance": "b"}`, digest[:], false},
		{"no JSON", `oops`, digest[:], false},
		{"a key that is too short", `{"job": "a", "instance": "b"}`, digest[:7], false},
		{"another key", `{"job": "a", "instance": "b"}`, make([]byte, len(digest)), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := rows.Decoder{Keys: func(d exposition.Digest) (exposition.GroupingKey, bool) { return known, d == digest }}
			g, err := d.Group(c.key, []byte(c.labels), []byte("{}"))
			if (err == nil) != c.readable || c.readable && g.Key.Digest() != digest {
				t.Errorf("got %s, %v", g.Key, err)
			}
		})
	}
}
