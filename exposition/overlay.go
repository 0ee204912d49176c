package exposition

import (
	"slices"
	"strings"
)

// overlay makes another sequence of a snapshot's: it collects the edits.
type overlay struct {
	base     sequence
	protobuf bool
	edits    []edit
}

// result returns the base with the edits. They must name each entry once.
func (o *overlay) result() sequence {
	slices.SortFunc(o.edits, compareEdits)
	return o.base.apply(o.edits)
}

// render returns an edit that puts the metrics, whose labels stand as they
// are, into a family.
func (o *overlay) render(head *meta, g *group, metrics []Metric) edit {
	f := Family{Name: head.name, Type: head.typ, Metrics: metrics}
	if o.protobuf {
		return edit{meta: head, group: g, text: appendProto([]byte{}, &f, nil)}
	}
	return edit{meta: head, group: g, text: appendText([]byte{}, &f, nil)}
}

// remove takes a family out.
func (o *overlay) remove(name string) {
	for e := range o.base.family(name) {
		o.edits = append(o.edits, edit{meta: e.meta, group: e.group})
	}
}

// put sets the header of a family, and the given fragments. The family's other
// fragments stay.
func (o *overlay) put(head *meta, fragments []edit) {
	size := 0
	put := make(map[*group]bool, len(fragments))
	for _, e := range fragments {
		put[e.group] = true
		size += len(e.text)
	}
	for e, text := range o.base.family(head.name) {
		if e.group != nil && !put[e.group] {
			size += len(text)
		}
	}
	header := appendTextHeader
	if o.protobuf {
		header = func(dst []byte, m *meta) []byte { return appendProtoHeader(dst, m, size) }
	}
	o.edits = append(o.edits, edit{meta: head, text: header(nil, head)})
	o.edits = append(o.edits, fragments...)
}

// rivals returns the names of the base's families that may not stand beside a
// family of that name and type: one of its own name and another type, and
// those with which it collides by a suffix.
func (o *overlay) rivals(name string, t Type) []string {
	var rivals []string
	if m := o.base.head(name); m != nil && m.typ != t {
		rivals = append(rivals, name)
	}
	for _, claimed := range exposedNames(name, t) {
		if claimed != name && o.base.head(claimed) != nil {
			rivals = append(rivals, claimed)
		}
		for _, suffix := range suffixes(Histogram) { // summaries have no others
			owner, ok := strings.CutSuffix(claimed, suffix)
			if !ok || owner == name {
				continue
			}
			if m := o.base.head(owner); m != nil && slices.Contains(suffixes(m.typ), suffix) {
				rivals = append(rivals, owner)
			}
		}
	}
	return rivals
}

// Merged returns the exposition with the gateway's own families merged in.
// Their labels stand as they are, without an instance; none may have the label
// job, which all pushed series have. Where a pushed family has the name of an
// own one, HELP is the own one's; if its type is another, or names collide by
// a suffix, the pushed family is left out. The error is ErrNoProtobuf.
func (s *Snapshot) Merged(enc Encoding, own []Family) (*Exposition, error) {
	plain := enc
	plain.Gzip = false
	pushed, err := s.Exposition(plain)
	if err != nil {
		return nil, err
	}
	o := overlay{base: pushed.leaves, protobuf: enc.Protobuf}
	first := &group{} // its empty key sorts before all others
	removed := map[string]bool{}
	for _, f := range own {
		for _, rival := range o.rivals(f.Name, f.Type) {
			if !removed[rival] {
				removed[rival] = true
				o.remove(rival)
			}
		}
	}
	o.base, o.edits = o.result(), nil
	for _, f := range own {
		if len(f.Metrics) == 0 {
			continue
		}
		head := &meta{name: f.Name, help: f.Help, unit: f.Unit, typ: f.Type}
		if m := o.base.head(f.Name); m != nil && head.help == "" {
			head.help = m.help
		}
		o.put(head, []edit{o.render(head, first, f.Metrics)})
	}
	return newExposition(o.result(), enc), nil
}
