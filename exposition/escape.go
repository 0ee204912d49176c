package exposition

import (
	"bytes"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// Names outside of the legacy charset look different in each escaping scheme.
// State renders them without escaping; the other schemes are made of that and
// the parsed families when a snapshot is asked for them. What would collide
// after escaping is left out: of equal families, series or labels stays the
// one that needs no escaping, or else the first.

func isForeign(f *Family) bool {
	return !legacyMetricName(f.Name) ||
		slices.ContainsFunc(f.Metrics, func(m Metric) bool { return !legacyLabels(m.Labels) })
}

func legacyLabels(labels []Label) bool {
	return !slices.ContainsFunc(labels, func(l Label) bool { return !legacyLabelName(l.Name) })
}

// foreignFamily is a foreign family in all groups that have it so.
type foreignFamily struct {
	name    string
	members []foreignMember
}

type foreignMember struct {
	group  *group
	family *Family
}

// foreignFamilies returns the foreign families: those that keep their name
// first, then by name.
func (s *Snapshot) foreignFamilies() []*foreignFamily {
	byName := map[string]*foreignFamily{}
	var families []*foreignFamily
	for _, r := range s.records {
		for i := range r.foreign {
			f := &r.foreign[i]
			if byName[f.Name] == nil {
				byName[f.Name] = &foreignFamily{name: f.Name}
				families = append(families, byName[f.Name])
			}
			byName[f.Name].members = append(byName[f.Name].members, foreignMember{r.group, f})
		}
	}
	slices.SortFunc(families, func(x, y *foreignFamily) int {
		if a, b := legacyMetricName(x.name), legacyMetricName(y.name); a != b {
			if a {
				return -1
			}
			return 1
		}
		return strings.Compare(x.name, y.name)
	})
	return families
}

// escape returns the sequence, which is the snapshot's own, escaped.
func (s *Snapshot) escape(q sequence, enc Encoding) sequence {
	o := overlay{base: q, protobuf: enc.Protobuf}
	var claimed []Claim
	for _, f := range s.foreignFamilies() {
		head := q.head(f.name)
		if head == nil {
			continue // hidden
		}
		seen := map[string]bool{}
		if legacyMetricName(f.name) {
			s.addSeries(seen, f)
			o.put(head, o.escapeMembers(head, f, enc.Escaping, seen))
			continue
		}
		o.remove(f.name)
		escaped := *head
		escaped.name = model.EscapeName(f.name, enc.Escaping)
		if o.free(&escaped, claimed) {
			claimed = append(claimed, Claims(Family{Name: escaped.name, Type: escaped.typ})...)
			o.put(&escaped, o.escapeMembers(&escaped, f, enc.Escaping, seen))
		}
	}
	return o.result()
}

// free reports whether a family collides neither with one of the base nor with
// an earlier claim.
func (o *overlay) free(m *meta, claimed []Claim) bool {
	if o.base.head(m.name) != nil || len(o.rivals(m.name, m.typ)) > 0 {
		return false
	}
	for _, c := range Claims(Family{Name: m.name, Type: m.typ}) {
		if slices.ContainsFunc(claimed, func(other Claim) bool { return other.Name == c.Name }) {
			return false
		}
	}
	return true
}

// addSeries adds the label pairs of the family's series in the groups that do
// not have it as foreign.
func (s *Snapshot) addSeries(seen map[string]bool, f *foreignFamily) {
	members := f.members
	for e, text := range s.text.family(f.name) {
		if len(members) > 0 && e.group == members[0].group {
			members = members[1:]
			continue
		}
		if e.group == nil {
			continue
		}
		for line := range bytes.Lines(text) {
			series := seriesOf(line)
			seen[string(series[bytes.IndexByte(series, '{')+1:len(series)-1])] = true
		}
	}
}

// escapeMembers renders the family in its groups, without the series that were
// seen.
func (o *overlay) escapeMembers(head *meta, f *foreignFamily, scheme model.EscapingScheme, seen map[string]bool) []edit {
	edits := make([]edit, 0, len(f.members))
	for _, member := range f.members {
		var metrics []Metric
		for _, m := range member.family.Metrics {
			m.Labels = escapeLabels(member.group.key.FinalLabels(nil, m.Labels), scheme)
			if series := string(appendPairs(nil, m.Labels)); !seen[series] {
				seen[series] = true
				metrics = append(metrics, m)
			}
		}
		edits = append(edits, o.render(head, member.group, metrics))
	}
	return edits
}

// escapeLabels returns the labels with escaped names, sorted. Of labels that
// get one name stays the one that has it without escaping, or else the first.
func escapeLabels(labels []Label, scheme model.EscapingScheme) []Label {
	escaped := make([]Label, 0, len(labels))
	for _, l := range labels {
		if legacyLabelName(l.Name) {
			escaped = append(escaped, l)
		}
	}
	for _, l := range labels {
		if legacyLabelName(l.Name) {
			continue
		}
		l.Name = escapeLabelName(l.Name, scheme)
		if l.Name != model.MetricNameLabel && !slices.ContainsFunc(escaped, func(e Label) bool { return e.Name == l.Name }) {
			escaped = append(escaped, l)
		}
	}
	slices.SortFunc(escaped, func(x, y Label) int { return strings.Compare(x.Name, y.Name) })
	return escaped
}

// escapeLabelName escapes a name that is not of the legacy charset.
// [model.EscapeName] takes the colon for a good character, which it is in
// metric names only.
func escapeLabelName(name string, scheme model.EscapingScheme) string {
	if !strings.Contains(name, ":") {
		return model.EscapeName(name, scheme)
	}
	dot, colon := "_2e_", "_3a_"
	switch scheme {
	case model.UnderscoreEscaping:
		dot, colon = "_", "_"
	case model.DotsEscaping:
		dot, colon = "_dot_", "__"
	}
	// The dot makes sure that there is something to escape.
	escaped := strings.TrimSuffix(model.EscapeName(name+".", scheme), dot)
	return strings.ReplaceAll(escaped, ":", colon)
}
