package exposition

import (
	"cmp"
	"iter"
	"sort"
	"sync/atomic"
)

// leafSize is the mean size of a leaf's text. A smaller one makes changes
// cheaper, a larger one compresses better and takes less memory.
const leafSize = 4 << 10

// sequence is an exposition: what is rendered of each family in each group,
// ordered by family name and grouping key, cut into leaves. It is immutable;
// an edited sequence shares the leaves that no edit touched.
//
// Whether an entry starts a leaf depends on nothing but the entry. Equal
// entries are therefore cut alike, whatever the order in which they came, and
// replicas agree even in the compressed bytes.
type sequence []*leaf

// leaf is a part of a sequence. Its bytes are held once: entries are ends in
// them.
type leaf struct {
	text    []byte
	entries []entry // at least one
	packed  atomic.Pointer[deflated]
}

// entry is a family's header, which has no group, or what one group exposes of
// the family. A header has the family's meta in force, another entry may have
// any that the family had.
type entry struct {
	meta  *meta
	group *group
	end   uint32 // of its text in the leaf
}

// edit puts an entry into a sequence, or removes it if text is nil.
type edit struct {
	meta  *meta
	group *group
	text  []byte
	// digest is the group's digestStart, if that is at hand, or else 0. The group
	// itself is seldom in the processor's cache.
	digest uint32
}

// compare orders entries: a family's header before its groups.
func (e entry) compare(name string, g *group) int {
	if e.meta.name != name {
		return cmp.Compare(e.meta.name, name)
	}
	return compareGroups(e.group, g)
}

func compareGroups(a, b *group) int {
	switch {
	case a == b:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return a.key.Compare(b.key)
}

func compareEdits(a, b edit) int {
	return entry{meta: a.meta, group: a.group}.compare(b.meta.name, b.group)
}

// start returns where the text of entry i starts.
func (l *leaf) start(i int) uint32 {
	if i == 0 {
		return 0
	}
	return l.entries[i-1].end
}

func (l *leaf) entryText(i int) []byte {
	end := l.entries[i].end
	return l.text[l.start(i):end:end]
}

// search returns the position at or after from of the first entry that does
// not come before the given one, and whether it is that one. It looks near
// from first: when much changes, the next change is not far.
func (l *leaf) search(from int, name string, g *group) (int, bool) {
	to := from
	for step := 1; to < len(l.entries) && l.entries[to].compare(name, g) < 0; step *= 2 {
		from, to = to+1, to+step
	}
	to = min(to, len(l.entries))
	i := from + sort.Search(to-from, func(i int) bool {
		return l.entries[from+i].compare(name, g) >= 0
	})
	return i, i < len(l.entries) && l.entries[i].compare(name, g) == 0
}

// search returns the leaf that has the entry or would get it. The sequence
// must not be empty.
func (q sequence) search(name string, g *group) int {
	after := sort.Search(len(q), func(i int) bool { return q[i].entries[0].compare(name, g) > 0 })
	return max(after-1, 0)
}

// find returns the text of an entry, or nil.
func (q sequence) find(name string, g *group) []byte {
	if len(q) == 0 {
		return nil
	}
	l := q[q.search(name, g)]
	if i, ok := l.search(0, name, g); ok {
		return l.entryText(i)
	}
	return nil
}

// head returns the meta of a family's header, or nil if the family is not in
// the sequence.
func (q sequence) head(name string) *meta {
	for e := range q.family(name) {
		if e.group != nil {
			break
		}
		return e.meta
	}
	return nil
}

// family yields the entries of a family, its header first.
func (q sequence) family(name string) iter.Seq2[entry, []byte] {
	return func(yield func(entry, []byte) bool) {
		if len(q) == 0 {
			return
		}
		first := q.search(name, nil)
		i, _ := q[first].search(0, name, nil)
		for _, l := range q[first:] {
			for ; i < len(l.entries); i++ {
				if l.entries[i].meta.name != name || !yield(l.entries[i], l.entryText(i)) {
					return
				}
			}
			i = 0
		}
	}
}

// headers yields the metas of all families, by name.
func (q sequence) headers() iter.Seq[*meta] {
	return func(yield func(*meta) bool) {
		for _, l := range q {
			for _, e := range l.entries {
				if e.group == nil && !yield(e.meta) {
					return
				}
			}
		}
	}
}

// apply returns the sequence with the edits, which are sorted and name each
// entry once. Leaves in which they change nothing stay as they are.
func (q sequence) apply(edits []edit) sequence {
	m := newMerger(q)
	for i := range edits {
		m.edit(&edits[i])
	}
	return m.result()
}
