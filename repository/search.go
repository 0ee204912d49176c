package repository

import (
	"context"
	"math"
	"time"
)

// HistoryQuery says which rows of the history are wanted, and in which order.
type HistoryQuery struct {
	// Job, if not "", is that of the rows. Only, if not "", leaves out others.
	// A Store takes one of the two.
	Job  string
	Only HistoryKind
	// The rows are not older than Since, and older than Until; zero means that
	// nothing bounds them.
	Since, Until time.Time
	// OldestFirst turns the order round: the newest rows come first.
	OldestFirst bool
	// After is the place after which the rows come, in that order; the zero Place
	// is that before all of them.
	After Place
	// Limit is how many rows are wanted at most; at least 1.
	Limit int
	// Families says that those are wanted, too. Otherwise they are nil.
	Families bool
}

// HistoryKind is a kind of rows of which there are few.
type HistoryKind string

// The kinds of rows.
const (
	AllRows      HistoryKind = ""
	RejectedRows HistoryKind = "rejected" // pushes that were rejected
	RemovalRows  HistoryKind = "removals" // deletes and wipes
)

// Has reports whether a row is of the kind.
func (k HistoryKind) Has(r *HistoryRow) bool {
	switch k {
	case RejectedRows:
		return !r.Accepted
	case RemovalRows:
		return r.Method == Delete || r.Method == Wipe
	default:
		return true
	}
}

// The times between which everything happens.
var (
	firstTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	lastTime  = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
)

// Bounds returns Since, Until and After as a Store can look for them: none is zero,
// and the times are not wider than After is, so that an index finds the first row.
func (q *HistoryQuery) Bounds() (since, until time.Time, after Place) {
	since, until, after = q.Since, q.Until, q.After
	if since.IsZero() {
		since = firstTime
	}
	if until.IsZero() {
		until = lastTime
	}
	switch {
	case q.OldestFirst && after.At.After(since):
		since = after.At
	case q.OldestFirst:
	case after.At.IsZero():
		after = Place{lastTime, math.MaxInt64}
	case after.At.Before(until):
		until = after.At.Add(time.Microsecond)
	}
	return since, until, after
}

// Place is that of a row in the history, which is ordered by time.
type Place struct {
	At  time.Time // to the microsecond
	Seq int64
}

// HistoryPage is a part of what a HistoryQuery asks for.
type HistoryPage struct {
	Rows []HistoryRow
	// Next is the Place after which the rest comes, or nil if there is none.
	Next *Place
}

// How much is looked at for a page: as much as can be in the time, in steps that
// become larger as long as nothing is found.
const (
	searchTime = 20 * time.Millisecond
	firstStep  = 128
	lastStep   = 256
)

// pace is that of the steps in which something is looked for.
type pace struct {
	begun, last time.Time
	step        int
}

func newPace(first int) *pace {
	now := time.Now()
	return &pace{now, now, first}
}

// next returns, after a step, how large the next one is: up to twice as large, as
// far as there is time. It returns 0 if there is not for half as large a one.
func (p *pace) next() int {
	now := time.Now()
	took, left := now.Sub(p.last), searchTime-now.Sub(p.begun)
	p.last = now
	fits := int(float64(p.step) * float64(left) / float64(max(took, 1)))
	if fits < max(1, p.step/2) {
		return 0
	}
	p.step = min(2*p.step, lastStep, fits)
	return p.step
}

// Search passes rows to use, which returns how much of q.Limit each takes: 0 for
// one that is not wanted. It returns those that are: q.Limit, and fewer, or even
// none, if finding them takes long. Then Next says where to go on.
func (r *Repository) Search(ctx context.Context, q HistoryQuery, use func(*HistoryRow) int) (HistoryPage, error) {
	if err := r.begun(ctx); err != nil {
		return HistoryPage{}, err
	}
	filter := filterOf(&q)
	room := q.Limit
	q.Limit = min(room+1, firstStep) // one more tells whether there are more
	pace := newPace(q.Limit)
	var page HistoryPage
	for {
		rows, more, err := r.store.FindHistory(ctx, q)
		if err != nil {
			return HistoryPage{}, err
		}
		for i := range rows {
			if room <= 0 {
				page.Next = &q.After
				return page, nil
			}
			q.After = Place{rows[i].At, rows[i].Seq}
			if !filter(&rows[i]) {
				continue
			}
			if n := use(&rows[i]); n > 0 {
				page.Rows, room = append(page.Rows, rows[i]), room-n
			}
		}
		if !more {
			return page, nil
		}
		if q.Limit = pace.next(); q.Limit == 0 {
			page.Next = &q.After
			return page, nil
		}
	}
}

// filterOf returns what a Store does not filter by, and takes it out of the query.
func filterOf(q *HistoryQuery) func(*HistoryRow) bool {
	if q.Only == AllRows || q.Job == "" {
		return func(*HistoryRow) bool { return true }
	}
	job := q.Job
	q.Job = "" // the rows of the kind are few
	return func(r *HistoryRow) bool { return r.Key.Job() == job }
}

// exportStep bounds how many rows are in memory while all are read.
const exportStep = 500

// stepTimeout bounds how long a part of them may take to be read.
const stepTimeout = 10 * time.Second

// EachRow passes all rows to yield that the query asks for, until that returns an
// error. It may be at the pace of a slow client. q.Limit does not matter.
func (r *Repository) EachRow(ctx context.Context, q HistoryQuery, yield func(*HistoryRow) error) error {
	if err := r.begun(ctx); err != nil {
		return err
	}
	filter := filterOf(&q)
	q.Limit = exportStep
	for more := true; more; {
		var rows []HistoryRow
		var err error
		if rows, more, err = r.findInTime(ctx, q); err != nil {
			return err
		}
		for i := range rows {
			q.After = Place{rows[i].At, rows[i].Seq}
			if !filter(&rows[i]) {
				continue
			}
			if err := yield(&rows[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Repository) findInTime(ctx context.Context, q HistoryQuery) (rows []HistoryRow, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	return r.store.FindHistory(ctx, q)
}

// HistoryRow returns the row with that number, and whether there is one.
func (r *Repository) HistoryRow(ctx context.Context, seq int64) (HistoryRow, bool, error) {
	if err := r.begun(ctx); err != nil {
		return HistoryRow{}, false, err
	}
	return r.store.HistoryRow(ctx, seq)
}
