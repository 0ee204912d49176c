package repository

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// folded is what the ops of one commit make of one group.
type folded struct {
	change   GroupChange
	of       *op                 // whose families these are, if they are one's
	families []exposition.Family // otherwise
}

// fold adds an op to what earlier ops of the commit make of its group.
func (f *folded) fold(o *op) {
	c := &f.change
	c.Times = nil
	switch {
	case o.Method == Delete:
		*f = folded{change: GroupChange{Key: c.Key, Delete: true, Reset: true}}
		return
	case o.refusal() != nil:
		c.Failed = true
	case o.Times != nil:
		c.Times, c.Reset, c.Cleared = o.Times, true, nil
		c.Pushed, c.Failed = !o.Times.Pushed.IsZero(), !o.Times.Failed.IsZero()
		f.of = o
	case o.Method == Put:
		c.Pushed, c.Replace, c.Cleared = true, true, nil
		f.of = o
	default:
		c.Pushed = true
		f.merge(o)
	}
	c.Delete = false
}

func (f *folded) merge(o *op) {
	if len(f.all()) == 0 {
		f.of = o
	} else {
		o.unpack()
		f.families, f.of = mergeFamilies(f.all(), o.Families), nil
	}
	if f.change.Replace {
		return // what is not in families is gone anyway
	}
	f.change.Cleared = slices.DeleteFunc(append(f.change.Cleared, o.cleared...), func(name string) bool {
		return slices.ContainsFunc(f.all(), func(g exposition.Family) bool { return g.Name == name })
	})
}

// all returns the families.
func (f *folded) all() []exposition.Family {
	if f.of == nil {
		return f.families
	}
	f.of.unpack()
	return f.of.kept
}

// finish returns the change with all that is to be stored.
func (f *folded) finish() GroupChange {
	c := f.change
	if f.of != nil {
		c.Families, c.FamilySet = f.of.stored, f.of.familySet()
	} else {
		c.Families, c.FamilySet = exposition.AppendFamilies(nil, f.families), exposition.FamilySet(f.families)
	}
	return c
}

// mergeFamilies is what a POST of posted makes of old: families of the same
// name are replaced, or removed when the posted one has no metrics. The result
// is sorted by name.
func mergeFamilies(old, posted []exposition.Family) []exposition.Family {
	byName := func(name string) func(exposition.Family) bool {
		return func(f exposition.Family) bool { return f.Name == name }
	}
	merged := slices.DeleteFunc(slices.Clone(old), func(f exposition.Family) bool {
		return slices.ContainsFunc(posted, byName(f.Name))
	})
	for _, f := range posted {
		if len(f.Metrics) > 0 {
			merged = append(merged, f)
		}
	}
	slices.SortFunc(merged, func(a, b exposition.Family) int { return cmp.Compare(a.Name, b.Name) })
	return merged
}

// foldAll folds the ops to one change per group, sorted by the keys' digests,
// and one history row per op that is not silent.
func foldAll(ops []*op) ([]GroupChange, []HistoryRow) {
	groups := make(map[exposition.Digest]*folded, len(ops))
	sorted := make([]*folded, 0, len(ops))
	rows := make([]HistoryRow, 0, len(ops))
	for _, o := range ops {
		f := groups[o.Key.Digest()]
		if !o.Silent {
			rows = append(rows, o.row(f))
		}
		if o.traceless() {
			continue
		}
		if f == nil {
			f = &folded{change: GroupChange{Key: o.Key}}
			groups[o.Key.Digest()] = f
			sorted = append(sorted, f)
		}
		f.fold(o)
	}
	slices.SortFunc(sorted, func(a, b *folded) int {
		x, y := a.change.Key.Digest(), b.change.Key.Digest()
		return bytes.Compare(x[:], y[:])
	})
	changes := make([]GroupChange, len(sorted))
	for i, f := range sorted {
		changes[i] = f.finish()
	}
	return changes, rows
}

// row is the op's history row; before is what earlier ops of the commit make
// of its group, or nil.
func (o *op) row(before *folded) HistoryRow {
	row := HistoryRow{Request: o.Request, Key: o.Key, Accepted: o.refusal() == nil, Series: o.series, Affected: 1, Families: o.pushed, Success: o.success}
	switch {
	case o.refusal() != nil:
		row.Reason, row.Success = o.refusal().Error(), nil
		if o.traceless() {
			row.Affected = 0
		}
	case o.Method == Delete && before == nil:
		row.Affected = AsExists
	case o.Method == Delete && before.change.Delete:
		row.Affected = 0
	}
	return row
}
