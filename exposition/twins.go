package exposition

import (
	"bytes"
	"strings"
)

// twin says that a group exposes a series of the family that another group
// exposes too. State has it under both groups.
type twin struct {
	family *family
	other  *group
}

// forgetTwins forgets the equal series of a group.
func (s *State) forgetTwins(g *group) {
	for t := range s.twins[g] {
		t.family.flaws--
		delete(s.twins[t.other], twin{t.family, g})
		if len(s.twins[t.other]) == 0 {
			delete(s.twins, t.other)
		}
	}
	delete(s.twins, g)
}

func (s *State) addTwin(f *family, g, other *group) {
	if _, known := s.twins[g][twin{f, other}]; known {
		return
	}
	f.flaws++
	for range 2 {
		if s.twins[g] == nil {
			s.twins[g] = map[twin]struct{}{}
		}
		s.twins[g][twin{f, other}] = struct{}{}
		g, other = other, g
	}
}

// findTwins finds the series of a group that other groups expose too. Such a
// group has the same job and another shape, and for each series and shape at
// most one group can. All groups' text must be up to date.
func (s *State) findTwins(st step) {
	if len(st.group.job.shapes) < 2 {
		return
	}
	var candidates []candidate
	for _, shape := range st.group.job.shapes {
		if shape.name != st.group.shape {
			names := strings.Split(shape.name, separator)
			candidates = append(candidates, candidate{names: names, values: make([]string, len(names))})
		}
	}
	search := twinSearch{state: s, group: st.group, candidates: candidates}
	for i := range st.content.Families {
		f := &st.content.Families[i]
		if !isPushTime(f.Name) && len(f.Metrics) > 0 {
			search.family(f)
		}
	}
}

// twinSearch looks for the series of a group in others.
type twinSearch struct {
	state      *State
	group      *group
	candidates []candidate
	final      []Label
	line       []byte
}

// family looks for the series of one family. The cost grows with the family
// and with those of the groups that could have its series, not with their
// product.
func (t *twinSearch) family(f *Family) {
	others := t.others(f)
	if len(others) == 0 {
		return
	}
	suffix := ""
	if !f.Type.Scalar() {
		suffix = "_sum"
	}
	series := make(map[string]bool, len(f.Metrics))
	line := samples{name: f.Name, quoted: !legacyMetricName(f.Name)}
	for i := range f.Metrics {
		t.final = t.group.key.FinalLabels(t.final[:0], f.Metrics[i].Labels)
		line.pairs = appendPairs(line.pairs[:0], t.final)
		t.line = line.appendSeries(t.line[:0], suffix)
		series[string(seriesOf(t.line))] = true
	}
	fam := t.state.families[f.Name]
	for other := range others {
		for line := range bytes.Lines(t.state.text.of(fam.hidden).find(f.Name, other)) {
			if series[string(seriesOf(line))] {
				t.state.addTwin(fam, t.group, other)
				break
			}
		}
	}
}

// seriesOf returns the series of a line that has labels. Neither value nor
// timestamp has a brace.
func seriesOf(line []byte) []byte { return line[:bytes.LastIndexByte(line, '}')+1] }

// others returns the groups that could have a series of the family.
func (t *twinSearch) others(f *Family) map[*group]bool {
	var others map[*group]bool
	for i := range f.Metrics {
		t.final = t.group.key.FinalLabels(t.final[:0], f.Metrics[i].Labels)
		for c := range t.candidates {
			g := t.candidates[c].find(t.state, t.final)
			if m := g.member(f.Name); m == nil || m.meta.typ != f.Type {
				continue
			}
			if others == nil {
				others = map[*group]bool{}
			}
			others[g] = true
		}
	}
	return others
}

// candidate is the group of some shape that could expose the series looked at
// last. Series of a group mostly have the same one.
type candidate struct {
	names, values []string // of the shape's labels
	known         bool     // group is that of the values, or there is none
	group         *group
}

// find returns the candidate for a series with these labels, or nil.
func (c *candidate) find(s *State, final []Label) *group {
	for i, name := range c.names {
		v, ok := lookup(final, name)
		if !ok {
			return nil
		}
		if v != c.values[i] {
			c.values[i], c.known = v, false
		}
	}
	if !c.known {
		labels := make(map[string]string, len(c.names))
		for i, name := range c.names {
			labels[name] = c.values[i]
		}
		c.group, c.known = s.withLabels(labels), true
	}
	return c.group
}

// withLabels returns the group whose key has just these labels, or nil.
func (s *State) withLabels(labels map[string]string) *group {
	key, err := NewGroupingKey(labels, UTF8Names)
	if err != nil {
		return nil
	}
	return s.groups[key.Digest()]
}

// shadow returns the group whose key is that of g and an empty instance. The
// two would expose equal push times, so only g's are exposed.
func (s *State) shadow(g *group) *group {
	if len(g.job.shapes) < 2 || hasLabel(g.key.labels, instanceLabel) {
		return nil
	}
	labels := g.key.Map()
	labels[instanceLabel] = ""
	return s.withLabels(labels)
}

// shadowed reports whether g is the shadow of a group.
func (s *State) shadowed(g *group) bool {
	if v, ok := lookup(g.key.labels, instanceLabel); !ok || v != "" {
		return false
	}
	labels := g.key.Map()
	delete(labels, instanceLabel)
	return s.withLabels(labels) != nil
}
