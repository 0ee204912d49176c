package model

import (
	"errors"
	"fmt"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// maxLag is how many rows can come into the history between the moment at
// which a push is found to clash and its own row.
const maxLag = 2000

// Replay applies the rows of a history to an empty model. It returns an error
// if a row cannot have happened: a push was accepted though it clashed or
// refused though it did not, or a DELETE removed what was not there.
//
// Of the rows for which unchecked returns true, those of replicas that do not
// check, everything is believed. It may be nil.
func Replay(rows []repository.HistoryRow, unchecked func(repository.HistoryRow) bool) (*Model, error) {
	r := replay{Model: New(), unchecked: unchecked}
	for _, row := range rows {
		if err := r.apply(row); err != nil {
			return nil, fmt.Errorf("history row %d, %s %s of replica %s: %w", row.Seq, row.Method, row.Key, row.Replica, err)
		}
		if r.past = append(r.past, r.clone()); len(r.past) > 2*maxLag {
			r.past = append([]*Model(nil), r.past[maxLag:]...)
		}
	}
	return r.Model, nil
}

// replay is a model with its recent past.
type replay struct {
	*Model
	past      []*Model
	unchecked func(repository.HistoryRow) bool
}

func (r *replay) apply(row repository.HistoryRow) error {
	var families []exposition.Family
	if row.Families != nil {
		var err error
		if families, err = exposition.DecodeFamilies(row.Families); err != nil {
			return err
		}
	}
	switch {
	case row.Method == repository.Wipe:
		r.Wipe()
	case row.Method == repository.Delete:
		return r.delete(row)
	case !row.Accepted:
		return r.reject(row, families)
	case r.unchecked != nil && r.unchecked(row):
		r.store(row.Method, row.Key, families)
	case !r.Push(row.Method, row.Key, families, false):
		return fmt.Errorf("it was accepted though it clashes: %s", row.Families)
	}
	return nil
}

func (r *replay) delete(row repository.HistoryRow) error {
	// A DELETE may have found nothing and yet have a later number than a PUT
	// that creates the group at the same time.
	if row.Affected > 0 && !r.Delete(row.Key) {
		return errors.New("it removed a group that was not there")
	}
	return nil
}

// reject applies a rejected push. What contradicted itself is not in the row;
// what is in it must have clashed with others shortly before.
func (r *replay) reject(row repository.HistoryRow, families []exposition.Family) error {
	if families != nil && !r.clashed(row, families) {
		return fmt.Errorf("it was rejected though it does not clash: %s: %s", row.Reason, row.Families)
	}
	if row.Affected == 1 {
		r.Push(row.Method, row.Key, nil, true)
	}
	return nil
}

func (r *replay) clashed(row repository.HistoryRow, families []exposition.Family) bool {
	if !r.Fits(row.Method, row.Key, families) {
		return true
	}
	for i := range min(maxLag, len(r.past)) {
		if !r.past[len(r.past)-1-i].Fits(row.Method, row.Key, families) {
			return true
		}
	}
	return false
}
