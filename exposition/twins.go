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
// most one group can.
func (s *State) findTwins(g *group) {
	if len(g.job.shapes) < 2 {
		return
	}
	search := twinSearch{state: s, group: g}
	for _, shape := range g.job.shapes {
		if shape.name != g.shape {
			names := strings.Split(shape.name, separator)
			search.candidates = append(search.candidates, candidate{names: names, values: make([]string, len(names))})
		}
	}
	for i := range g.record.members {
		if m := &g.record.members[i]; !isPushTime(m.meta.name) {
			search.family(m.meta)
		}
	}
}

// twinSearch looks for the series of a group in others.
type twinSearch struct {
	state      *State
	group      *group
	candidates []candidate
	labels     []Label
}

// family looks for the series of one family. The cost grows with the family
// and with those of the groups that could have its series, not with their
// product.
func (t *twinSearch) family(m *meta) {
	sequence := t.state.text.of(m.family.hidden)
	var own [][]byte
	others := map[*group]bool{}
	prefix := seriesPrefix(m)
	for line := range bytes.Lines(sequence.find(m.name, t.group)) {
		if bytes.HasPrefix(line, prefix) {
			own = append(own, seriesOf(line))
			t.addOthers(others, m, seriesOf(line))
		}
	}
	if len(others) == 0 {
		return
	}
	series := make(map[string]bool, len(own))
	for _, s := range own {
		series[string(s)] = true
	}
	for other := range others {
		for line := range bytes.Lines(sequence.find(m.name, other)) {
			if series[string(seriesOf(line))] {
				t.state.addTwin(m.family, t.group, other)
				break
			}
		}
	}
}

// seriesPrefix is how the lines begin that stand for a metric each: of a
// histogram or summary it is that of the sum. All have labels.
func seriesPrefix(m *meta) []byte {
	suffix := "_sum"
	if m.typ.Scalar() {
		suffix = ""
	}
	s := samples{name: m.name, quoted: !legacyMetricName(m.name)}
	return s.appendOpen(nil, suffix)
}

// seriesOf returns the series of a line that has labels. Neither value nor
// timestamp has a brace.
func seriesOf(line []byte) []byte { return line[:bytes.LastIndexByte(line, '}')+1] }

// addOthers adds the groups that could have the series.
func (t *twinSearch) addOthers(others map[*group]bool, m *meta, series []byte) {
	t.labels = readPairs(t.labels[:0], series)
	for i := range t.candidates {
		g := t.candidates[i].find(t.state, t.labels)
		if other := g.member(m.name); other != nil && other.meta.typ == m.typ {
			others[g] = true
		}
	}
}

// readPairs appends the labels of a series that appendSeries wrote.
func readPairs(dst []Label, series []byte) []Label {
	name, rest, _ := strings.Cut(string(series), "{")
	if name == "" {
		_, rest = readQuoted(rest)
		rest = strings.TrimPrefix(rest, ",")
	}
	for rest != "}" {
		var l Label
		if rest[0] == '"' {
			l.Name, rest = readQuoted(rest)
			rest = rest[1:]
		} else {
			l.Name, rest, _ = strings.Cut(rest, "=")
		}
		l.Value, rest = readQuoted(rest)
		rest = strings.TrimPrefix(rest, ",")
		dst = append(dst, l)
	}
	return dst
}

var unescape = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n")

// readQuoted returns what appendQuoted was given for the start of s, and the
// rest of s.
func readQuoted(s string) (text, rest string) {
	end := 1
	for s[end] != '"' {
		if s[end] == '\\' {
			end++
		}
		end++
	}
	return unescape.Replace(s[1:end]), s[end+1:]
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
