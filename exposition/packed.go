package exposition

import "slices"

// packed is what a group has in place of families if its JSON has a known layout.
type packed struct {
	layout  *layout
	numbers numbers // those in the JSON
	json    []byte
}

// DecodeGroup decodes the families of a group, whose key it has. If the decoder
// has Layouts, the group may be packed instead: then it has no Families, but a
// State takes it, and at a fraction of the price. What the group gets is valid
// until Reset is called. The errors are those of [DecodeFamilies].
func (d *Decoder) DecodeGroup(g *Group, data []byte) (err error) {
	if d.Layouts == nil {
		g.Families, err = d.DecodeFamilies(data)
		return err
	}
	candidates := d.Layouts.of(g.Key.Job())
	for i, l := range candidates {
		if l != nil && (i == 0 || l != candidates[0]) && g.Key.hasShape(l.shape) && d.pack(g, l, data) {
			d.Layouts.hit(l)
			return nil
		}
	}
	if g.Families, err = d.DecodeFamilies(data); err == nil {
		d.Layouts.learn(g.Key, g.Families, len(data))
	}
	return err
}

// pack packs a group if its JSON has the layout.
func (d *Decoder) pack(g *Group, l *layout, data []byte) bool {
	n := &d.numbers
	n.text, n.ends = n.text[:0], n.ends[:0]
	if !l.cut(n, data) {
		return false
	}
	g.packed = packed{l, numbers{d.packedText.put(n.text), d.packedEnds.put(n.ends)}, d.packedText.put(data)}
	return true
}

// Unpack gives a packed group its Families. It does nothing to other groups.
func (g *Group) Unpack() {
	if g.packed.layout != nil {
		g.Families, g.packed = g.unpacked(), packed{}
	}
}

// unpacked returns the group's families, packed or not.
func (g *Group) unpacked() []Family {
	if g.packed.layout == nil {
		return g.Families
	}
	families, err := DecodeFamilies(g.packed.json)
	if err != nil {
		panic(err) // it has a layout
	}
	return families
}

// bindings are what layouts mean in a State.
type bindings struct {
	of   map[*layout]*binding
	last *binding
}

// binding is what a layout means in a State: the members that groups have whose
// layout it is.
type binding struct {
	*layout
	members []member
}

// staysPacked reports whether a group that is packed needs not be unpacked: in a
// job of several shapes it may be the shadow of another one.
func (g *group) staysPacked(content *Group) bool {
	return content.packed.layout != nil && len(g.job.shapes) == 1
}

// bind returns what the layout of a group with that key means.
func (s *State) bind(l *layout, key GroupingKey) *binding {
	b := &s.bindings
	if b.last != nil && b.last.layout == l {
		return b.last
	}
	bound := b.of[l]
	if bound == nil {
		bound = &binding{layout: l}
		for i := range l.families {
			bound.members = append(bound.members, s.family(l.families[i].Name).member(&l.families[i], key))
		}
		if b.of == nil || len(b.of) == maxBindings {
			b.of = map[*layout]*binding{}
		}
		b.of[l] = bound
	}
	b.last = bound
	return bound
}

// maxBindings is how many layouts a State remembers.
const maxBindings = 256

// fill makes the next record of a packed group and the edits of its fragments.
func (b *batch) fill(st *step, content *Group, place int) {
	s := b.state
	n := &b.numbers
	n.text = append(n.text[:0], content.packed.numbers.text...)
	n.ends = append(n.ends[:0], content.packed.numbers.ends...)
	for _, t := range [...]float64{unixSeconds(content.PushTime), unixSeconds(content.PushFailureTime)} {
		n.text = appendNumber(n.text, t)
		n.end()
	}
	for _, label := range content.Key.labels {
		n.text = appendEscaped(n.text, label.Value)
		n.end()
	}
	st.binding = s.bind(content.packed.layout, content.Key)
	st.numbers = numbers{s.unsettled.text.put(n.text), s.unsettled.ends.put(n.ends)}

	members := st.binding.members
	if old := st.old; old != nil && slices.Equal(old.members, members) {
		members = old.members
	}
	st.next = &record{group: st.group, pushTime: content.PushTime, pushFailureTime: content.PushFailureTime, members: members}
	for i := range members {
		p := s.touch(members[i].meta.family)
		p.templates = append(p.templates, templateEdit{uint32(place), uint32(i)})
	}
	if s.hasProto {
		// The layout has no binary form: lengths stand before what they are of.
		families := b.exposed(content)
		for i := range families {
			b.protoFragment(members[i].meta, st.group, &families[i])
		}
	}
}

func sameSlice[E any](a, b []E) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
