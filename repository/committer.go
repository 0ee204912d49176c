package repository

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// maxAttempts is how often ops that lose against other commits are tried.
const maxAttempts = 50

// commitLoop takes what waits and commits it, until ctx ends.
func (r *Repository) commitLoop(ctx context.Context) {
	for {
		ops, done := r.queue.take(ctx)
		if ops == nil {
			return
		}
		r.commit(ctx, ops)
		done()
	}
}

// commit answers all ops.
func (r *Repository) commit(ctx context.Context, ops []*op) {
	err := error(ErrUnavailable)
	for attempt := 0; len(ops) > 0; attempt++ {
		if ops = r.expire(ops, err); len(ops) == 0 {
			return
		}
		if attempt == maxAttempts || ctx.Err() != nil {
			break
		}
		ops, err = r.try(ctx, ops)
		if err != nil && !sleep(ctx, backoff(attempt)) {
			break
		}
	}
	for _, o := range ops {
		o.finish(unavailable(err))
	}
}

// backoff is how long to wait before the next attempt.
func backoff(attempt int) time.Duration {
	limit := time.Millisecond << min(attempt, 7)
	return limit/2 + rand.N(limit)
}

// expire answers the ops that have no time left for another attempt: one that
// takes as long as the last. An op that misses its deadline would fail the
// whole commit, and under overload then every commit would fail.
func (r *Repository) expire(ops []*op, err error) []*op {
	budget := max(minBudget, min(time.Duration(r.lastCommit.Load())*3/2, time.Second))
	if budget > minBudget {
		r.lastCommit.Store(int64(budget / 2)) // should none be tried, this one must not count for ever
	}
	return slices.DeleteFunc(ops, func(o *op) bool {
		if time.Until(o.deadline) > budget {
			return false
		}
		o.finish(fmt.Errorf("%w: nothing was stored before the deadline", unavailable(err)))
		return true
	})
}

// try commits the ops, each in the way that it needs, and returns those that
// need another attempt. The error is why it should not follow at once.
func (r *Repository) try(ctx context.Context, ops []*op) ([]*op, error) {
	for _, o := range ops {
		o.clash, o.orphan = nil, false
	}
	p := r.catalog.plan(ops, r.options.Unchecked)
	again, err := p.later, error(nil)
	note := func(ops []*op, e error) {
		again, err = append(again, ops...), errors.Join(err, e)
	}
	if len(p.plain.ops) > 0 {
		note(r.commitPlain(ctx, p.epoch, p.plain))
	}
	if len(p.shared.ops) > 0 {
		note(r.commitShared(ctx, p.epoch, p.shared))
	}
	for _, o := range p.structural {
		note(r.commitStructural(ctx, o))
	}
	return again, err
}

// commitPlain commits ops that collide with nothing.
func (r *Repository) commitPlain(ctx context.Context, epoch int64, b batch) ([]*op, error) {
	if slices.ContainsFunc(b.ops, (*op).restores) {
		return r.commitRestored(ctx, epoch, b)
	}
	start := time.Now()
	c := r.newCommit(epoch, b)
	err := r.store.Commit(ctx, c)
	r.lastCommit.Store(int64(time.Since(start)))
	r.metrics.observeCommit("plain", len(b.ops), time.Since(start), err)
	if errors.Is(err, ErrData) && len(b.ops) > 1 {
		return r.commitSingly(ctx, epoch, b)
	}
	return r.settle(ctx, c, b, err)
}

// commitSingly commits each op alone, because the database refuses the data of
// one of them.
func (r *Repository) commitSingly(ctx context.Context, epoch int64, b batch) ([]*op, error) {
	var again []*op
	for _, o := range b.ops {
		single := b
		single.ops = []*op{o}
		ops, err := r.commitPlain(ctx, epoch, single)
		again = append(again, ops...)
		if err != nil {
			rest := b.ops[slices.Index(b.ops, o)+1:]
			return append(again, rest...), err
		}
	}
	return again, nil
}

// newCommit folds the batch into a commit.
func (r *Repository) newCommit(epoch int64, b batch) *Commit {
	c := &Commit{
		ID: newID(), Epoch: epoch, Unchecked: r.options.Unchecked,
		Deadline: earliest(b.ops),
		Names:    slices.Collect(maps.Values(b.names)),
		Jobs:     slices.Collect(maps.Values(b.jobs)),
	}
	c.Groups, c.History = foldAll(b.ops)
	return c
}

// newID returns the id of a commit. Those of one time are neighbours in an index,
// so that they are written to few of its pages.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// settle answers the ops of a commit that ended with err, or returns them for
// another attempt.
func (r *Repository) settle(ctx context.Context, c *Commit, b batch, err error) ([]*op, error) {
	if errors.Is(err, ErrUnknown) {
		committed, fenceErr := r.fence(ctx, c.ID, c.Deadline)
		switch {
		case fenceErr != nil:
			for _, o := range b.ops {
				o.finish(fmt.Errorf("%w: %w", ErrUnknown, fenceErr))
			}
			return nil, fenceErr
		case committed:
			err = nil
		default:
			return b.ops, errNotLanded
		}
	}
	var stale *StaleEpochError
	var notPlain *NotPlainError
	switch {
	case err == nil:
		r.catalog.learn(c.Epoch, c.Names, c.Jobs)
		for _, o := range b.ops {
			o.finish(nil)
		}
		return nil, nil
	case errors.As(err, &stale):
		r.catalog.reset(stale.Epoch)
		return b.ops, nil
	case errors.As(err, &notPlain):
		r.catalog.learn(c.Epoch, notPlain.Names, notPlain.Jobs)
		return b.ops, nil
	case errors.Is(err, ErrVoid):
		_, err := r.follow.catchUp(ctx)
		return b.ops, err
	case errors.Is(err, ErrSeen):
		return r.answerSeen(ctx, b.ops)
	case errors.Is(err, ErrData):
		return r.refuseData(b.ops[0], err), nil
	}
	return b.ops, err
}

// errNotLanded is what an unknown outcome becomes when a fence has settled that
// nothing was or will be written.
var errNotLanded = fmt.Errorf("%w: the connection was lost", ErrUnavailable)

// fence finds out what became of a commit, for as long as its deadline allows.
func (r *Repository) fence(ctx context.Context, id uuid.UUID, deadline time.Time) (committed bool, err error) {
	for attempt := 0; ; attempt++ {
		committed, err = r.store.Fence(ctx, id)
		if err == nil || time.Until(deadline) < 0 || !sleep(ctx, backoff(attempt)) {
			return committed, err
		}
	}
}

// answerSeen answers the ops whose requests have been answered before, with
// the same answer.
func (r *Repository) answerSeen(ctx context.Context, ops []*op) ([]*op, error) {
	var digests [][32]byte
	for _, o := range ops {
		if o.ID != "" {
			digests = append(digests, o.Digest(o.Key))
		}
	}
	answers, err := r.store.Answers(ctx, digests)
	if err != nil {
		return ops, err
	}
	return slices.DeleteFunc(ops, func(o *op) bool {
		if o.ID == "" {
			return false
		}
		answer, ok := answers[o.Digest(o.Key)]
		if !ok {
			return false
		}
		o.Refused, o.clash = nil, nil
		if !answer.Accepted {
			o.Refused = refusedBefore(answer.Reason)
		}
		r.metrics.resends.Inc()
		o.finish(nil)
		return true
	}), nil
}

// refusedBefore is the refusal, repeated, of a request that was sent again.
type refusedBefore string

func (r refusedBefore) Error() string { return string(r) }
func (r refusedBefore) Unwrap() error { return exposition.ErrInconsistent }

// refuseData turns an op that the database does not take into a refused one,
// which leaves only its history row. If that is not taken either, the op is
// answered without a trace.
func (r *Repository) refuseData(o *op, err error) []*op {
	if o.discarded {
		r.logger.Error("push refused by the database, and its history row, too", "key", o.Key.String(), "err", err)
		o.finish(nil)
		return nil
	}
	o.refuse(fmt.Errorf("%w: %w", exposition.ErrInconsistent, err))
	o.Families, o.Prepared, o.kept, o.cleared, o.series = nil, nil, nil, nil, 0
	o.stored, o.pushed = []byte("{}"), nil
	o.discarded = true
	return []*op{o}
}
