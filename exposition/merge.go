package exposition

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sort"
)

// merger makes a sequence of another one and of edits, which come in order.
type merger struct {
	builder
	source sequence
	rest   sequence // of the source, from the leaf on that the last edit was about
	at     int      // where in that leaf the next edit may be
	from   int      // what is before it in that leaf is copied, or left out
	// changed says that the leaf does not stay as it is.
	changed bool
	edited  bool // something has changed
	growth  int  // how many bytes longer the result is than what has been passed
}

func newMerger(q sequence) *merger {
	return &merger{rest: q, source: q}
}

// result ends the merger.
func (m *merger) result() sequence {
	if !m.edited {
		return m.source
	}
	if len(m.rest) > 0 {
		m.endLeaf()
		m.keep(m.rest)
	}
	m.close()
	return m.leaves
}

// edit makes an edit, which comes after all earlier ones.
func (m *merger) edit(e *edit) {
	found := false
	if len(m.rest) > 0 {
		if found = m.isNext(e); !found {
			m.seek(e)
			m.at, found = m.rest[0].search(m.at, e.meta.name, e.group)
		}
		l := m.rest[0]
		if !isChange(l, m.at, found, e) {
			if found {
				m.at++
			}
			return
		}
		m.copy(l, m.from, m.at)
		m.from, m.changed = m.at, true
		if found {
			m.growth -= len(l.entryText(m.at))
			m.from++
			m.at++
		}
	}
	if e.text != nil {
		m.growth += len(e.text)
		m.add(e)
	}
	m.edited = true
}

// isNext goes on to the edit's entry if that is the next one, as it mostly is when
// much changes: then there is nothing to look for.
func (m *merger) isNext(e *edit) bool {
	if m.at < len(m.rest[0].entries) {
		return m.rest[0].entries[m.at].isOf(e)
	}
	if len(m.rest) == 1 || !m.rest[1].entries[0].isOf(e) {
		return false
	}
	m.endLeaf()
	return true
}

// isOf reports whether it is the edit's entry.
func (e *entry) isOf(of *edit) bool { return e.group == of.group && e.meta.name == of.meta.name }

// isChange reports whether an edit changes a leaf in which its entry is
// found at a position, or else would get there.
func isChange(l *leaf, at int, found bool, e *edit) bool {
	if !found || e.text == nil {
		return found || e.text != nil
	}
	return !bytes.Equal(l.entryText(at), e.text) || e.group == nil && *e.meta != *l.entries[at].meta
}

// seek goes on to the leaf that has the entry or would get it.
func (m *merger) seek(e *edit) {
	beyond := func(i int) bool { return m.rest[i].entries[0].compare(e.meta.name, e.group) > 0 }
	if len(m.rest) == 1 || beyond(1) {
		return
	}
	next := sort.Search(len(m.rest)-2, func(i int) bool { return beyond(i + 2) }) + 1
	rest := m.rest[next:]
	between := m.rest[1:next]
	m.endLeaf()
	m.keep(between)
	m.rest = rest
}

// endLeaf adds what is left of the leaf.
func (m *merger) endLeaf() {
	l := m.rest[0]
	if m.changed {
		m.copy(l, m.from, len(l.entries))
	} else {
		m.keep(m.rest[:1])
	}
	m.rest, m.at, m.from, m.changed = m.rest[1:], 0, 0, false
}

// builder makes the leaves of a sequence, in order. The last one may be open.
type builder struct {
	leaves  []*leaf
	text    []byte  // of the open leaf
	entries []entry // of the open leaf; none if no leaf is open
	hashed  string  // the last name, whose hash is
	hash    uint32
}

// keep adds leaves unchanged.
func (b *builder) keep(leaves []*leaf) {
	if len(leaves) > 0 {
		b.close()
		b.leaves = append(b.leaves, leaves...)
	}
}

// add adds one entry.
func (b *builder) add(e *edit) {
	digest := e.digest
	if digest == 0 {
		digest = e.group.digestStart()
	}
	b.open(b.startsLeaf(e.meta.name, digest, len(e.text)))
	b.text = append(b.text, e.text...)
	b.entries = append(b.entries, entry{e.meta, e.group, uint32(len(b.text))})
}

// copy adds the entries from i to j of a leaf, of which only its first can
// start a leaf.
func (b *builder) copy(l *leaf, i, j int) {
	if i == j {
		return
	}
	b.open(i == 0 && b.startsLeaf(l.entries[0].meta.name, l.entries[0].group.digestStart(), int(l.entries[0].end)))
	from, to := l.start(i), l.entries[j-1].end
	moved := uint32(len(b.text)) - from // wraps around, as does the sum below
	b.text = append(b.text, l.text[from:to]...)
	b.entries = slices.Grow(b.entries, j-i)
	for _, e := range l.entries[i:j] {
		e.end += moved
		b.entries = append(b.entries, e)
	}
}

// open prepares for an entry: it starts a leaf, or else belongs to the last
// one, even if that was closed.
func (b *builder) open(start bool) {
	switch {
	case start:
		b.close()
	case len(b.entries) == 0 && len(b.leaves) > 0:
		last := b.leaves[len(b.leaves)-1]
		b.leaves = b.leaves[:len(b.leaves)-1]
		b.text = append(b.text, last.text...)
		b.entries = append(b.entries, last.entries...)
	}
}

// close makes a leaf of the open one, in memory of just its size.
func (b *builder) close() {
	if len(b.entries) == 0 {
		return
	}
	b.leaves = append(b.leaves, &leaf{text: bytes.Clone(b.text), entries: slices.Clone(b.entries)})
	b.text, b.entries = b.text[:0], b.entries[:0]
}

// startsLeaf says whether an entry of that size starts a leaf: it does for
// size/leafSize of all names and keys, so that leaves have about leafSize bytes.
func (b *builder) startsLeaf(name string, digest uint32, size int) bool {
	if name != b.hashed {
		b.hashed, b.hash = name, hashName(name)
	}
	hash := b.hash ^ digest
	hash = (hash ^ hash>>16) * 0x85ebca6b // spread the last bytes over all bits
	hash ^= hash >> 13
	return uint64(hash)*leafSize < uint64(size)<<32
}

// digestStart is the start of a group's digest, 0 without a group.
func (g *group) digestStart() uint32 {
	if g == nil {
		return 0
	}
	return binary.LittleEndian.Uint32(g.key.digest[:])
}

// hashName is FNV-1a.
func hashName(name string) uint32 {
	hash := uint32(2166136261)
	for i := range len(name) {
		hash = (hash ^ uint32(name[i])) * 16777619
	}
	return hash
}
