// Package repository is the gateway between requests and a database. It
// queues pushes and commits them together, keeps the state that scrapes are
// answered from equal to the database's, and defines the Store contract that
// databases fulfil. docs/design.md explains the protocol.
package repository

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// Options of a Repository. The zero value of each field is a usable default,
// except Logger and Registry, which are required.
type Options struct {
	Logger   *slog.Logger
	Registry prometheus.Registerer
	// Unchecked stores pushes that clash with other groups.
	Unchecked bool
	// Committers is how many commits may run at once; default 2.
	Committers int
	// MaxStaleness is how old the snapshot of a scrape may be while the
	// database is away; default 0.
	MaxStaleness time.Duration
	// CatchUpTimeout is how long reading changes may go without progress;
	// default 10 s.
	CatchUpTimeout time.Duration
	// CatchUpInterval is how often changes are read when nobody scrapes, so
	// that a scrape never has too much to catch up with; default 30 s. It is
	// work done for nothing as long as nobody scrapes.
	CatchUpInterval time.Duration
	// Retention is how long the history is kept; default 30 days.
	Retention time.Duration
	// Payload is what the history keeps of what was pushed; default PayloadFull.
	Payload Payload
	// MaintainInterval is how often old rows are trimmed; default 1 min.
	MaintainInterval time.Duration
}

// maxDeletes is how many recursive deletes and wipes may run at once.
const maxDeletes = 2

// MinConnections is how many connections a Store must have for a Repository
// with so many committers: deletes of many groups, catching up and maintenance
// need theirs.
func MinConnections(committers int) int { return committers + maxDeletes + 2 }

// DefaultRetention is how long the history is kept unless Options say so.
const DefaultRetention = 30 * 24 * time.Hour

func (o Options) withDefaults() Options {
	if o.Committers <= 0 {
		o.Committers = 2
	}
	if o.CatchUpTimeout <= 0 {
		o.CatchUpTimeout = 10 * time.Second
	}
	if o.CatchUpInterval <= 0 {
		o.CatchUpInterval = 30 * time.Second
	}
	if o.MaxStaleness > 0 { // what is to be served in an outage must not be that old when it begins
		o.CatchUpInterval = min(o.CatchUpInterval, max(o.MaxStaleness/4, time.Second))
	}
	if o.Retention <= 0 {
		o.Retention = DefaultRetention
	}
	if o.MaintainInterval <= 0 {
		o.MaintainInterval = time.Minute
	}
	return o
}

// Repository is one replica's view of a Store. All methods may be called
// concurrently.
type Repository struct {
	store   Store
	options Options
	logger  *slog.Logger
	metrics *metrics
	catalog *catalog
	follow  *follower
	queue   *queue
	// deletes bounds the connections that deletes of many groups wait on, so
	// that catching up, for which they may wait, always finds one.
	deletes chan struct{}
	// lastCommit is how long the last plain commit took, in nanoseconds.
	lastCommit atomic.Int64

	tried   chan struct{} // closed when the database was asked for the first time
	started atomic.Bool
	stop    context.CancelFunc
	running sync.WaitGroup
}

// New returns a Repository that works on the store as soon as the database
// answers: until then pushes wait within their deadlines. Scrapes wait for the
// first attempt only, and then get ErrUnavailable. Close must be called in the
// end, and closes the store, too.
func New(store Store, options Options) *Repository {
	options = options.withDefaults()
	m := newMetrics(options.Registry)
	r := &Repository{
		store:   store,
		options: options,
		logger:  options.Logger,
		metrics: m,
		catalog: &catalog{names: map[string]Claim{}, jobs: map[string]JobShape{}},
		queue:   newQueue(store.Share),
		deletes: make(chan struct{}, maxDeletes),
		tried:   make(chan struct{}),
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.follow = &follower{
		store: store, catalog: r.catalog, metrics: m, logger: options.Logger, base: ctx,
		timeout: options.CatchUpTimeout, state: exposition.NewState(),
	}
	m.registerState(options.Registry, r)
	r.running.Go(func() { r.run(ctx) })
	return r
}

// Close ends all work: what is queued is answered with ErrUnavailable. The
// caller makes sure that no request is in flight.
func (r *Repository) Close() {
	r.stop()
	r.running.Wait()
	for ops := r.queue.pop(); len(ops) > 0; ops = r.queue.pop() {
		for _, o := range ops {
			o.finish(fmt.Errorf("%w: stopping", ErrUnavailable))
		}
	}
	r.follow.wait()
	r.store.Close()
}

// run brings the database up to date and then works until ctx ends.
func (r *Repository) run(ctx context.Context) {
	if !r.start(ctx) {
		return
	}
	for range r.options.Committers {
		r.running.Go(func() { r.commitLoop(ctx) })
	}
	r.running.Go(func() {
		every(ctx, r.options.CatchUpInterval, func(ctx context.Context) { r.follow.catchUp(ctx) })
	})
	r.running.Go(func() { every(ctx, r.options.MaintainInterval, r.maintain) })
}

// start waits for the database and its schema. It reports false when ctx ends
// first.
func (r *Repository) start(ctx context.Context) bool {
	err := r.prepare(ctx)
	r.started.Store(err == nil)
	close(r.tried)
	for pause := 100 * time.Millisecond; err != nil; pause = min(2*pause, 5*time.Second) {
		if ctx.Err() != nil {
			return false
		}
		r.logger.Warn("waiting for the database", "err", err, "retry_in", pause)
		if !sleep(ctx, pause) {
			return false
		}
		err = r.prepare(ctx)
	}
	r.started.Store(true)
	r.logger.Info("connected to the database")
	return true
}

func (r *Repository) prepare(ctx context.Context) error {
	if err := r.store.Migrate(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := r.store.Maintain(ctx, r.options.Retention); err != nil {
		r.logger.Warn("maintenance failed, trying again later", "err", err)
	}
	_, err := r.follow.catchUp(ctx)
	return err
}

func (r *Repository) maintain(ctx context.Context) {
	if err := r.store.Maintain(ctx, r.options.Retention); err != nil && ctx.Err() == nil {
		r.logger.Warn("maintenance failed, trying again later", "err", err)
	}
	if err := r.prune(ctx); err != nil && ctx.Err() == nil {
		r.logger.Warn("pruning the catalog failed, trying again later", "err", err)
	}
}

// Push stores a push. It returns nil when the push is durable and visible in
// every scrape, of every replica, that starts later; p.Refused or another
// exposition error when it is refused and that is durable; else ErrUnavailable,
// as which ErrOverloaded and ErrUnknown count, or ErrConflict.
func (r *Repository) Push(ctx context.Context, p Push) error {
	return r.submit(ctx, p)
}

// Delete removes a group, or with d.Recursive all groups whose keys contain
// the labels. Its errors are those of Push.
func (r *Repository) Delete(ctx context.Context, d Deletion) error {
	if d.Recursive {
		return r.deleteGroups(ctx, d)
	}
	return r.submit(ctx, Push{Request: d.Request, Key: d.Key, Silent: d.Silent})
}

// Wipe removes all groups. Its errors are those of Push.
func (r *Repository) Wipe(ctx context.Context, req Request) error {
	return r.deleteGroups(ctx, Deletion{Request: req})
}

func (r *Repository) submit(ctx context.Context, p Push) error {
	o := newOp(p, commitDeadline(ctx), r.options.Payload)
	if !r.queue.put(o) {
		return fmt.Errorf("%w: too many pushes wait", ErrOverloaded)
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		if r.queue.remove(o) {
			return fmt.Errorf("%w: no commit in time", ErrUnavailable)
		}
		return fmt.Errorf("%w: no answer in time", ErrUnknown)
	}
}

// commitDeadline leaves a fifth of the time that ctx has, at most a second,
// for finding out what became of a commit.
func commitDeadline(ctx context.Context) time.Time {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Now().Add(4 * time.Second)
	}
	return deadline.Add(-min(time.Until(deadline)/5, time.Second))
}

// Snapshot returns what a scrape that starts now has to show. While the
// database is away it returns a snapshot that was current at most MaxStaleness
// ago, or ErrUnavailable. With protobuf, the snapshot can be written as such.
func (r *Repository) Snapshot(ctx context.Context, protobuf bool) (*exposition.Snapshot, error) {
	s, err := r.current(ctx)
	if err == nil && protobuf && !s.HasProtobuf() {
		r.follow.keepProtobuf()
		s, err = r.current(ctx)
	}
	if err != nil {
		return nil, err
	}
	if protobuf && !s.HasProtobuf() {
		return nil, fmt.Errorf("%w: protobuf can be had when it is back", ErrUnavailable)
	}
	return s, nil
}

func (r *Repository) current(ctx context.Context) (*exposition.Snapshot, error) {
	err := r.begun(ctx)
	if err == nil {
		var s *exposition.Snapshot
		if s, err = r.follow.scrape(ctx); err == nil {
			return s, nil
		}
	}
	if s := r.follow.within(r.options.MaxStaleness); s != nil {
		return s, nil
	}
	return nil, unavailable(err)
}

// Groups passes all groups as they are stored now to yield, in no particular
// order, until that returns an error.
func (r *Repository) Groups(ctx context.Context, yield func(exposition.Group) error) error {
	if err := r.begun(ctx); err != nil {
		return err
	}
	return r.store.Groups(ctx, yield)
}

// begun returns nil if the database has answered. Who asks a process that has
// just been started, as proxies do at once, waits for the first attempt.
func (r *Repository) begun(ctx context.Context) error {
	select {
	case <-r.tried:
	case <-ctx.Done():
	}
	if !r.started.Load() {
		return fmt.Errorf("%w: still waiting for it", ErrUnavailable)
	}
	return nil
}

// History passes the history to yield in the order in which it happened, from
// the row after the one with that Seq on, until that returns an error.
func (r *Repository) History(ctx context.Context, after int64, yield func(HistoryRow) error) error {
	return r.store.History(ctx, after, yield)
}

// AddHistory adds rows that were copied from another database's history. See
// Store.AddHistory.
func (r *Repository) AddHistory(ctx context.Context, rows []HistoryRow) error {
	return r.store.AddHistory(ctx, rows)
}

// HistorySize returns how many rows the history has, and the last Seq.
func (r *Repository) HistorySize(ctx context.Context) (rows, last int64, err error) {
	return r.store.HistorySize(ctx)
}

// Ready returns nil if pushes and scrapes would be answered now.
func (r *Repository) Ready(ctx context.Context) error {
	if !r.started.Load() {
		return fmt.Errorf("%w: still waiting for it", ErrUnavailable)
	}
	return r.store.Ping(ctx)
}

// deleteGroups removes many groups in a commit of its own.
func (r *Repository) deleteGroups(ctx context.Context, d Deletion) error {
	deadline := commitDeadline(ctx)
	select {
	case r.deletes <- struct{}{}:
		defer func() { <-r.deletes }()
	case <-ctx.Done():
		return fmt.Errorf("%w: no answer in time", ErrUnavailable)
	}
	for attempt := 0; ; attempt++ {
		if !r.started.Load() {
			if !sleep(ctx, 50*time.Millisecond) || time.Until(deadline) < minBudget {
				return fmt.Errorf("%w: still waiting for it", ErrUnavailable)
			}
			continue
		}
		id := newID()
		start := time.Now()
		err := r.store.DeleteGroups(ctx, id, deadline, d)
		r.metrics.observeCommit("delete", 1, time.Since(start), err)
		if errors.Is(err, ErrUnknown) {
			committed, fenceErr := r.store.Fence(ctx, id)
			switch {
			case fenceErr != nil:
			case committed:
				err = nil
			default:
				err = errNotLanded
			}
		}
		switch {
		case err == nil, errors.Is(err, ErrSeen):
			return nil
		case ctx.Err() != nil, time.Until(deadline) < minBudget:
			return unavailable(err)
		case errors.Is(err, ErrData):
			return err
		}
		if !sleep(ctx, backoff(attempt)) {
			return unavailable(err)
		}
	}
}

// prune makes the database forget names that no group has any more, once this
// replica has seen many of them.
func (r *Repository) prune(ctx context.Context) error {
	stats := r.follow.latest.Load().snapshot.Stats()
	if names, jobs := r.catalog.size(); names < 10_000+8*stats.Families && jobs < 10_000+8*stats.Groups {
		return nil
	}
	tx, err := r.store.BeginExclusive(ctx, time.Now().Add(5*time.Second))
	if err != nil {
		return err
	}
	defer tx.Rollback()
	held, err := r.held(ctx, tx)
	if err != nil {
		return err
	}
	return tx.Prune(ctx, held)
}

func (r *Repository) held(ctx context.Context, tx Tx) (Held, error) {
	r.follow.mu.Lock()
	defer r.follow.mu.Unlock()
	if _, err := r.follow.advance(ctx, tx.CatchUp); err != nil {
		return Held{}, err
	}
	var held Held
	for name := range r.follow.state.Names() {
		held.Names = append(held.Names, name)
	}
	for job, shapes := range r.follow.state.Jobs() {
		for _, shape := range shapes {
			held.Shapes = append(held.Shapes, JobShape{Job: job, Shape: shape, Shared: len(shapes) > 1})
		}
	}
	return held, nil
}

// unavailable makes err an ErrUnavailable or ErrConflict if it is neither.
func unavailable(err error) error {
	if err == nil {
		return ErrUnavailable
	}
	if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrConflict) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// every calls f once per interval until ctx ends.
func every(ctx context.Context, interval time.Duration, f func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f(ctx)
		}
	}
}

// sleep waits, and reports false if ctx ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
