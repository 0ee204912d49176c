package repository

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// commitShared commits ops of jobs with several shapes. Under the jobs' locks
// no group of theirs appears or changes, so it is enough to read the few
// groups that could expose a series of the batch, and to compare.
func (r *Repository) commitShared(ctx context.Context, epoch int64, b batch) ([]*op, error) {
	jobs := map[string]bool{}
	for _, o := range b.ops {
		jobs[o.Key.Job()] = true
	}
	start := time.Now()
	tx, shapes, err := r.store.BeginJobs(ctx, epoch, earliest(b.ops), slices.Collect(maps.Keys(jobs)))
	if err != nil {
		return r.settle(ctx, &Commit{Epoch: epoch}, b, err)
	}
	defer tx.Rollback()
	if b.ops, err = r.keepNewer(ctx, tx, b.ops); err != nil || len(b.ops) == 0 {
		return b.ops, err
	}
	if err := r.compare(ctx, tx, b.ops, shapes); err != nil {
		return r.settle(ctx, &Commit{Epoch: epoch}, b, err)
	}
	c := r.newCommit(epoch, b)
	for _, o := range b.ops {
		if !o.traceless() {
			c.Shapes = append(c.Shapes, JobShape{Job: o.Key.Job(), Shape: o.Key.Shape(), Shared: true})
		}
	}
	err = tx.Commit(ctx, c)
	r.metrics.observeCommit("shared", len(b.ops), time.Since(start), err)
	if errors.Is(err, ErrData) && len(b.ops) > 1 {
		tx.Rollback()
		return r.commitSharedSingly(ctx, epoch, b)
	}
	return r.settle(ctx, c, b, err)
}

func (r *Repository) commitSharedSingly(ctx context.Context, epoch int64, b batch) ([]*op, error) {
	var again []*op
	var errs error
	for _, o := range b.ops {
		single := b
		single.ops = []*op{o}
		ops, err := r.commitShared(ctx, epoch, single)
		again, errs = append(again, ops...), errors.Join(errs, err)
	}
	return again, errs
}

// compare refuses the ops that would expose a series that another group
// exposes, given the shapes of each job. tx holds locks that keep other
// replicas from changing the groups in question.
func (r *Repository) compare(ctx context.Context, tx Tx, ops []*op, shapes map[string][]string) error {
	for _, o := range ops {
		o.unpack()
		o.clash, o.orphan = nil, false
		if job := o.Key.Job(); !slices.Contains(shapes[job], o.Key.Shape()) {
			shapes[job] = append(shapes[job], o.Key.Shape())
		}
	}
	wanted := map[exposition.Digest]exposition.GroupingKey{}
	rivals := make([][]exposition.GroupingKey, len(ops))
	for i, o := range ops {
		within, cancel := context.WithDeadline(ctx, o.deadline)
		keys, err := exposition.Rivals(within, o.Key, o.kept, shapes[o.Key.Job()])
		cancel()
		if err != nil {
			return fmt.Errorf("%w: the job has so many shapes that comparing takes too long", ErrDeadline)
		}
		rivals[i] = keys
		for _, k := range keys {
			wanted[k.Digest()] = k
		}
	}
	groups := map[exposition.Digest]exposition.Group{}
	if err := readGroups(ctx, tx, groups, slices.Collect(maps.Values(wanted))...); err != nil {
		return err
	}
	for i, o := range ops {
		if err := r.compareOne(ctx, tx, o, rivals[i], groups); err != nil {
			return err
		}
	}
	return nil
}

// readGroups adds to groups those with the keys, if there are any.
func readGroups(ctx context.Context, tx Tx, groups map[exposition.Digest]exposition.Group, keys ...exposition.GroupingKey) error {
	if len(keys) == 0 {
		return nil
	}
	stored, err := tx.Groups(ctx, keys)
	for _, g := range stored {
		groups[g.Key.Digest()] = g
	}
	return err
}

// compareOne refuses o if it clashes with groups, and else makes groups what
// they are after it. Only of those that could clash groups has what is stored.
func (r *Repository) compareOne(ctx context.Context, tx Tx, o *op, rivals []exposition.GroupingKey, groups map[exposition.Digest]exposition.Group) error {
	var clash error
	for _, k := range rivals {
		if g, ok := groups[k.Digest()]; ok && clash == nil && o.changes() {
			clash = exposition.CheckSeries(o.Key, o.kept, g)
		}
	}
	if clash != nil && !r.options.Unchecked {
		o.clash = clash
	}
	if _, known := groups[o.Key.Digest()]; !known && !o.changes() {
		if err := readGroups(ctx, tx, groups, o.Key); err != nil {
			return err
		}
	}
	group, exists := groups[o.Key.Digest()]
	if !o.changes() && !exists {
		for _, k := range rivals {
			if g, ok := groups[k.Digest()]; ok && exposition.CheckSeries(o.Key, nil, g) != nil {
				o.orphan = true
				return nil
			}
		}
	}
	group.Key = o.Key
	if o.changes() {
		group.PushTime = time.Now()
		if o.Method == Put {
			group.Families = o.kept
		} else {
			group.Families = mergeFamilies(group.Families, o.Families)
		}
	}
	groups[o.Key.Digest()] = group
	return nil
}

// commitStructural commits an op that contradicts the catalog: a name has
// another owner, or the job another shape. Often that is out of date, and the
// state tells. If the state confirms it, there is no need for the lock, except
// to find out whether a group that is to be restored is newer anyway.
func (r *Repository) commitStructural(ctx context.Context, o *op) ([]*op, error) {
	o.unpack()
	ops := []*op{o}
	if _, err := r.follow.catchUp(ctx); err != nil {
		return ops, err
	}
	if o.changes() && !o.restores() && !r.options.Unchecked {
		r.follow.mu.Lock()
		clash := r.follow.state.CheckNames(o.Key, o.Method == Put, o.Families)
		r.follow.mu.Unlock()
		if clash != nil {
			o.refuse(clash)
			return ops, nil
		}
	}
	return r.commitExclusive(ctx, o)
}

// commitExclusive commits one op under the exclusive catalog lock.
func (r *Repository) commitExclusive(ctx context.Context, o *op) ([]*op, error) {
	b := batch{ops: []*op{o}}
	start := time.Now()
	tx, err := r.store.BeginExclusive(ctx, o.deadline)
	if err != nil {
		return b.ops, err
	}
	defer tx.Rollback()
	if b.ops, err = r.keepNewer(ctx, tx, b.ops); err != nil || len(b.ops) == 0 {
		return b.ops, err
	}
	clash, others, shared, err := r.inspect(ctx, tx, o)
	if err != nil {
		return b.ops, err
	}
	if clash != nil && !r.options.Unchecked {
		o.refuse(clash)
		return b.ops, nil
	}
	if err := r.compare(ctx, tx, b.ops, map[string][]string{o.Key.Job(): others}); err != nil {
		return b.ops, err
	}
	var claims []Claim
	if o.changes() {
		claims = o.distinctClaims(clash != nil)
	}
	job := JobShape{Job: o.Key.Job(), Shape: o.Key.Shape(), Shared: len(others) > 0}
	if o.orphan && !shared {
		// The group is not created, so its shape is not the job's.
		job = JobShape{Job: job.Job, Shape: others[0], Shared: len(others) > 1}
	}
	epoch, err := tx.Claim(ctx, claims, job)
	if err != nil {
		return b.ops, err
	}
	c := r.newCommit(epoch, b)
	if job.Shared {
		c.Shapes = append(c.Shapes, job)
		for _, shape := range others {
			c.Shapes = append(c.Shapes, JobShape{Job: job.Job, Shape: shape, Shared: true})
		}
	}
	err = tx.Commit(ctx, c)
	r.metrics.observeCommit("structural", 1, time.Since(start), err)
	if err == nil {
		r.catalog.bump(epoch, claims, job)
	}
	return r.settle(ctx, c, b, err)
}

// distinctClaims returns one claim for each name that o exposes. Two families
// of an unchecked push can claim one: then they clash, and its owner does not
// matter.
func (o *op) distinctClaims(mixed bool) []Claim {
	byName := make(map[string]Claim, len(o.claims))
	for _, c := range o.claims {
		byName[c.Name] = Claim{Claim: c, Mixed: mixed}
	}
	return slices.Collect(maps.Values(byName))
}

// inspect catches up within tx, and returns how o's names clash with the state,
// which other shapes the other groups of its job have, and whether some of them
// have the shape of o.
func (r *Repository) inspect(ctx context.Context, tx Tx, o *op) (clash error, others []string, shared bool, err error) {
	r.follow.mu.Lock()
	defer r.follow.mu.Unlock()
	if _, err := r.follow.advance(ctx, tx.CatchUp); err != nil {
		return nil, nil, false, fmt.Errorf("catch up: %w", err)
	}
	if o.changes() {
		clash = r.follow.state.CheckNames(o.Key, o.Method == Put, o.Families)
	}
	others = slices.DeleteFunc(r.follow.state.Shapes(o.Key.Job(), o.Key.Digest()), func(shape string) bool {
		same := shape == o.Key.Shape()
		shared = shared || same
		return same
	})
	return clash, others, shared, nil
}
