package repository

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// restores reports whether the op restores a group.
func (o *op) restores() bool { return o.Times != nil && o.changes() }

// commitRestored commits a plain batch in which groups are restored. It holds
// the catalog lock alone, so that nobody pushes to them meanwhile.
func (r *Repository) commitRestored(ctx context.Context, epoch int64, b batch) ([]*op, error) {
	start := time.Now()
	tx, err := r.store.BeginExclusive(ctx, earliest(b.ops))
	if err != nil {
		return b.ops, err
	}
	defer tx.Rollback()
	if b.ops, err = r.keepNewer(ctx, tx, b.ops); err != nil || len(b.ops) == 0 {
		return b.ops, err
	}
	c := r.newCommit(epoch, b)
	err = tx.Commit(ctx, c)
	r.metrics.observeCommit("plain", len(b.ops), time.Since(start), err)
	if errors.Is(err, ErrData) && len(b.ops) > 1 {
		tx.Rollback()
		return r.commitSingly(ctx, epoch, b)
	}
	return r.settle(ctx, c, b, err)
}

// keepNewer answers the ops that would restore a group that was pushed to at
// the same time or later, and returns the others. A failure that is later is
// kept. tx keeps the groups as they are.
func (r *Repository) keepNewer(ctx context.Context, tx Tx, ops []*op) ([]*op, error) {
	restoring := map[exposition.Digest]*op{}
	var keys []exposition.GroupingKey
	for _, o := range ops {
		if o.restores() {
			restoring[o.Key.Digest()] = o
			keys = append(keys, o.Key)
		}
	}
	if len(keys) == 0 {
		return ops, nil
	}
	groups, err := tx.Groups(ctx, keys)
	if err != nil {
		return ops, err
	}
	for _, g := range groups {
		o := restoring[g.Key.Digest()]
		if !o.Times.Pushed.After(g.PushTime) {
			o.finish(ErrNewer)
			ops = slices.DeleteFunc(slices.Clone(ops), func(other *op) bool { return other == o })
			continue
		}
		times := *o.Times
		if times.Failed.Before(g.PushFailureTime) {
			times.Failed = g.PushFailureTime
		}
		o.Times = &times
	}
	return ops, nil
}

// earliest is the first of the ops' deadlines.
func earliest(ops []*op) time.Time {
	return slices.MinFunc(ops, func(a, b *op) int { return a.deadline.Compare(b.deadline) }).deadline
}
