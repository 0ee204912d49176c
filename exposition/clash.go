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
func (s *State) join(m member) {
	f := m.meta.family
	f.groups++
	if m.flawed {
		f.flaws++
	}
	f.types[m.meta.typ]++
	if f.types[m.meta.typ] == 1 && !isPushTime(f.name) {
		s.claim(f, m.meta.typ)
	}
}

// leave is the inverse of join.
func (s *State) leave(m member) {
	f := m.meta.family
	f.groups--
	if m.flawed {
		f.flaws--
	}
	f.types[m.meta.typ]--
	if f.types[m.meta.typ] == 0 && !isPushTime(f.name) {
		s.unclaim(f, m.meta.typ)
	}
}

func (s *State) claim(f *family, t Type) {
	for _, name := range exposedNames(f.name, t) {
		s.names[name] = append(s.names[name], Claim{name, f.name, t})
		s.touchOwners(name)
	}
}

func (s *State) unclaim(f *family, t Type) {
	for _, name := range exposedNames(f.name, t) {
		s.touchOwners(name)
		rest := slices.DeleteFunc(s.names[name], func(c Claim) bool { return c.Owner == f.name && c.Type == t })
		if len(rest) == 0 {
			delete(s.names, name)
		} else {
			s.names[name] = rest
		}
	}
}

func (s *State) touchOwners(name string) {
	for _, c := range s.names[name] {
		s.touch(s.families[c.Owner])
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
		if repeatsName(m.Labels) ||
			reserved != "" && (hasLabel(m.Labels, reserved) || repeatsBound(f.Type, m)) {
			return true
		}
	}
	return repeatsLabels(f.Metrics)
}

// repeatsName reports whether two of the labels, which are sorted, have one
// name.
func repeatsName(labels []Label) bool {
	for i := 1; i < len(labels); i++ {
		if labels[i-1].Name == labels[i].Name {
			return true
		}
	}
	return false
}

// repeatsLabels reports whether two metrics have the same labels. It is cheap if
// they are sorted.
func repeatsLabels(metrics []Metric) bool {
	for i := 1; i < len(metrics); i++ {
		if compareLabels(metrics[i-1].Labels, metrics[i].Labels) >= 0 {
			labels := make([][]Label, len(metrics))
			for i := range metrics {
				labels[i] = metrics[i].Labels
			}
			return hasRepeats(labels, compareLabels)
		}
	}
	return false
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
