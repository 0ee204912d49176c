package exposition

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/common/model"
)

// ErrNoProtobuf says that a snapshot's state does not keep protobuf. See
// [State.EnableProtobuf].
var ErrNoProtobuf = errors.New("protobuf exposition is not rendered")

// Encoding says how an exposition is written.
type Encoding struct {
	Protobuf bool // delimited io.prometheus.client.MetricFamily; otherwise text 0.0.4
	Escaping model.EscapingScheme
	Gzip     bool
}

// Snapshot is the content of a State at one time. It is immutable and safe for
// concurrent use.
type Snapshot struct {
	text, proto sequence
	hasProto    bool
	foreign     bool
	records     []*record
	hidden      []string
	stats       func() Stats

	mu       sync.Mutex
	prepared map[Encoding]*Exposition
}

// GroupSummary describes a group.
type GroupSummary struct {
	Key                       GroupingKey
	PushTime, PushFailureTime time.Time
	// Families are those that were pushed, by name.
	Families []FamilySummary
}

// FamilySummary describes a family of a group.
type FamilySummary struct {
	Name    string
	Type    Type
	Help    string
	Metrics int
}

// Stats describes the text exposition, without escaping.
type Stats struct {
	Groups   int
	Families int // exposed ones, with the two of push times
	Series   int // exposed samples
	Bytes    int
	// HiddenFamilies are the families that a clash keeps out of the
	// exposition, sorted.
	HiddenFamilies []string
}

func newSnapshot(s *State) *Snapshot {
	snapshot := &Snapshot{
		text:     s.text.shown,
		proto:    s.proto.shown,
		hasProto: s.hasProto,
		foreign:  s.foreign > 0,
		records:  s.records,
		hidden:   s.hidden,
	}
	snapshot.stats = sync.OnceValue(snapshot.count)
	return snapshot
}

// HasProtobuf reports whether the snapshot can be written as protobuf.
func (s *Snapshot) HasProtobuf() bool { return s.hasProto }

// Exposition returns the exposition of all groups: families by name, groups by
// key. It is made once for each encoding. The error is ErrNoProtobuf.
func (s *Snapshot) Exposition(enc Encoding) (*Exposition, error) {
	if enc.Protobuf && !s.hasProto {
		return nil, ErrNoProtobuf
	}
	if !s.foreign {
		enc.Escaping = model.NoEscaping
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.prepare(enc), nil
}

// prepare returns the exposition, which is not compressed yet. The caller holds
// s.mu.
func (s *Snapshot) prepare(enc Encoding) *Exposition {
	e := s.prepared[enc]
	if e == nil {
		e = newExposition(s.leaves(enc), enc)
		if s.prepared == nil {
			s.prepared = map[Encoding]*Exposition{}
		}
		s.prepared[enc] = e
	}
	return e
}

// leaves returns the exposition's leaves. The caller holds s.mu.
func (s *Snapshot) leaves(enc Encoding) sequence {
	q := s.text
	if enc.Protobuf {
		q = s.proto
	}
	switch {
	case enc.Escaping == model.NoEscaping:
		return q
	case enc.Gzip:
		enc.Gzip = false
		return s.prepare(enc).leaves
	}
	return s.escape(q, enc)
}

// WriteExposition writes the exposition. It returns an error of w, or
// ErrNoProtobuf.
func (s *Snapshot) WriteExposition(w io.Writer, enc Encoding) error {
	e, err := s.Exposition(enc)
	if err != nil {
		return err
	}
	return e.Write(w)
}

// Len returns the number of groups.
func (s *Snapshot) Len() int { return len(s.records) }

// Groups returns all groups, in key order.
func (s *Snapshot) Groups() []GroupSummary {
	groups := make([]GroupSummary, s.Len())
	for i := range groups {
		groups[i] = s.At(i).Summary()
	}
	return groups
}

// Hidden returns the names of the families that a clash keeps out of the
// exposition, sorted. The caller must not change it.
func (s *Snapshot) Hidden() []string { return s.hidden }

// Stats returns the size of the exposition.
func (s *Snapshot) Stats() Stats {
	stats := s.stats()
	stats.HiddenFamilies = slices.Clone(stats.HiddenFamilies)
	return stats
}

func (s *Snapshot) count() Stats {
	stats := Stats{Groups: len(s.records), HiddenFamilies: s.hidden}
	for _, l := range s.text {
		stats.Bytes += len(l.text)
		stats.Series += bytes.Count(l.text, []byte{'\n'})
	}
	for m := range s.text.headers() {
		stats.Families++
		stats.Series--
		if m.help != "" {
			stats.Series--
		}
	}
	return stats
}
