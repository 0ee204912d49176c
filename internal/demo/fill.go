package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// ErrUsed says that there is something in a database already.
var ErrUsed = errors.New("is not empty: name a database in which there is nothing")

// Source passes a history to yield and returns the groups that it amounts to, as
// Generate does.
type Source func(yield func(repository.HistoryRow) error) ([]exposition.Group, error)

const (
	pageRows    = 1000
	pushTimeout = time.Minute
)

// Fill stores a history and its groups, and returns how many of both there are.
// After each page it tells stored how many rows that had. It is ErrUsed, and
// nothing is stored, if there is something in the database. After another error
// the database is filled in part.
func Fill(ctx context.Context, to *repository.Repository, from Source, stored func(rows int)) (rows, groups int, err error) {
	if err := refuseUsed(ctx, to); err != nil {
		return 0, 0, err
	}
	page := make([]repository.HistoryRow, 0, pageRows)
	flush := func() error {
		err := to.AddHistory(ctx, page)
		rows += len(page)
		stored(len(page))
		page = page[:0]
		return err
	}
	left, err := from(func(row repository.HistoryRow) error {
		if page = append(page, row); len(page) < cap(page) {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	for i := 0; i < len(left) && err == nil; i++ {
		err = restore(ctx, to, left[i])
	}
	return rows, len(left), err
}

func refuseUsed(ctx context.Context, r *repository.Repository) error {
	rows, _, err := r.HistorySize(ctx)
	if err == nil && rows > 0 {
		err = ErrUsed
	}
	if err != nil {
		return err
	}
	return r.Groups(ctx, func(exposition.Group) error { return ErrUsed })
}

// restore stores a group with its times. Its row is in the history already.
func restore(ctx context.Context, to *repository.Repository, g exposition.Group) error {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	err := to.Push(ctx, repository.Push{
		Request: repository.Request{Method: repository.Put}, Key: g.Key, Families: g.Families, Silent: true,
		Times: &repository.Times{Pushed: g.PushTime, Failed: g.PushFailureTime, Families: g.FamilyTimes},
	})
	if err != nil {
		return fmt.Errorf("group %s: %w", g.Key, err)
	}
	return nil
}
