package exposition

import (
	"cmp"
	"slices"
	"time"
)

// batch is one Apply: it collects the edits of all changed groups, by family,
// and makes them together.
type batch struct {
	state       *State
	steps       []step
	touched     []*family // those with pending edits, or whose clashes may have changed
	text, proto []byte    // new fragments are appended to these
	scratch     []Family
}

// step is what happens to one group: it gets the content. Without content it
// is deleted, or, with retime, only its push times are rendered again.
type step struct {
	group     *group
	content   *Group
	retime    bool
	old, next *record // nil while the group does not exist
}

// pending is what a batch does to a family, without the header.
type pending struct {
	text, proto []edit
}

// fragmentChunk is the size from which on fragments go to a new buffer.
const fragmentChunk = 1 << 20

// plan finds the steps of a change, in key order, and updates the set of
// groups.
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
	b.steps = make([]step, 0, len(final))
	for d, content := range final {
		g := s.groups[d]
		if g == nil {
			g = s.addGroup(content.Key)
		}
		b.steps = append(b.steps, step{group: g, content: content, old: g.record})
	}
	b.planShadows(final)
	for _, st := range b.steps {
		if st.content == nil && !st.retime {
			s.removeGroup(st.group)
		}
	}
	slices.SortFunc(b.steps, func(x, y step) int { return x.group.key.Compare(y.group.key) })
}

// planShadows adds steps for the groups whose push times appear or disappear
// because another group comes or goes.
func (b *batch) planShadows(final map[Digest]*Group) {
	for _, st := range b.steps {
		if st.old != nil && st.content != nil {
			continue
		}
		g := b.state.shadow(st.group)
		if g == nil {
			continue
		}
		if _, planned := final[g.key.Digest()]; !planned {
			b.steps = append(b.steps, step{group: g, retime: true, old: g.record})
		}
	}
}

// run makes the steps.
func (b *batch) run() {
	b.text, b.proto = make([]byte, 0, 4<<10), make([]byte, 0, 1)
	for i := range b.steps {
		b.render(&b.steps[i])
		b.account(&b.steps[i])
	}
	s := b.state
	s.mergeRecords(b.steps)
	slices.SortFunc(b.touched, func(x, y *family) int { return cmp.Compare(x.name, y.name) })
	b.applyGroups()
	b.applyTwins()
	b.applyHeaders()
	b.applyClashes()
	for _, f := range b.touched {
		f.pending = nil
		if f.groups == 0 {
			delete(s.families, f.name)
		}
	}
}

// touch makes sure that the batch looks at a family when all steps are made.
func (b *batch) touch(f *family) *pending {
	if f.pending == nil {
		f.pending = &pending{}
		b.touched = append(b.touched, f)
	}
	return f.pending
}

// render makes the group's next record and the edits of its fragments.
func (b *batch) render(st *step) {
	g := st.group
	switch {
	case st.content != nil:
		families := b.families(st.content)
		st.next = &record{
			group:    g,
			pushTime: st.content.PushTime, pushFailureTime: st.content.PushFailureTime,
			members: make([]member, len(families)),
		}
		foreignKey := !legacyLabels(g.key.labels)
		for i := range families {
			st.next.members[i] = b.fragment(g, &families[i])
			if foreignKey || isForeign(&families[i]) {
				st.next.foreign = append(st.next.foreign, families[i])
			}
		}
	case st.retime:
		next := *st.old
		next.members = slices.Clone(next.members)
		for _, f := range appendPushTimes(nil, next.pushTime, next.pushFailureTime) {
			*next.member(f.Name) = b.fragment(g, &f)
		}
		st.next = &next
	}
}

// families returns what the group exposes, push times included, by name. It is
// valid until the next call.
func (b *batch) families(content *Group) []Family {
	families := b.scratch[:0]
	for _, f := range content.Families {
		if len(f.Metrics) > 0 && !isPushTime(f.Name) {
			families = append(families, f)
		}
	}
	families = appendPushTimes(families, content.PushTime, content.PushFailureTime)
	slices.SortStableFunc(families, func(x, y Family) int { return cmp.Compare(x.Name, y.Name) })
	b.scratch = families
	return slices.CompactFunc(families, func(x, y Family) bool { return x.Name == y.Name })
}

// appendPushTimes appends the two families of the gateway's own.
func appendPushTimes(dst []Family, pushed, failed time.Time) []Family {
	gauge := func(name, help string, t time.Time) Family {
		f := Family{Name: name, Help: help, Type: Gauge, Metrics: []Metric{{}}}
		if !t.IsZero() {
			f.Metrics[0].Value = float64(t.UnixNano()) / 1e9
		}
		return f
	}
	return append(dst,
		gauge(PushTimeName, PushTimeHelp, pushed),
		gauge(PushFailureTimeName, PushFailureTimeHelp, failed))
}

func isPushTime(name string) bool { return name == PushTimeName || name == PushFailureTimeName }

// fragment renders a family of a group.
func (b *batch) fragment(g *group, f *Family) member {
	s := b.state
	fam := s.family(f.Name)
	p := b.touch(fam)
	m := member{meta: fam.meta(f), metrics: int32(len(f.Metrics)), flawed: flawed(f, g.key)}
	silent := isPushTime(f.Name) && s.shadowed(g)
	text := len(b.text)
	if !silent {
		b.text = appendText(b.text, f, &g.key)
	}
	p.text = append(p.text, edit{m.meta, g, b.text[text:len(b.text):len(b.text)]})
	b.text = nextBuffer(b.text)
	if !s.hasProto {
		return m
	}
	proto := len(b.proto)
	if !silent {
		b.proto = appendProto(b.proto, f, &g.key)
	}
	m.size = len(b.proto) - proto
	p.proto = append(p.proto, edit{m.meta, g, b.proto[proto:len(b.proto):len(b.proto)]})
	b.proto = nextBuffer(b.proto)
	return m
}

// nextBuffer keeps buffers from growing without end: each growth copies.
func nextBuffer(b []byte) []byte {
	if len(b) < fragmentChunk {
		return b
	}
	return make([]byte, 0, fragmentChunk)
}

// account enters the group's next record in place of the old one, and adds the
// removals.
func (b *batch) account(st *step) {
	s := b.state
	if st.next != nil {
		for _, m := range st.next.members {
			b.join(m)
			m.meta.family.offer(st.group, m.meta)
		}
		if st.next.foreign != nil {
			s.foreign++
		}
	}
	if st.old != nil {
		for _, m := range st.old.members {
			b.leave(m)
			if st.next.member(m.meta.name) == nil {
				b.drop(m.meta, st.group)
			}
		}
		if st.old.foreign != nil {
			s.foreign--
		}
	}
	st.group.record = st.next
}

// drop removes a group's fragment of a family.
func (b *batch) drop(m *meta, g *group) {
	p := b.touch(m.family)
	p.text = append(p.text, edit{meta: m, group: g})
	if b.state.hasProto {
		p.proto = append(p.proto, edit{meta: m, group: g})
	}
	m.family.withdraw(g)
}

// edits collects edits of shown and of hidden families.
type edits struct {
	shown, hidden []edit
}

func (e *edits) of(f *family) *[]edit {
	if f.hidden {
		return &e.hidden
	}
	return &e.shown
}

func (r *rendering) apply(e edits) {
	r.shown = r.shown.apply(e.shown)
	r.hidden = r.hidden.apply(e.hidden)
}

// applyGroups applies the text edits of all groups.
func (b *batch) applyGroups() {
	var text edits
	for _, f := range b.touched {
		to := text.of(f)
		*to = append(*to, f.pending.text...)
	}
	b.state.text.apply(text)
}

// applyTwins looks again for equal series of the changed groups.
func (b *batch) applyTwins() {
	for _, st := range b.steps {
		if !st.retime {
			b.state.forgetTwins(st.group)
		}
	}
	for _, st := range b.steps {
		if st.content != nil {
			b.state.findTwins(st)
		}
	}
}

// applyHeaders applies the edits of the headers, and, since a protobuf header
// has the size of all groups, with them the protobuf edits of all groups.
func (b *batch) applyHeaders() {
	s := b.state
	var text, proto edits
	for _, f := range b.touched {
		s.rescan(f)
		head, changed := f.nextHead()
		if changed {
			to := text.of(f)
			e := edit{meta: head}
			if f.groups > 0 {
				e.text = appendTextHeader(nil, head)
			}
			*to = append(*to, e)
		}
		if s.hasProto {
			to := proto.of(f)
			e := edit{meta: head}
			if f.groups > 0 {
				e.text = appendProtoHeader(nil, head, f.size)
			}
			*to = append(append(*to, e), f.pending.proto...)
		}
		f.head = head
	}
	s.text.apply(text)
	s.proto.apply(proto)
}

// applyClashes moves families between the exposition and what is hidden.
func (b *batch) applyClashes() {
	s := b.state
	var text, proto edits
	hidden := slices.Clone(s.hidden)
	for _, f := range b.touched {
		hide := f.groups > 0 && s.clashes(f)
		if hide == f.hidden {
			continue
		}
		s.text.move(&text, f)
		s.proto.move(&proto, f)
		i, found := slices.BinarySearch(hidden, f.name)
		if found {
			hidden = slices.Delete(hidden, i, i+1)
		} else {
			hidden = slices.Insert(hidden, i, f.name)
		}
		f.hidden = hide
	}
	s.text.apply(text)
	s.proto.apply(proto)
	s.hidden = hidden
}

// move adds the edits that hide a family, or show it again.
func (r *rendering) move(e *edits, f *family) {
	from, to := &e.shown, &e.hidden
	if f.hidden {
		from, to = to, from
	}
	for entry, text := range r.of(f.hidden).family(f.name) {
		*from = append(*from, edit{meta: entry.meta, group: entry.group})
		*to = append(*to, edit{entry.meta, entry.group, text})
	}
}

// mergeRecords makes the list of records anew with the next ones.
func (s *State) mergeRecords(steps []step) {
	merged := make([]*record, 0, len(s.records)+len(steps))
	rest := s.records
	for _, st := range steps {
		i, found := slices.BinarySearchFunc(rest, st.group, func(r *record, g *group) int { return compareGroups(r.group, g) })
		merged = append(merged, rest[:i]...)
		if found {
			i++
		}
		if st.next != nil {
			merged = append(merged, st.next)
		}
		rest = rest[i:]
	}
	s.records = append(merged, rest...)
}
