package exposition

import (
	"fmt"
	"slices"
	"testing"
)

// TestChangesNeedNoSnapshotInBetween applies many changes, which meet the same
// groups again, before anybody looks.
func TestChangesNeedNoSnapshotInBetween(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			c := newChanges(t, 100+seed, seed%2 == 1)
			for range 8 {
				for range 1 + c.IntN(8) {
					c.apply()
				}
				c.compareModel()
				c.compare(c.fresh())
			}
		})
	}
}

func TestReadPairsIsTheInverseOfRendering(t *testing.T) {
	t.Parallel()
	for name, labels := range map[string][]Label{
		"plain":         {{"a", "b"}, {"c", ""}},
		"escaped":       {{"a", `\"` + "\n"}, {"b", `\`}, {"c", `\n`}},
		"like syntax":   {{"a", `"} 1`}, {"b", `{,="`}},
		"quoted names":  {{"a b", "c"}, {`d"=`, "e"}},
		"text in UTF-8": {{"ä", "ö"}},
	} {
		for _, metric := range []string{"plain", "not {plain", `"`} {
			t.Run(name+" of "+metric, func(t *testing.T) {
				t.Parallel()
				s := samples{name: metric, quoted: !legacyMetricName(metric), pairs: appendPairs(nil, labels)}
				line := s.append(nil, "_sum", 7)
				if got := readPairs(nil, seriesOf(line)); !slices.Equal(got, labels) {
					t.Errorf("%s has %q, want %q", line, got, labels)
				}
			})
		}
	}
}
