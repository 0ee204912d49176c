// Package rows is what the rows of all databases have in common.
package rows

import (
	"bytes"
	"fmt"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// The outcomes of requests.
const (
	Accepted = "accepted"
	Rejected = "rejected"
)

// Outcome is how the outcome of a request is stored.
func Outcome(accepted bool) string {
	if accepted {
		return Accepted
	}
	return Rejected
}

// Labels is a grouping key's labels as JSON.
func Labels(k exposition.GroupingKey) string {
	return string(k.AppendJSON(nil))
}

// Key reads what Labels returned.
func Key(labels []byte) (exposition.GroupingKey, error) {
	k, err := exposition.DecodeGroupingKey(labels)
	if err != nil {
		return k, fmt.Errorf("read labels: %w", err)
	}
	return k, nil
}

// Decoder reads rows of push_group into memory that it can use again. The zero
// value is ready.
type Decoder struct {
	exposition.Decoder
	// Keys are known, if not nil, and need not be read again.
	Keys exposition.Keys
}

// Group reads a row but for its times. The group is valid until Reset is called.
func (d *Decoder) Group(key, labels, families []byte) (exposition.Group, error) {
	var g exposition.Group
	var err error
	if g.Key, err = d.key(key, labels); err != nil {
		return g, err
	}
	if err = d.DecodeGroup(&g, families); err != nil {
		return g, fmt.Errorf("read families: %w", err)
	}
	return g, nil
}

// key returns the key that has the digest and the labels.
func (d *Decoder) key(digest, labels []byte) (exposition.GroupingKey, error) {
	if d.Keys != nil && len(digest) == len(exposition.Digest{}) {
		if k, ok := d.Keys(exposition.Digest(digest)); ok && k.HasJSON(labels) {
			return k, nil
		}
	}
	k, err := Key(labels)
	if err != nil {
		return k, err
	}
	if d := k.Digest(); !bytes.Equal(d[:], digest) {
		return k, fmt.Errorf("the key is not that of the labels %s", k)
	}
	return k, nil
}

// A part of a catch-up has at most so many groups, and about so many bytes.
const (
	partGroups = 100
	partBytes  = 8 << 20
)

// Parts passes what happened to groups on, in parts of bounded size, which use
// the same memory one after the other.
type Parts struct {
	// Apply gets the parts.
	Apply func(exposition.Change)
	// Decoder is what the groups are read with.
	Decoder Decoder

	next  exposition.Change
	bytes int // as stored
}

// NewParts returns parts whose groups are packed if they have one of the layouts.
// Keys may be nil.
func NewParts(layouts *exposition.Layouts, keys exposition.Keys, apply func(exposition.Change)) Parts {
	return Parts{Apply: apply, Decoder: Decoder{exposition.Decoder{Layouts: layouts}, keys}}
}

// Reset makes the first part forget all groups.
func (p *Parts) Reset() { p.next.Reset = true }

// Add adds a group that had so many bytes in the database.
func (p *Parts) Add(g exposition.Group, size int) {
	p.next.Groups = append(p.next.Groups, g)
	p.bytes += size
	if len(p.next.Groups) == partGroups || p.bytes >= partBytes {
		p.Pass()
	}
}

// Remove adds a group that is gone.
func (p *Parts) Remove(key exposition.Digest) { p.next.Deleted = append(p.next.Deleted, key) }

// Pass passes on what there is, if anything.
func (p *Parts) Pass() {
	if p.next.Reset || len(p.next.Groups)+len(p.next.Deleted) > 0 {
		p.Apply(p.next)
	}
	p.next = exposition.Change{Groups: p.next.Groups[:0], Deleted: p.next.Deleted[:0]}
	p.bytes = 0
	p.Decoder.Reset()
}
