package exposition

import (
	"cmp"
	"slices"

	"github.com/prometheus/common/model"
)

// Claim says that a name is exposed by a family of that type. A histogram h
// claims h, h_bucket, h_count and h_sum; a summary s claims s, s_count and
// s_sum; any other family its own name.
type Claim struct {
	Name, Owner string
	Type        Type
}

// Claims returns the claims of a family.
func Claims(f Family) []Claim { return AppendClaims(nil, &f) }

// AppendClaims appends the claims of a family.
func AppendClaims(dst []Claim, f *Family) []Claim {
	dst = append(dst, Claim{f.Name, f.Name, f.Type})
	for _, suffix := range suffixes(f.Type) {
		dst = append(dst, Claim{f.Name + suffix, f.Name, f.Type})
	}
	return dst
}

// exposedNames returns the names that a family claims, its own first.
func exposedNames(name string, t Type) []string {
	names := []string{name}
	for _, suffix := range suffixes(t) {
		names = append(names, name+suffix)
	}
	return names
}

// join counts a member in its family.
func (b *batch) join(m member) {
	f := m.meta.family
	f.groups++
	f.size += m.size
	if m.flawed {
		f.flaws++
	}
	f.types[m.meta.typ]++
	if f.types[m.meta.typ] == 1 && !isPushTime(f.name) {
		b.claim(f, m.meta.typ)
	}
}

// leave is the inverse of join.
func (b *batch) leave(m member) {
	f := m.meta.family
	f.groups--
	f.size -= m.size
	if m.flawed {
		f.flaws--
	}
	f.types[m.meta.typ]--
	if f.types[m.meta.typ] == 0 && !isPushTime(f.name) {
		b.unclaim(f, m.meta.typ)
	}
}

func (b *batch) claim(f *family, t Type) {
	names := b.state.names
	for _, name := range exposedNames(f.name, t) {
		names[name] = append(names[name], Claim{name, f.name, t})
		b.touchOwners(name)
	}
}

func (b *batch) unclaim(f *family, t Type) {
	names := b.state.names
	for _, name := range exposedNames(f.name, t) {
		b.touchOwners(name)
		rest := slices.DeleteFunc(names[name], func(c Claim) bool { return c.Owner == f.name && c.Type == t })
		if len(rest) == 0 {
			delete(names, name)
		} else {
			names[name] = rest
		}
	}
}

func (b *batch) touchOwners(name string) {
	for _, c := range b.state.names[name] {
		b.touch(b.state.families[c.Owner])
	}
}

// clashes reports whether a family must be hidden: it exposes equal series, or
// another claim to one of its names exists, be it its own of another type.
func (s *State) clashes(f *family) bool {
	if f.flaws > 0 {
		return true
	}
	for t, n := range f.types {
		if n == 0 {
			continue
		}
		for _, name := range exposedNames(f.name, Type(t)) {
			if len(s.names[name]) > 1 {
				return true
			}
		}
	}
	return false
}

// flawed reports whether a group's family alone cannot be exposed: two of its
// series would be equal, or two labels of a series would have the same name.
func flawed(f *Family, key GroupingKey) bool {
	reserved := ""
	switch {
	case f.Type == Summary:
		reserved = model.QuantileLabel
	case f.Type.isHistogram():
		reserved = model.BucketLabel
	}
	if reserved != "" && hasLabel(key.labels, reserved) {
		return true
	}
	for i := range f.Metrics {
		m := &f.Metrics[i]
		if hasRepeats(m.Labels, func(x, y Label) int { return cmp.Compare(x.Name, y.Name) }) ||
			reserved != "" && (hasLabel(m.Labels, reserved) || repeatsBound(f.Type, m)) {
			return true
		}
	}
	return hasRepeats(f.Metrics, func(x, y Metric) int { return compareLabels(x.Labels, y.Labels) })
}

func hasLabel(labels []Label, name string) bool {
	_, ok := lookup(labels, name)
	return ok
}

// repeatsBound reports whether a metric has two lines of the same le or
// quantile.
func repeatsBound(t Type, m *Metric) bool {
	if t == Summary {
		return m.Summary != nil &&
			hasRepeats(m.Summary.Quantiles, func(x, y Quantile) int { return cmp.Compare(x.Quantile, y.Quantile) })
	}
	return m.Histogram != nil &&
		hasRepeats(m.Histogram.Buckets, func(x, y Bucket) int { return cmp.Compare(x.UpperBound, y.UpperBound) })
}

// hasRepeats reports whether two elements are equal. It is cheap if they are
// sorted.
func hasRepeats[E any](elements []E, compare func(x, y E) int) bool {
	sorted := true
	for i := 1; i < len(elements) && sorted; i++ {
		sorted = compare(elements[i-1], elements[i]) < 0
	}
	if sorted {
		return false
	}
	elements = slices.SortedFunc(slices.Values(elements), compare)
	for i := 1; i < len(elements); i++ {
		if compare(elements[i-1], elements[i]) == 0 {
			return true
		}
	}
	return false
}
