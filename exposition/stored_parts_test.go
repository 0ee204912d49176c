package exposition_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// FuzzDecodeParts checks that parts of stored families are read as all of them are,
// and that they have samples.
func FuzzDecodeParts(f *testing.F) {
	f.Add(exposition.AppendFamilies(nil, everything()))
	f.Add([]byte(`{"m": {"x": [1, {}], "metrics": [{"value": "1"}], "type": "gauge"}, "n": {"type": "summary", "metrics": []}}`))
	f.Add([]byte(`{"m":{}}`))
	f.Fuzz(func(t *testing.T, stored []byte) {
		names, namesErr := exposition.DecodeNames(stored)
		_, _, familyErr := exposition.DecodeFamily(stored, "m")
		families, err := exposition.DecodeFamilies(stored)
		if err != nil {
			return
		}
		if namesErr != nil || familyErr != nil || len(names) != len(families) {
			t.Fatalf("%d names of %d families: %v, %v", len(names), len(families), namesErr, familyErr)
		}
		key := parseKey(t, "job/j/a/1")
		for _, family := range families {
			one, ok, err := exposition.DecodeFamily(stored, family.Name)
			if got, want := fmt.Sprint(describe([]exposition.Family{one})), fmt.Sprint(describe([]exposition.Family{family})); !ok || err != nil || got != want {
				t.Errorf("a family is %s, %v, want %s", got, err, want)
			}
			if !slices.Contains(names, family.Name) {
				t.Errorf("%q is not among the names %q", family.Name, names)
			}
			n := 0
			for s := range exposition.Samples(key, one) {
				if n++; s.Get("job") != "j" || !slices.IsSortedFunc(s.Labels, func(a, b exposition.Label) int { return cmp.Compare(a.Name, b.Name) }) {
					t.Errorf("a sample has the labels %v", s.Labels)
				}
			}
			if n < len(one.Metrics) {
				t.Errorf("%d samples of %d metrics", n, len(one.Metrics))
			}
		}
		if _, ok, err := exposition.DecodeFamily(stored, "\xff"); ok || err != nil {
			t.Errorf("a family that is not there: %v, %v", ok, err)
		}
	})
}
