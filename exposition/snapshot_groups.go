package exposition

import (
	"iter"
	"slices"
	"sort"
	"strings"
	"time"
)

// GroupView is a group of a Snapshot. It costs nothing but what is asked for.
type GroupView struct{ record *record }

// At returns the group at a place from 0 to Len()-1. They are in key order.
func (s *Snapshot) At(i int) GroupView { return GroupView{s.records[i]} }

// Search returns the place of the first group whose key does not come before key.
func (s *Snapshot) Search(key GroupingKey) int {
	return sort.Search(len(s.records), func(i int) bool { return s.records[i].group.key.Compare(key) >= 0 })
}

// SkipJob returns the place after the group at a place and those with the same job
// that follow it. A group without other labels can stand apart from the others of
// its job, before them.
func (s *Snapshot) SkipJob(i int) int {
	job := s.At(i).Job()
	same := func(i int) bool { return i < len(s.records) && s.At(i).Job() == job }
	// They are mostly few, so that steps are small at first.
	last, step := i, 1
	for same(last + step) {
		last, step = last+step, 2*step
	}
	return last + 1 + sort.Search(step-1, func(n int) bool { return !same(last + 1 + n) })
}

// Key returns the grouping key.
func (g GroupView) Key() GroupingKey { return g.record.group.key }

// Job returns the job.
func (g GroupView) Job() string {
	job, _, _ := strings.Cut(g.record.group.key.canonical, separator)
	return job
}

// Compare orders groups by their keys.
func (g GroupView) Compare(other GroupView) int {
	return compareGroups(g.record.group, other.record.group)
}

// Contains reports whether the value of a grouping label contains the text, which
// is in lower case, in whatever case.
func (g GroupView) Contains(text string) bool {
	key := &g.record.group.key
	// Most do not, and that is found out at once: other things are in there, too.
	return strings.Contains(strings.ToLower(key.canonical), text) &&
		slices.ContainsFunc(key.labels, func(l Label) bool { return strings.Contains(strings.ToLower(l.Value), text) })
}

// PushTime is that of a Group.
func (g GroupView) PushTime() time.Time { return g.record.pushTime }

// PushFailureTime is that of a Group.
func (g GroupView) PushFailureTime() time.Time { return g.record.pushFailureTime }

// FamilyNames yields the names of the families that were pushed, sorted.
func (g GroupView) FamilyNames() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, m := range g.record.members {
			if !isPushTime(m.meta.name) && !yield(m.meta.name) {
				return
			}
		}
	}
}

// Summary describes the group.
func (g GroupView) Summary() GroupSummary {
	r := g.record
	summary := GroupSummary{Key: r.group.key, PushTime: r.pushTime, PushFailureTime: r.pushFailureTime}
	summary.Families = make([]FamilySummary, 0, len(r.members))
	for _, m := range r.members {
		if !isPushTime(m.meta.name) {
			summary.Families = append(summary.Families, FamilySummary{m.meta.name, m.meta.typ, m.meta.help, int(m.metrics)})
		}
	}
	return summary
}
