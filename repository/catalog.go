package repository

import (
	"strings"
	"sync"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// maxCatalog bounds the catalog's memory. Forgetting is always right: what a
// replica does not know it registers again.
const maxCatalog = 500_000

// catalog is what a replica knows, at one epoch, of who owns the exposed names
// and which shapes the jobs have. All of it is true while the epoch lasts, and
// none of it needs to be complete.
type catalog struct {
	mu    sync.Mutex
	epoch int64
	names map[string]Claim
	jobs  map[string]JobShape
}

// reset forgets everything, unless the catalog is at the epoch.
func (c *catalog) reset(epoch int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		c.clear(epoch)
	}
}

func (c *catalog) clear(epoch int64) {
	c.epoch = epoch
	c.names = map[string]Claim{}
	c.jobs = map[string]JobShape{}
}

// learn remembers what is true at the epoch.
func (c *catalog) learn(epoch int64, names []Claim, jobs []JobShape) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return
	}
	if len(c.names)+len(names) > maxCatalog || len(c.jobs)+len(jobs) > maxCatalog {
		c.clear(epoch)
	}
	for _, n := range names {
		// Clones: the names of a push are parts of larger strings.
		n.Name, n.Owner = strings.Clone(n.Name), strings.Clone(n.Owner)
		c.names[n.Name] = n
	}
	for _, j := range jobs {
		c.jobs[j.Job] = j
	}
}

// bump moves the catalog on to the epoch that a structural commit of this
// replica made, which changed no more than names and job.
func (c *catalog) bump(epoch int64, names []Claim, job JobShape) {
	c.mu.Lock()
	switch {
	case c.epoch == epoch-1:
		c.epoch = epoch
	case c.epoch < epoch:
		c.clear(epoch)
	}
	c.mu.Unlock()
	c.learn(epoch, names, []JobShape{job})
}

// size returns how many names and jobs the replica knows.
func (c *catalog) size() (names, jobs int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.names), len(c.jobs)
}

// plan says how the ops of a batch are to be committed.
type plan struct {
	epoch int64
	// plain ops collide with nothing once their names and jobs are registered.
	plain batch
	// shared ops belong to jobs with several shapes: they have to be compared
	// with the few groups that could expose the same series.
	shared batch
	// structural ops contradict the catalog.
	structural []*op
	// later ops contradict others of the batch.
	later []*op
}

// batch is ops that go into one commit, with what they have to register.
type batch struct {
	ops   []*op
	names map[string]Claim
	jobs  map[string]JobShape
}

func newBatch() batch {
	return batch{names: map[string]Claim{}, jobs: map[string]JobShape{}}
}

// plan sorts ops by the way in which they are to be committed. With unchecked,
// names that have several owners already are no obstacle.
func (c *catalog) plan(ops []*op, unchecked bool) plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := plan{epoch: c.epoch, plain: newBatch(), shared: newBatch()}
	requests := map[[32]byte]bool{}
	var known []exposition.Claim
	for _, o := range ops {
		if o.ID != "" {
			digest := o.Digest(o.Key)
			if requests[digest] {
				p.later = append(p.later, o)
				continue
			}
			requests[digest] = true
		}
		// Pushes that look the same share their claims, which need to be looked at once.
		if o.known = same(o.claims, known) || c.knows(o.claims); o.known {
			known = o.claims
		}
		job := JobShape{Job: o.Key.Job(), Shape: o.Key.Shape()}
		as, ok := c.jobs[job.Job]
		switch {
		case o.Method == Delete, o.discarded:
			p.plain.ops = append(p.plain.ops, o)
		case c.contradicts(o, unchecked), ok && !as.Shared && as != job:
			p.structural = append(p.structural, o)
		case p.plain.contradicts(o, job), p.shared.contradicts(o, job):
			p.later = append(p.later, o)
		case ok && as.Shared:
			p.shared.add(c, o)
		default:
			p.plain.add(c, o)
			if !ok {
				p.plain.jobs[job.Job] = job
			}
		}
	}
	return p
}

// knows reports whether all names have the owners that are claimed, and no others.
func (c *catalog) knows(claims []exposition.Claim) bool {
	for _, claim := range claims {
		if c.names[claim.Name] != (Claim{Claim: claim}) {
			return false
		}
	}
	return true
}

// same reports whether a and b are the same memory.
func same(a, b []exposition.Claim) bool {
	return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0]
}

// contradicts reports whether a name that o would expose has another owner, be
// it another family of o, which only unchecked pushes can have.
func (c *catalog) contradicts(o *op, unchecked bool) bool {
	if o.known {
		return false
	}
	var own map[string]bool
	if unchecked {
		own = make(map[string]bool, len(o.claims))
	}
	for _, claim := range o.claims {
		known, ok := c.names[claim.Name]
		if ok && known.Mixed && unchecked {
			continue
		}
		if ok && known != (Claim{Claim: claim}) || own[claim.Name] {
			return true
		}
		if unchecked {
			own[claim.Name] = true
		}
	}
	return false
}

func (b *batch) contradicts(o *op, job JobShape) bool {
	for _, claim := range o.newClaims() {
		if other, ok := b.names[claim.Name]; ok && other.Claim != claim {
			return true
		}
	}
	other, ok := b.jobs[job.Job]
	return ok && other != job
}

// add puts o into the batch, with the names that c does not know.
func (b *batch) add(c *catalog, o *op) {
	b.ops = append(b.ops, o)
	for _, claim := range o.newClaims() {
		if _, ok := c.names[claim.Name]; !ok {
			b.names[claim.Name] = Claim{Claim: claim}
		}
	}
}
