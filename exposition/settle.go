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
		}
	}
	for _, st := range s.unsettled.steps {
		st.group.unsettled = false
	}
	s.unsettled = unsettled{}
}

// order sorts what is unsettled: steps in key order, families by name.
func (s *State) order() {
	steps := s.unsettled.steps
	slices.SortFunc(s.unsettled.touched, func(x, y *family) int { return cmp.Compare(x.name, y.name) })
	slices.SortFunc(steps, func(x, y step) int { return cmp.Compare(x.group.key.canonical, y.group.key.canonical) })
	for i := range steps {
		steps[i].group.rank = uint32(i)
	}
}

// inOrder yields edits in key order. It sorts numbers, of a group's place and its
// edit's, since edits are large.
func (s *State) inOrder(edits []edit) iter.Seq[*edit] {
	places := s.unsettled.places[:0]
	for i := range edits {
		places = append(places, uint64(edits[i].group.rank)<<32|uint64(i))
	}
	s.unsettled.places = places
	slices.Sort(places)
	return func(yield func(*edit) bool) {
		for _, place := range places {
			if !yield(&edits[uint32(place)]) {
				return
			}
		}
	}
}

// mergeRecords makes the list of records anew with the next ones.
func (s *State) mergeRecords() {
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
		rest = rest[i:]
	}
	s.records = append(merged, rest...)
}

// settleGroups puts the fragments of all groups into the sequences.
func (s *State) settleGroups() {
	text, proto := s.text.edit(), s.proto.edit()
	for _, f := range s.unsettled.touched {
		for e := range s.inOrder(f.pending.text) {
			text.of(f.hidden).edit(e)
		}
		m := proto.of(f.hidden)
		f.size -= m.growth
		for e := range s.inOrder(f.pending.proto) {
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
		e.of(!hidden).edit(&edit{entry.meta, entry.group, text})
	}
}

func (e editing) result() rendering {
	return rendering{e.shown.result(), e.hidden.result()}
}
