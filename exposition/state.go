package exposition

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// Change is what happened to groups.
type Change struct {
	// Reset forgets all groups before the rest of the change applies.
	Reset bool
	// Groups are new or changed. If a key is there twice, the last one counts.
	Groups []Group
	// Deleted groups are gone, unless they are in Groups too.
	Deleted []Digest
}

// State is all groups, rendered. It is fed with changes and makes snapshots,
// which stay valid. The cost of a change depends on what changed, not on what
// the state holds. Its content, and each byte of its expositions, is a pure
// function of the set of groups. A State is not safe for concurrent use.
type State struct {
	groups   map[Digest]*group
	records  []*record // in key order; immutable, replaced by each change
	placed   bool      // groups know their places in it
	families map[string]*family
	names    map[string][]Claim
	jobs     map[string]*job
	twins    map[*group]map[twin]struct{}
	hidden   []string // names of the hidden families, sorted; immutable

	// The sequences, as of settle.
	text, proto  rendering
	unsettled    unsettled
	bindings     bindings
	hasProto     bool
	wantProto    bool
	foreign      int // how many records have foreign families
	lastSnapshot *Snapshot
}

// rendering is one encoding of all families: those that are exposed, and those
// that a clash hides.
type rendering struct {
	shown, hidden sequence
}

func (r *rendering) of(hidden bool) *sequence {
	if hidden {
		return &r.hidden
	}
	return &r.shown
}

// group is the identity of a group. Only State may read its record, which is
// the current one; snapshots have their own list.
type group struct {
	key    GroupingKey
	job    *job
	shape  string
	record *record
	// unsettled says that the sequences do not have the record yet, and rank is
	// the group's place among those.
	unsettled bool
	rank      uint32
	place     uint32 // in State.records, while that is placed
}

// record is one version of a group. It is immutable.
type record struct {
	group                     *group
	pushTime, pushFailureTime time.Time
	members                   []member // sorted by family name
	// foreign are the families with names that not every escaping scheme
	// shows alike, so that rendering them once is not enough.
	foreign []Family
}

// countForeign returns 1 if the record has foreign families, else 0. The record
// may be nil.
func (r *record) countForeign() int {
	if r == nil || r.foreign == nil {
		return 0
	}
	return 1
}

// member says that a group has a family.
type member struct {
	meta    *meta
	metrics int32
	flawed  bool
}

// meta describes a family, as one group has it or as it is exposed. It is
// immutable and shared.
type meta struct {
	name, help, unit string
	typ              Type
	family           *family // only for State
}

// member returns the group's member of that family, or nil. The group may be
// nil.
func (g *group) member(name string) *member {
	if g == nil {
		return nil
	}
	return g.record.member(name)
}

// member returns the member of that family, or nil. The record may be nil.
func (r *record) member(name string) *member {
	if r == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(r.members, name, func(m member, n string) int { return cmp.Compare(m.meta.name, n) })
	if !ok {
		return nil
	}
	return &r.members[i]
}

// NewState returns a state without groups.
func NewState() *State {
	s := &State{}
	s.reset()
	return s
}

func (s *State) reset() {
	*s = State{
		groups:    map[Digest]*group{},
		families:  map[string]*family{},
		names:     map[string][]Claim{},
		jobs:      map[string]*job{},
		twins:     map[*group]map[twin]struct{}{},
		hasProto:  s.wantProto,
		wantProto: s.wantProto,
	}
}

// EnableProtobuf makes the state keep the protobuf exposition too, from the
// next Change with Reset on. Until it is called, it costs no memory.
func (s *State) EnableProtobuf() { s.wantProto = true }

// WantProtobuf reports whether EnableProtobuf was called.
func (s *State) WantProtobuf() bool { return s.wantProto }

// Apply changes the state. It keeps nothing of the change but the grouping
// keys and layouts. Snapshots that were taken before do not change. A large change is best
// applied in parts: what a part has can be reused for the next, and the cost
// is that of one change as long as nobody asks for a snapshot in between.
func (s *State) Apply(c Change) {
	if c.Reset {
		s.reset()
	}
	b := batch{state: s}
	b.plan(c)
	if len(b.steps) == 0 {
		return
	}
	b.run()
	s.lastSnapshot = nil
}

// Snapshot returns the current content. It is the same value while nothing
// changes, and cheap.
func (s *State) Snapshot() *Snapshot {
	if s.lastSnapshot == nil {
		s.settle()
		s.lastSnapshot = newSnapshot(s)
	}
	return s.lastSnapshot
}

// Keys returns the grouping key that has a digest, if it is known.
type Keys func(Digest) (GroupingKey, bool)

// Key returns the grouping key of a group that there is. It is a [Keys].
func (s *State) Key(d Digest) (GroupingKey, bool) {
	if g := s.groups[d]; g != nil {
		return g.key, true
	}
	return GroupingKey{}, false
}

// Names yields the names that pushed families expose, in no order, each with
// the claim to it. A contested name is yielded once per claim.
func (s *State) Names() iter.Seq2[string, Claim] {
	return func(yield func(string, Claim) bool) {
		for name, claims := range s.names {
			for _, c := range claims {
				if !yield(name, c) {
					return
				}
			}
		}
	}
}

// Jobs yields the jobs, in no order, each with the sorted shapes of its groups.
func (s *State) Jobs() iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		for name, j := range s.jobs {
			if !yield(name, j.names(nil)) {
				return
			}
		}
	}
}

// Shapes returns the sorted shapes of the job's groups, not counting the group
// with the digest except. See [GroupingKey.Shape].
func (s *State) Shapes(job string, except Digest) []string {
	if j := s.jobs[job]; j != nil {
		return j.names(s.groups[except])
	}
	return nil
}

// job counts the groups of a job by shape.
type job struct {
	shapes  []shape  // sorted by name
	members []member // those of the group that was rendered last
}

type shape struct {
	name   string
	groups int
}

func (j *job) find(name string) (int, bool) {
	return slices.BinarySearchFunc(j.shapes, name, func(s shape, n string) int { return cmp.Compare(s.name, n) })
}

// names returns the shapes that groups other than except have.
func (j *job) names(except *group) []string {
	var names []string
	for _, s := range j.shapes {
		if except == nil || except.job != j || except.shape != s.name || s.groups > 1 {
			names = append(names, s.name)
		}
	}
	return names
}

// addGroup makes the identity of a group.
func (s *State) addGroup(key GroupingKey) *group {
	j := s.jobs[key.Job()]
	if j == nil {
		j = &job{}
		s.jobs[key.Job()] = j
	}
	name := key.Shape()
	i, ok := j.find(name)
	if !ok {
		j.shapes = slices.Insert(j.shapes, i, shape{name: name})
	}
	j.shapes[i].groups++
	g := &group{key: key, job: j, shape: j.shapes[i].name}
	s.groups[key.Digest()] = g
	return g
}

func (s *State) removeGroup(g *group) {
	delete(s.groups, g.key.Digest())
	i, _ := g.job.find(g.shape)
	g.job.shapes[i].groups--
	if g.job.shapes[i].groups == 0 {
		g.job.shapes = slices.Delete(g.job.shapes, i, i+1)
	}
	if len(g.job.shapes) == 0 {
		delete(s.jobs, g.key.Job())
	}
}
