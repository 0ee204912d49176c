package exposition

import (
	"cmp"
	"iter"
	"slices"
)

// settle brings the sequences up to date with all that was applied.
func (s *State) settle() {
	if len(s.unsettled.steps) == 0 {
		return
	}
	s.order()
	s.mergeRecords()
	s.settleGroups()
	s.settleTwins()
	s.settleHeaders()
	s.settleClashes()
	for _, f := range s.unsettled.touched {
		f.pending = nil
		if f.groups == 0 {
			delete(s.families, f.name)
			s.bindings = bindings{} // which may have it
		}
	}
	for _, st := range s.unsettled.steps {
		st.group.unsettled = false
	}
	s.unsettled = unsettled{}
}

// order sorts what is unsettled: steps in key order, families by name. The edits
// know the steps by their places before.
func (s *State) order() {
	u := &s.unsettled
	slices.SortFunc(u.touched, func(x, y *family) int { return cmp.Compare(x.name, y.name) })
	sorted := make([]step, len(u.steps))
	u.ranks = make([]uint32, len(u.steps))
	for rank, place := range s.inKeyOrder() {
		sorted[rank] = u.steps[place]
		g := sorted[rank].group
		g.rank = uint32(rank)
		sorted[rank].digest = g.digestStart()
		u.ranks[place] = uint32(rank)
	}
	u.steps = sorted
	u.orderNumbers()
}

// inKeyOrder returns the places of the steps in key order.
func (s *State) inKeyOrder() []uint32 {
	steps := s.unsettled.steps
	places := make([]uint32, 0, len(steps))
	if s.place() {
		ofRecord := make([]uint32, len(s.records)) // the step's place, counted from 1
		for i := range steps {
			ofRecord[steps[i].group.place] = uint32(i) + 1
		}
		for _, i := range ofRecord {
			if i > 0 {
				places = append(places, i-1)
			}
		}
		return places
	}
	for i := range steps {
		places = append(places, uint32(i))
	}
	slices.SortFunc(places, func(i, j uint32) int {
		return cmp.Compare(steps[i].group.key.canonical, steps[j].group.key.canonical)
	})
	return places
}

// place makes groups know their places in the list of records, and reports whether
// that was done: it pays if many groups change, and none comes or goes. Then
// nothing has to be sorted.
func (s *State) place() bool {
	steps := s.unsettled.steps
	if 4*len(steps) < len(s.records) {
		return false
	}
	for i := range steps {
		if !steps[i].stays() {
			return false
		}
	}
	if !s.placed {
		for i, r := range s.records {
			r.group.place = uint32(i)
		}
		s.placed = true
	}
	return true
}

// orderNumbers moves the numbers into key order, in which each family goes through
// them.
func (u *unsettled) orderNumbers() {
	text, ends := 0, 0
	for i := range u.steps {
		text += len(u.steps[i].numbers.text)
		ends += len(u.steps[i].numbers.ends)
	}
	u.text, u.ends = make(arena[byte], 0, text), make(arena[uint32], 0, ends)
	for i := range u.steps {
		n := &u.steps[i].numbers
		n.text, n.ends = u.text.put(n.text), u.ends.put(n.ends)
	}
}

// inOrder yields the edits of a family's text, or its protobuf, in key order. They
// are valid until the next one. It sorts numbers, of a group's rank and its edit's
// place, since edits are large; if there is an edit for most steps, it puts them
// in their places instead.
func (s *State) inOrder(edits []edit, templates []templateEdit) iter.Seq[*edit] {
	u := &s.unsettled
	n := len(edits) + len(templates)
	u.inOrder = u.inOrder[:0]
	if 4*n < len(u.steps) {
		for i := range n {
			u.inOrder = append(u.inOrder, uint64(u.rank(i, edits, templates))<<32|uint64(i))
		}
		slices.Sort(u.inOrder)
	} else {
		u.inOrder = slices.Grow(u.inOrder, len(u.steps))[:len(u.steps)]
		for i := range u.inOrder {
			u.inOrder[i] = noEdit
		}
		for i := range n {
			rank := u.rank(i, edits, templates)
			u.inOrder[rank] = uint64(rank)<<32 | uint64(i)
		}
	}
	return func(yield func(*edit) bool) {
		var made edit
		for _, place := range u.inOrder {
			if place == noEdit {
				continue
			}
			e := &made
			if i := int(uint32(place)); i < len(edits) {
				e = &edits[i]
			} else {
				t := templates[i-len(edits)]
				st := &u.steps[place>>32]
				u.made = st.binding.texts[t.family].append(u.made[:0], st.numbers)
				made = edit{st.binding.members[t.family].meta, st.group, u.made, st.digest}
			}
			if !yield(e) {
				return
			}
		}
	}
}

const noEdit = ^uint64(0)

// rank returns the rank of the group that edit i is for.
func (u *unsettled) rank(i int, edits []edit, templates []templateEdit) uint32 {
	if i < len(edits) {
		return edits[i].group.rank
	}
	return u.ranks[templates[i-len(edits)].step]
}

// mergeRecords makes the list of records anew with the next ones.
func (s *State) mergeRecords() {
	if s.place() {
		s.records = slices.Clone(s.records)
		for _, st := range s.unsettled.steps {
			s.records[st.group.place] = st.next
		}
		return
	}
	merged := make([]*record, 0, len(s.records)+len(s.unsettled.steps))
	rest := s.records
	for _, st := range s.unsettled.steps {
		i, found := slices.BinarySearchFunc(rest, st.group, func(r *record, g *group) int { return compareGroups(r.group, g) })
		merged = append(merged, rest[:i]...)
		if found {
			i++
		}
		if st.next != nil {
			merged = append(merged, st.next)
		}
		s.placed = s.placed && st.stays()
		rest = rest[i:]
	}
	s.records = append(merged, rest...)
}

// settleGroups puts the fragments of all groups into the sequences.
func (s *State) settleGroups() {
	text, proto := s.text.edit(), s.proto.edit()
	for _, f := range s.unsettled.touched {
		for e := range s.inOrder(f.pending.text, f.pending.templates) {
			text.of(f.hidden).edit(e)
		}
		m := proto.of(f.hidden)
		f.size -= m.growth
		for e := range s.inOrder(f.pending.proto, nil) {
			m.edit(e)
		}
		f.size += m.growth
		*f.pending = pending{} // others need the memory
	}
	s.text, s.proto = text.result(), proto.result()
}

// settleTwins looks again for equal series of the changed groups.
func (s *State) settleTwins() {
	for _, st := range s.unsettled.steps {
		if !st.retime {
			s.forgetTwins(st.group)
		}
	}
	for _, st := range s.unsettled.steps {
		if st.next != nil && !st.retime {
			s.findTwins(st.group)
		}
	}
}

// settleHeaders puts the headers into the sequences. A protobuf header has the
// size of all groups in it.
func (s *State) settleHeaders() {
	text, proto := s.text.edit(), s.proto.edit()
	for _, f := range s.unsettled.touched {
		s.rescan(f)
		head, changed := f.nextHead()
		header := func(text []byte) *edit {
			if f.groups == 0 {
				text = nil
			}
			return &edit{meta: head, text: text}
		}
		if changed {
			text.of(f.hidden).edit(header(appendTextHeader(nil, head)))
		}
		if s.hasProto {
			proto.of(f.hidden).edit(header(appendProtoHeader(nil, head, f.size)))
		}
		f.head = head
	}
	s.text, s.proto = text.result(), proto.result()
}

// settleClashes moves families between the exposition and what is hidden.
func (s *State) settleClashes() {
	text, proto := s.text.edit(), s.proto.edit()
	hidden := slices.Clone(s.hidden)
	for _, f := range s.unsettled.touched {
		hide := f.groups > 0 && s.clashes(f)
		if hide == f.hidden {
			continue
		}
		text.move(f.name, *s.text.of(f.hidden), f.hidden)
		proto.move(f.name, *s.proto.of(f.hidden), f.hidden)
		i, found := slices.BinarySearch(hidden, f.name)
		if found {
			hidden = slices.Delete(hidden, i, i+1)
		} else {
			hidden = slices.Insert(hidden, i, f.name)
		}
		f.hidden = hide
	}
	s.text, s.proto = text.result(), proto.result()
	s.hidden = hidden
}

// editing makes the next form of a rendering. Its mergers get the families by
// name.
type editing struct {
	shown, hidden *merger
}

func (r *rendering) edit() editing {
	return editing{newMerger(r.shown), newMerger(r.hidden)}
}

func (e editing) of(hidden bool) *merger {
	if hidden {
		return e.hidden
	}
	return e.shown
}

// move takes a family, which is in the sequence q, to the other one.
func (e editing) move(name string, q sequence, hidden bool) {
	for entry, text := range q.family(name) {
		e.of(hidden).edit(&edit{meta: entry.meta, group: entry.group})
		e.of(!hidden).edit(&edit{meta: entry.meta, group: entry.group, text: text})
	}
}

func (e editing) result() rendering {
	return rendering{e.shown.result(), e.hidden.result()}
}
