package exposition

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/proto"
)

// expected says what must be exposed of the groups, and what is hidden, straight
// from the definitions and without regard to cost.
func expected(groups map[Digest]Group) (families []*dto.MetricFamily, hidden []string) {
	merged := map[string]*dto.MetricFamily{}
	claims := map[string]map[Claim]bool{}
	bad := map[string]bool{}
	sorted := slices.SortedFunc(maps.Values(groups), func(x, y Group) int { return x.Key.Compare(y.Key) })
	for _, g := range sorted {
		exposed := slices.Clone(g.Families)
		exposed = slices.DeleteFunc(exposed, func(f Family) bool { return len(f.Metrics) == 0 || isPushTime(f.Name) })
		for _, f := range exposed {
			for _, c := range Claims(f) {
				if claims[c.Name] == nil {
					claims[c.Name] = map[Claim]bool{}
				}
				claims[c.Name][c] = true
			}
		}
		bare := g.Key.Map()
		delete(bare, "instance")
		bareKey, _ := NewGroupingKey(bare, UTF8Names)
		if _, ok := groups[bareKey.Digest()]; !ok || g.Key.Get("instance") != "" || bareKey.Digest() == g.Key.Digest() {
			exposed = appendPushTimes(exposed, g.PushTime, g.PushFailureTime)
		}
		for _, f := range exposed {
			d := familyToProto(f, &g.Key)
			if m := merged[f.Name]; m != nil {
				m.Metric = append(m.Metric, d.Metric...)
				m.Help, m.Unit = cmp.Or(m.Help, d.Help), cmp.Or(m.Unit, d.Unit)
			} else {
				merged[f.Name] = d
			}
		}
	}
	for _, all := range claims {
		for c := range all {
			bad[c.Owner] = bad[c.Owner] || len(all) > 1
		}
	}
	for _, name := range slices.Sorted(maps.Keys(merged)) {
		if bad[name] || ambiguous(merged[name]) {
			hidden = append(hidden, name)
		} else {
			families = append(families, merged[name])
		}
	}
	return families, hidden
}

// ambiguous reports whether a family has two equal lines, values aside, or a
// line with two labels of one name.
func ambiguous(f *dto.MetricFamily) bool {
	seen := map[string]bool{}
	add := func(labels ...*dto.LabelPair) bool {
		names := map[string]bool{}
		var series strings.Builder
		for _, l := range labels {
			if names[l.GetName()] {
				return true
			}
			names[l.GetName()] = true
			series.WriteString(l.GetName() + "\xff" + l.GetValue() + "\xff")
		}
		again := seen[series.String()]
		seen[series.String()] = true
		return again
	}
	for _, m := range f.Metric {
		if add(m.Label...) {
			return true
		}
		for _, q := range m.GetSummary().GetQuantile() {
			if add(append(slices.Clone(m.Label), pair("quantile", q.GetQuantile()))...) {
				return true
			}
		}
		for _, b := range m.GetHistogram().GetBucket() {
			if add(append(slices.Clone(m.Label), pair("le", b.GetUpperBound()))...) {
				return true
			}
		}
	}
	return false
}

func pair(name string, value float64) *dto.LabelPair {
	return &dto.LabelPair{Name: proto.String(name), Value: proto.String(string(appendNumber(nil, value)))}
}

// modelText writes families with expfmt, which does not quote label names with
// a colon, though no parser reads them then.
func modelText(t testing.TB, families []*dto.MetricFamily) string {
	t.Helper()
	var b bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return strings.NewReplacer("a:b=", `"a:b"=`, "x:y=", `"x:y"=`).Replace(b.String())
}
