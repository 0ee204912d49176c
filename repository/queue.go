package repository

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// Limits of a commit and of what may wait for one.
const (
	maxBatchOps   = 256
	maxBatchBytes = 4 << 20
	maxQueueOps   = 20_000
	maxQueueBytes = 256 << 20
	// minBudget is how long before its deadline a request may still be
	// committed: shorter ones would only be sent to miss it.
	minBudget = 50 * time.Millisecond
	// patience is how long ops wait for the commit in flight before another one
	// begins beside it: fewer and larger commits cost everybody less, but a slow
	// one must not hold up the others.
	patience = 100 * time.Millisecond
	// enough ops are worth a commit of their own beside the one in flight, if
	// nobody else commits to the database.
	enough = 28
	// maxGather bounds how long a commit waits for the clients of the one before.
	maxGather = 20 * time.Millisecond
)

// op is a push, or the deletion of one group, on its way into a commit.
type op struct {
	Push
	deadline time.Time
	done     chan error // buffered: the committer never waits for the waiter

	// What Families amounts to, prepared once.
	kept    []exposition.Family // those with metrics
	cleared []string            // names of those without
	stored  []byte              // kept as JSON
	pushed  []byte              // what the history keeps of Families, as JSON, or nil
	success *bool               // what they say of the run
	claims  []exposition.Claim
	series  int
	// discarded is a push that is malformed, or whose data the database refused:
	// only its history row is written.
	discarded bool

	// What an attempt to commit it finds; the next one begins anew.
	clash  error // why it is refused
	orphan bool  // it is refused and its group cannot even be created
	known  bool  // the catalog has all claims as they are
}

func newOp(p Push, deadline time.Time, payload Payload) *op {
	o := &op{Push: p, deadline: deadline, done: make(chan error, 1), discarded: p.Malformed}
	if p.Prepared != nil {
		o.claims, o.series, o.stored = p.Prepared.Claims, p.Prepared.Series, p.Prepared.JSON
		o.success = preparedVerdict(p.Prepared)
	} else {
		o.prepare()
	}
	switch {
	case payload == PayloadNone || p.Prepared == nil && len(p.Families) == 0:
	case payload == PayloadValues:
		o.unpack()
		o.pushed = exposition.AppendFamilies(nil, valuesOf(o.Families))
	case len(o.cleared) > 0:
		o.pushed = exposition.AppendFamilies(nil, p.Families)
	default:
		o.pushed = o.stored
	}
	return o
}

// prepare finds out what the families amount to.
func (o *op) prepare() {
	o.kept, o.success, o.claims = o.Families, Verdict(o.Families), make([]exposition.Claim, 0, len(o.Families)+8)
	if slices.ContainsFunc(o.Families, isEmpty) {
		o.kept = slices.DeleteFunc(slices.Clone(o.Families), isEmpty)
	}
	for i := range o.Families {
		f := &o.Families[i]
		if isEmpty(*f) {
			o.cleared = append(o.cleared, f.Name)
			continue
		}
		if o.Refused == nil {
			o.claims = exposition.AppendClaims(o.claims, f)
		}
		o.series += exposition.SeriesCount(*f)
	}
	// The JSON of most pushes is about as long as the text is.
	o.stored = exposition.AppendFamilies(make([]byte, 0, o.Bytes+o.Bytes/8+64), o.kept)
}

// unpack gives the op its families, which few ops need that come prepared.
func (o *op) unpack() {
	if o.Prepared != nil && o.Families == nil {
		o.Families = o.Prepared.Families()
		o.kept = o.Families
	}
}

// familySet is the FamilySet of the families that are stored.
func (o *op) familySet() exposition.Digest {
	if o.Prepared != nil {
		return o.Prepared.Set
	}
	return exposition.FamilySet(o.kept)
}

// isEmpty reports whether a POST of the family removes it.
func isEmpty(f exposition.Family) bool { return len(f.Metrics) == 0 }

// refuse makes a refusal final.
func (o *op) refuse(err error) {
	if o.Refused == nil {
		o.Refused = err
	}
	o.claims = nil
}

// refusal returns why the op is refused, or nil.
func (o *op) refusal() error {
	if o.Refused != nil {
		return o.Refused
	}
	return o.clash
}

// changes reports whether the op is to change its group's families.
func (o *op) changes() bool { return o.refusal() == nil && o.Method != Delete }

// newClaims returns the claims that the catalog may not have.
func (o *op) newClaims() []exposition.Claim {
	if o.known {
		return nil
	}
	return o.claims
}

// traceless reports whether the op changes nothing but the history: nobody has
// pushed what cannot be restored.
func (o *op) traceless() bool {
	return o.orphan || o.discarded || o.Times != nil && o.refusal() != nil
}

func (o *op) size() int { return max(len(o.stored), len(o.pushed)) + 512 }

// finish answers the op. A nil error means that it is durable: then a refused
// push gets its refusal.
func (o *op) finish(err error) {
	if err == nil {
		err = o.refusal()
	}
	o.done <- err
}

// queue holds the ops that wait for a committer.
type queue struct {
	mu       sync.Mutex
	ops      []*op
	bytes    int
	filled   chan struct{} // has room for one token: "look at ops"
	many     chan struct{} // likewise: "there are enough of them"
	gathered chan struct{} // likewise: "there are as many as awaited"
	awaited  int           // how many ops are, or 0
	turn     chan struct{} // has a token while a commit is in flight
	enough   int           // ops are worth a commit of their own now

	share func() float64 // of what the database commits: Store.Share

	// What the commit that had the last turn leaves to the next one.
	expected    int       // ops that it answered, and those that waited then
	gatherUntil time.Time // when those answered should have come again
}

func newQueue(share func() float64) *queue {
	token := func() chan struct{} { return make(chan struct{}, 1) }
	return &queue{share: share, enough: enough, filled: token(), many: token(), gathered: token(), turn: token()}
}

// put adds an op and reports whether there was room.
func (q *queue) put(o *op) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ops) >= maxQueueOps || q.bytes+o.size() > maxQueueBytes && len(q.ops) > 0 {
		return false
	}
	q.ops = append(q.ops, o)
	q.bytes += o.size()
	q.wake()
	return true
}

// wake tells the committers of what waits.
func (q *queue) wake() {
	signal(q.filled)
	if len(q.ops) >= q.enough {
		signal(q.many)
	}
	if q.awaited > 0 && len(q.ops) >= q.awaited {
		signal(q.gathered)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// take returns what waits, up to the limits of a commit, as soon as there is
// something and no commit is in flight, or has been for long. The caller calls
// done after the commit. It returns nil when ctx ends.
func (q *queue) take(ctx context.Context) (ops []*op, done func()) {
	for {
		select {
		case <-ctx.Done():
			return nil, nil
		case <-q.filled:
		}
		if !q.awaitTurn(ctx) {
			if ops := q.pop(); len(ops) > 0 {
				return ops, func() {}
			}
			continue
		}
		q.gather(ctx)
		if ops := q.pop(); len(ops) > 0 {
			start := time.Now()
			return ops, func() {
				q.expect(len(ops), time.Since(start))
				<-q.turn
			}
		}
		<-q.turn
	}
}

// awaitTurn returns at the end of the commit in flight, and reports that it is
// the caller's turn now; but it waits no longer than its patience, nor when
// enough wait.
func (q *queue) awaitTurn(ctx context.Context) bool {
	select {
	case q.turn <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case q.turn <- struct{}{}:
			return true
		case <-q.many:
			if !q.hasEnough() { // others took them
				continue
			}
		case <-timer.C:
		case <-ctx.Done():
		}
		return false
	}
}

// expect says what the next commit may wait for after one of so many ops that took
// so long. Where others commit as well the database is busy without a second commit
// of this replica, and fewer and larger ones leave more of it to all: beside two
// others none begins before nine times as many ops wait.
func (q *queue) expect(n int, took time.Duration) {
	share := q.share()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.enough = min(int(enough/(share*share)), maxBatchOps)
	q.expected = min(n+len(q.ops), maxBatchOps)
	q.gatherUntil = time.Now().Add(min(time.Duration(float64(took)*min(1/share, 2)), maxGather))
}

// gather waits until the clients that the last commit has answered push again,
// as many do at about the same time, but only for as long as expect says:
// large commits cost everybody less. The caller has the turn.
func (q *queue) gather(ctx context.Context) {
	wait := time.Until(q.gatherUntil)
	if wait <= 0 || !q.await(q.expected) {
		return
	}
	defer q.await(0)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-q.gathered:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// await asks for a token in gathered when n ops wait, and reports false if they
// do already.
func (q *queue) await(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.awaited = n
	select {
	case <-q.gathered: // it may be an old one
	default:
	}
	return len(q.ops) < n
}

func (q *queue) pop() []*op {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes := 0, 0
	for n < len(q.ops) && n < maxBatchOps && (n == 0 || bytes+q.ops[n].size() <= maxBatchBytes) {
		bytes += q.ops[n].size()
		n++
	}
	ops := q.ops[:n:n]
	q.ops = q.ops[n:]
	q.bytes -= bytes
	if len(q.ops) > 0 {
		q.wake()
	}
	return ops
}

// remove takes an op out that nobody waits for any more. It reports false if a
// committer has it.
func (q *queue) remove(o *op) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.ops, o)
	if i < 0 {
		return false
	}
	q.ops = slices.Delete(q.ops, i, i+1)
	q.bytes -= o.size()
	return true
}

// hasEnough reports whether enough ops wait.
func (q *queue) hasEnough() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ops) >= q.enough
}

// len returns how many ops wait.
func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ops)
}
