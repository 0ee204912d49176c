package repository

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// follower keeps a replica's state equal to the database's.
type follower struct {
	store   Store
	catalog *catalog
	metrics *metrics
	logger  *slog.Logger
	timeout time.Duration // without progress of a catch-up
	base    context.Context

	mu     sync.Mutex // held while catching up
	state  *exposition.State
	cursor Cursor
	hidden map[string]bool // families last seen left out by a clash

	releasing atomic.Bool
	released  time.Time // for who has set releasing

	latest atomic.Pointer[caughtUp]

	callMu    sync.Mutex
	next      *call     // the catch-up that has not begun yet
	restUntil time.Time // when the next one for scrapes alone may begin
	calls     sync.WaitGroup
}

// caughtUp is a snapshot with the time at which it was known to be current.
type caughtUp struct {
	snapshot *exposition.Snapshot
	at       time.Time
}

// releaseInterval is how long after memory was given back more of it is given back at the earliest.
const releaseInterval = 30 * time.Second

// A catch-up for scrapes alone rests after the one before for so many times as long
// as that worked, but no longer than maxRest, so that many scrapers and many pushes
// together do not make a replica render all the time. Those who come meanwhile share
// it. One that finds no changes is no work.
const (
	restFactor = 20
	maxRest    = 2 * time.Second
)

// catchUpFunc is Store.CatchUp or Tx.CatchUp.
type catchUpFunc func(ctx context.Context, cursor Cursor, known exposition.Keys, apply func(exposition.Change)) (Position, error)

// call is one catch-up, shared by all who asked for it before it began.
type call struct {
	urgent   chan struct{} // closed if somebody cannot wait until it has rested
	hurried  bool          // that it is closed
	done     chan struct{}
	snapshot *exposition.Snapshot
	err      error
}

// catchUp returns a snapshot that shows everything that was committed before
// the call.
func (f *follower) catchUp(ctx context.Context) (*exposition.Snapshot, error) {
	return f.join(ctx, true)
}

// scrape does so, too, but may wait for other scrapes.
func (f *follower) scrape(ctx context.Context) (*exposition.Snapshot, error) {
	return f.join(ctx, false)
}

func (f *follower) join(ctx context.Context, urgent bool) (*exposition.Snapshot, error) {
	f.callMu.Lock()
	c := f.next
	if c == nil {
		c = &call{urgent: make(chan struct{}), done: make(chan struct{})}
		f.next = c
		f.calls.Go(func() { f.run(c) })
	}
	if urgent && !c.hurried {
		c.hurried = true
		close(c.urgent)
	}
	f.callMu.Unlock()
	select {
	case <-c.done:
		return c.snapshot, c.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
}

func (f *follower) run(c *call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.callMu.Lock()
	rest := time.Until(f.restUntil)
	f.callMu.Unlock()
	if rest > 0 {
		f.mu.Unlock() // others may have to catch up in a transaction
		select {
		case <-time.After(rest):
		case <-c.urgent:
		case <-f.base.Done():
		}
		f.mu.Lock()
	}
	f.callMu.Lock()
	f.next = nil // whoever comes from now on has come too late for this one
	f.callMu.Unlock()
	defer close(c.done)
	if f.cursor != nil {
		c.snapshot, c.err = f.advance(f.base, f.store.CatchUp)
		if !errors.Is(c.err, ErrVoid) {
			return
		}
		f.logger.Info("reading all groups again: the database has restarted after a crash, was restored or trimmed, or is another server")
		f.cursor = nil
	}
	c.snapshot, c.err = f.advance(f.base, f.store.CatchUp)
}

// advance applies what has changed since the cursor. The caller holds f.mu.
func (f *follower) advance(ctx context.Context, catchUp catchUpFunc) (*exposition.Snapshot, error) {
	start := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stuck := time.AfterFunc(f.timeout, cancel)
	defer stuck.Stop()
	everything, groups := f.cursor == nil, 0
	var changes time.Time // when the first ones came
	position, err := catchUp(ctx, f.cursor, f.state.Key, func(c exposition.Change) {
		stuck.Reset(f.timeout)
		f.cursor = nil // a state that is changed halfway is nobody's
		if changes.IsZero() {
			changes = time.Now()
		}
		f.state.Apply(c)
		groups += len(c.Groups)
	})
	if err != nil {
		f.metrics.catchUpFailures.Inc()
		return nil, err
	}
	f.cursor = position.Cursor
	f.catalog.reset(position.Epoch)
	snapshot := f.state.Snapshot()
	f.latest.Store(&caughtUp{snapshot, start})
	if !everything && groups > 0 {
		f.rest(time.Since(changes))
	}
	f.release(everything, groups, snapshot.Len())
	f.metrics.observeCatchUp(everything, groups, time.Since(start))
	f.reportClashes(snapshot)
	return snapshot, nil
}

// rest puts the next catch-up for scrapes off after one that has worked so long.
func (f *follower) rest(worked time.Duration) {
	f.callMu.Lock()
	defer f.callMu.Unlock()
	f.restUntil = time.Now().Add(min(restFactor*worked, maxRest))
}

// release gives memory back to the system after a catch-up of so many groups, if
// that was a large part of all: then the texts of old and new were in memory
// together, and the runtime would keep that for minutes. As it costs a good part
// of what the catch-up did, it waits if it was done a short while ago, but for
// the first time after everything was read.
func (f *follower) release(everything bool, groups, all int) {
	if groups < 1000 || 4*groups < all {
		return
	}
	if everything {
		f.calls.Go(debug.FreeOSMemory)
		return
	}
	if !f.releasing.CompareAndSwap(false, true) {
		return
	}
	f.calls.Go(func() {
		select {
		case <-time.After(time.Until(f.released.Add(releaseInterval))):
		case <-f.base.Done():
			return
		}
		debug.FreeOSMemory()
		f.released = time.Now()
		f.releasing.Store(false)
	})
}

// reportClashes logs each family once when a clash hides it.
func (f *follower) reportClashes(s *exposition.Snapshot) {
	names := s.Hidden()
	if len(names) == 0 && len(f.hidden) == 0 {
		return
	}
	hidden := make(map[string]bool, len(names))
	for _, name := range names {
		hidden[name] = true
		if !f.hidden[name] {
			f.metrics.clashes.Inc()
			f.logger.Warn("metric family left out of the exposition: groups disagree on it; push it consistently or delete the groups that do not", "family", name)
		}
	}
	f.hidden = hidden
}

// keepProtobuf makes the state have the protobuf exposition, too, after the
// next catch-up.
func (f *follower) keepProtobuf() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.state.WantProtobuf() {
		f.state.EnableProtobuf()
		f.cursor = nil
		f.rest(0) // who asks for it has waited once already
	}
}

// within returns the last snapshot if it was current at most d ago.
func (f *follower) within(d time.Duration) *exposition.Snapshot {
	last := f.latest.Load()
	if last == nil || time.Since(last.at) > d {
		return nil
	}
	return last.snapshot
}

// wait returns when no catch-up runs any more.
func (f *follower) wait() { f.calls.Wait() }
