package exposition

import (
	"slices"
	"time"
)

// A change is applied in two halves. At once its groups are rendered, counted
// and let go, so that large changes can come in small parts. The fragments go
// into the sequences when somebody wants to see them, those of all parts
// together: that touches each leaf once.

// unsettled is what has been applied and is not in the sequences yet.
type unsettled struct {
	steps   []step    // one for each group
	touched []*family // those with pending edits, or whose clashes may have changed
	gone    map[Digest]bool
	text    arena[byte]   // of the steps' numbers
	ends    arena[uint32] // of the steps' numbers

	// While it is being settled:
	ranks   []uint32 // by a step's place before
	inOrder []uint64 // see there
	made    []byte   // the text of the last edit that was made of a template
}

func (u *unsettled) addGone(g *group) {
	if u.gone == nil {
		u.gone = map[Digest]bool{}
	}
	u.gone[g.key.digest] = true
}

// step is what happens to one group. It has no next record if it is deleted.
type step struct {
	group     *group
	old, next *record  // nil while the group does not exist
	retime    bool     // only the push times are rendered again
	binding   *binding // of what the group exposes, with these numbers; nil if that was rendered
	numbers   numbers
	digest    uint32 // as edits have it; set by order
}

// stays reports whether the group is neither new nor deleted.
func (st *step) stays() bool { return st.old != nil && st.next != nil }

// pending is what is to become of a family's fragments.
type pending struct {
	text, proto             []edit
	templates               []templateEdit // further ones of the text
	textMemory, protoMemory arena[byte]
}

// templateEdit is an edit whose text is still to be made of a layout's template.
type templateEdit struct{ step, family uint32 }

// arena is memory for many slices, above all for fragments. What a family has is
// freed as soon as that is settled.
type arena[E any] []E

// put copies a slice to the arena. What it returns is never nil.
func (a *arena[E]) put(s []E) []E {
	if *a == nil || len(*a)+len(s) > cap(*a) {
		*a = make([]E, 0, max(len(s), min(2*cap(*a), 256<<10)))
	}
	start := len(*a)
	*a = append(*a, s...)
	return (*a)[start:len(*a):len(*a)]
}

// batch is one Apply.
type batch struct {
	state    *State
	contents []*Group // of the steps; nil to delete, or with retime
	steps    []step
	rendered []byte   // the last fragment
	numbers  numbers  // of the last group
	families []Family // of the last group
	members  []member // of the last group
}

// plan finds the steps of a change and updates the set of groups.
func (b *batch) plan(c Change) {
	s := b.state
	final := make(map[Digest]*Group, len(c.Groups)+len(c.Deleted))
	for _, d := range c.Deleted {
		if s.groups[d] != nil {
			final[d] = nil
		}
	}
	for i := range c.Groups {
		final[c.Groups[i].Key.Digest()] = &c.Groups[i]
	}
	for d, content := range final {
		g := s.groups[d]
		if g == nil {
			if s.unsettled.gone[d] {
				s.settle()
			}
			g = s.addGroup(content.Key)
		}
		b.add(step{group: g, old: g.record}, content)
	}
	b.planShadows(final)
	for i, st := range b.steps {
		if b.contents[i] == nil && !st.retime {
			s.removeGroup(st.group)
		}
	}
}

func (b *batch) add(st step, content *Group) {
	b.steps = append(b.steps, st)
	b.contents = append(b.contents, content)
}

// planShadows adds steps for the groups whose push times appear or disappear
// because another group comes or goes.
func (b *batch) planShadows(final map[Digest]*Group) {
	for i, st := range b.steps {
		if st.old != nil && b.contents[i] != nil {
			continue
		}
		g := b.state.shadow(st.group)
		if g == nil {
			continue
		}
		if _, planned := final[g.key.Digest()]; !planned {
			b.add(step{group: g, retime: true, old: g.record}, nil)
		}
	}
}

// run makes the steps, as far as that goes without the sequences.
func (b *batch) run() {
	s := b.state
	for _, st := range b.steps {
		if st.group.unsettled {
			s.settle() // a group's changes are made one after the other
			break
		}
	}
	for i := range b.steps {
		st := &b.steps[i]
		st.group.unsettled = true
		b.render(st, b.contents[i], len(s.unsettled.steps)+i)
		b.account(st)
		if st.next == nil {
			s.unsettled.addGone(st.group)
		}
	}
	s.unsettled.steps = append(s.unsettled.steps, b.steps...)
}

// touch makes sure that settle looks at a family.
func (s *State) touch(f *family) *pending {
	if f.pending == nil {
		f.pending = &pending{}
		s.unsettled.touched = append(s.unsettled.touched, f)
	}
	return f.pending
}

// render makes the group's next record and the edits of its fragments. The step
// will have that place among the unsettled ones.
func (b *batch) render(st *step, content *Group, place int) {
	g := st.group
	switch {
	case content != nil && g.staysPacked(content):
		b.fill(st, content, place)
	case content != nil:
		families := b.exposed(content)
		st.next = &record{group: g, pushTime: content.PushTime, pushFailureTime: content.PushFailureTime}
		foreignKey := !legacyLabels(g.key.labels)
		b.members = b.members[:0]
		for i := range families {
			b.members = append(b.members, b.fragment(g, &families[i]))
			if foreignKey || isForeign(&families[i]) {
				st.next.foreign = append(st.next.foreign, families[i].clone())
			}
		}
		st.next.members = g.share(b.members)
	case st.retime:
		next := *st.old
		for _, f := range appendPushTimes(nil, next.pushTime, next.pushFailureTime) {
			b.fragment(g, &f)
		}
		st.next = &next
	}
}

// exposed returns what the group exposes, push times included, by name. It is
// valid until the next call.
func (b *batch) exposed(content *Group) []Family {
	families := b.families[:0]
	for _, f := range content.unpacked() {
		if len(f.Metrics) > 0 && !isPushTime(f.Name) {
			families = append(families, f)
		}
	}
	families = appendPushTimes(families, content.PushTime, content.PushFailureTime)
	slices.SortStableFunc(families, compareFamilies)
	b.families = families
	return slices.CompactFunc(families, func(x, y Family) bool { return x.Name == y.Name })
}

// appendPushTimes appends the two families of the gateway's own.
func appendPushTimes(dst []Family, pushed, failed time.Time) []Family {
	metrics := make([]Metric, 2)
	for i, t := range []time.Time{pushed, failed} {
		metrics[i].Value = unixSeconds(t)
	}
	return append(dst,
		Family{Name: PushTimeName, Help: PushTimeHelp, Type: Gauge, Metrics: metrics[:1]},
		Family{Name: PushFailureTimeName, Help: PushFailureTimeHelp, Type: Gauge, Metrics: metrics[1:]})
}

// unixSeconds returns the time as the exposition has it: 0 if there is none.
func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixNano()) / 1e9
}

func isPushTime(name string) bool { return name == PushTimeName || name == PushFailureTimeName }

// fragment renders a family of a group.
func (b *batch) fragment(g *group, f *Family) member {
	s := b.state
	fam := s.family(f.Name)
	p := s.touch(fam)
	m := fam.member(f, g.key)
	silent := isPushTime(f.Name) && s.shadowed(g)
	b.rendered = b.rendered[:0]
	if !silent {
		b.rendered = appendText(b.rendered, f, &g.key)
	}
	p.text = append(p.text, edit{m.meta, g, p.textMemory.put(b.rendered), g.digestStart()})
	switch {
	case s.hasProto && silent:
		p.proto = append(p.proto, edit{meta: m.meta, group: g, text: p.protoMemory.put(nil)})
	case s.hasProto:
		b.protoFragment(m.meta, g, f)
	}
	return m
}

// protoFragment renders a family of a group as protobuf.
func (b *batch) protoFragment(m *meta, g *group, f *Family) {
	p := b.state.touch(m.family)
	b.rendered = appendProto(b.rendered[:0], f, &g.key)
	p.proto = append(p.proto, edit{m, g, p.protoMemory.put(b.rendered), g.digestStart()})
}

// share returns members, which belong to a batch, in memory that is shared with
// an older record, if possible: most groups have the same families again and
// again, and those of a job the same ones.
func (g *group) share(members []member) []member {
	if g.record != nil && slices.Equal(g.record.members, members) {
		return g.record.members
	}
	if !slices.Equal(g.job.members, members) {
		g.job.members = slices.Clone(members)
	}
	return g.job.members
}

// account enters the group's next record in place of the old one, and adds the
// removals.
func (b *batch) account(st *step) {
	s := b.state
	s.foreign += st.next.countForeign() - st.old.countForeign()
	st.group.record = st.next
	if st.old != nil && st.next != nil && sameSlice(st.old.members, st.next.members) {
		return
	}
	if st.next != nil {
		for _, m := range st.next.members {
			s.join(m)
			m.meta.family.offer(st.group, m.meta)
		}
	}
	if st.old != nil {
		for _, m := range st.old.members {
			s.leave(m)
			if st.next.member(m.meta.name) == nil {
				b.drop(m.meta, st.group)
			}
		}
	}
}

// drop removes a group's fragment of a family.
func (b *batch) drop(m *meta, g *group) {
	p := b.state.touch(m.family)
	p.text = append(p.text, edit{meta: m, group: g})
	if b.state.hasProto {
		p.proto = append(p.proto, edit{meta: m, group: g})
	}
	m.family.withdraw(g)
}
