package exposition

import (
	"strings"
)

// family is what State knows of the groups that have a family.
type family struct {
	name   string
	types  [len(typeNames)]int // how many groups have it with each type
	groups int
	flaws  int // flawed members, and pairs of groups with equal series
	size   int // bytes in the protobuf rendering, without the header
	hidden bool

	last       *meta // of the last group, to share
	head       *meta // the header's; nil if there is none yet
	help, unit choice
	pending    *pending // what is not in the sequences yet, or nil
}

// choice is the first text, in key order of the groups, that is not empty.
type choice struct {
	group *group // nil if there is none
	text  string
	lost  bool // the group has it no more: look for the next
}

func (c *choice) offer(g *group, text string) {
	switch {
	case text != "" && (c.group == nil || compareGroups(g, c.group) <= 0):
		c.group, c.text = g, text
	case text == "" && c.group == g:
		c.lost = true
	}
}

func (c *choice) withdraw(g *group) {
	c.lost = c.lost || c.group == g
}

func (f *family) offer(g *group, m *meta) {
	f.help.offer(g, m.help)
	f.unit.offer(g, m.unit)
}

func (f *family) withdraw(g *group) {
	f.help.withdraw(g)
	f.unit.withdraw(g)
}

// family returns the family of that name, a new one if need be.
func (s *State) family(name string) *family {
	f := s.families[name]
	if f == nil {
		name = strings.Clone(name) // it may be part of a large body
		f = &family{name: name}
		s.families[name] = f
	}
	return f
}

// meta returns the description of a group's family, shared if possible.
func (f *family) meta(of *Family) *meta {
	m := f.last
	if m == nil || m.typ != of.Type || m.help != of.Help || m.unit != of.Unit {
		m = &meta{f.name, strings.Clone(of.Help), strings.Clone(of.Unit), of.Type, f}
		f.last = m
	}
	return m
}

// member returns the member that a group of the key is with that family.
func (f *family) member(of *Family, key GroupingKey) member {
	return member{meta: f.meta(of), metrics: int32(len(of.Metrics)), flawed: flawed(of, key)}
}

// nextHead returns the meta that the header is to have, and whether it differs
// from the one it has. Groups that disagree on the type hide the family, and
// so it does not matter which type it has then.
func (f *family) nextHead() (*meta, bool) {
	next := meta{name: f.name, help: f.help.text, unit: f.unit.text, family: f}
	for t, n := range f.types {
		if n > 0 {
			next.typ = Type(t)
			break
		}
	}
	if f.groups > 0 && f.head != nil && *f.head == next {
		return f.head, false
	}
	return &next, true
}

// rescan looks for a new help or unit if the group that had it has it no more.
func (s *State) rescan(f *family) {
	if f.help.lost {
		f.help = s.first(f, func(m *meta) string { return m.help })
	}
	if f.unit.lost {
		f.unit = s.first(f, func(m *meta) string { return m.unit })
	}
}

func (s *State) first(f *family, text func(*meta) string) choice {
	for e := range s.text.of(f.hidden).family(f.name) {
		if e.group == nil {
			continue
		}
		if t := text(e.group.member(f.name).meta); t != "" {
			return choice{group: e.group, text: t}
		}
	}
	return choice{}
}
