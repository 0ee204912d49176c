package exposition

import (
	"context"
	"strings"
)

// Rivals returns the keys, of the given shapes, of the groups that could expose
// a series that families, or the push times, would have under key: for each
// series and each shape there is one at most. It returns the error of ctx when
// that ends: the cost is the number of series times that of shapes.
func Rivals(ctx context.Context, key GroupingKey, families []Family, shapes []string) ([]GroupingKey, error) {
	search := rivalSearch{seen: map[Digest]bool{key.Digest(): true}}
	for _, shape := range shapes {
		if shape != key.Shape() {
			names := strings.Split(shape, separator)
			search.shapes = append(search.shapes, rivalShape{shape: shape, names: names, last: make([]string, len(names))})
		}
	}
	search.add(key.FinalLabels(nil, nil))
	var final []Label
	for _, f := range families {
		for i, m := range f.Metrics {
			if i%256 == 0 && ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			final = key.FinalLabels(final[:0], m.Labels)
			search.add(final)
		}
	}
	return search.keys, nil
}

type rivalSearch struct {
	shapes []rivalShape
	seen   map[Digest]bool
	keys   []GroupingKey
}

// rivalShape remembers the values of the series looked at last: the series of
// a push mostly have the same ones.
type rivalShape struct {
	shape string
	names []string
	last  []string
	known bool
}

func (s *rivalSearch) add(final []Label) {
	for i := range s.shapes {
		r := &s.shapes[i]
		if !r.changed(final) {
			continue
		}
		if k, ok := Project(r.shape, final); ok && !s.seen[k.Digest()] {
			s.seen[k.Digest()] = true
			s.keys = append(s.keys, k)
		}
	}
}

// changed reports whether the labels have all names of the shape, with other
// values than the last ones that had.
func (r *rivalShape) changed(final []Label) bool {
	for _, name := range r.names {
		if _, ok := lookup(final, name); !ok {
			return false
		}
	}
	changed := !r.known
	for i, name := range r.names {
		v, _ := lookup(final, name)
		changed = changed || v != r.last[i]
		r.last[i] = v
	}
	r.known = true
	return changed
}
