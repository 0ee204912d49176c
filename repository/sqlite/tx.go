package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/internal/rows"
)

// tx is a repository.Tx. It has the writer, and so all locks that there are.
type tx struct {
	store    *Store
	deadline time.Time
	at       position
	open     bool
	// commit, if it is not zero, is made by the end of the transaction, or with
	// fence never will be.
	commit uuid.UUID
	fence  bool
}

// position is which commit a snapshot shows last.
type position struct{ epoch, seq int64 }

const positionSQL = `SELECT epoch, seq FROM catalog`

// begin starts a transaction that ends at the deadline.
func (s *Store) begin(ctx context.Context, deadline time.Time) (*tx, error) {
	if err := s.writer.take(ctx, deadline); err != nil {
		return nil, err
	}
	t := &tx{store: s, deadline: deadline, open: true}
	err := s.writer.patiently(ctx, deadline, s.writer.begin)
	if isBusy(err) {
		t.Rollback()
		return nil, fmt.Errorf("%w: %w", repository.ErrDeadline, wrap(err))
	}
	if err == nil {
		t.at, err = t.position()
	}
	if err != nil {
		t.Rollback()
		return nil, t.failed(wrap(err))
	}
	return t, nil
}

func (t *tx) position() (position, error) {
	s, err := t.store.writer.prepare(positionSQL)
	if err != nil {
		return position{}, err
	}
	var p position
	err = s.QueryRow().Scan(&p.epoch, &p.seq)
	return p, err
}

// failed notes it if the disk does not take commits.
func (t *tx) failed(err error) error {
	if errors.Is(err, repository.ErrUnavailable) {
		t.store.failure.Store(&failure{err, time.Now()})
	}
	return err
}

// exec returns how many rows the statement changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	n, err := t.store.writer.exec(query, args...)
	if err != nil {
		return 0, t.failed(wrap(err))
	}
	return n, nil
}

// query implements querier.
func (t *tx) query(query string, args ...any) (*sql.Rows, error) {
	s, err := t.store.writer.prepare(query)
	if err != nil {
		return nil, wrap(err)
	}
	rows, err := s.Query(args...)
	return rows, wrap(err)
}

// get scans the only row of a query and reports whether there is one.
func (t *tx) get(targets []any, query string, args ...any) (bool, error) {
	s, err := t.store.writer.prepare(query)
	if err == nil {
		err = s.QueryRow(args...).Scan(targets...)
	}
	if err == sql.ErrNoRows {
		return false, nil
	}
	return err == nil, wrap(err)
}

// BeginExclusive implements repository.Store.
func (s *Store) BeginExclusive(ctx context.Context, deadline time.Time) (repository.Tx, error) {
	t, err := s.begin(ctx, deadline)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// BeginJobs implements repository.Store.
func (s *Store) BeginJobs(ctx context.Context, epoch int64, deadline time.Time, jobs []string) (repository.Tx, map[string][]string, error) {
	t, err := s.begin(ctx, deadline)
	if err != nil {
		return nil, nil, err
	}
	shapes, err := t.shapes(epoch, jobs)
	if err != nil {
		t.Rollback()
		return nil, nil, err
	}
	return t, shapes, nil
}

func (t *tx) shapes(epoch int64, jobs []string) (map[string][]string, error) {
	if err := t.checkEpoch(epoch); err != nil {
		return nil, err
	}
	shapes := make(map[string][]string, len(jobs))
	for _, job := range jobs {
		rows, err := t.query(`SELECT shape FROM shapes WHERE job = ?`, job)
		if err != nil {
			return nil, err
		}
		var shape []byte
		err = forEach(rows, []any{&shape}, func() error {
			shapes[job] = append(shapes[job], string(shape))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return shapes, nil
}

func (t *tx) checkEpoch(epoch int64) error {
	if t.at.epoch != epoch {
		return &repository.StaleEpochError{Epoch: t.at.epoch}
	}
	return nil
}

// CatchUp implements repository.Tx.
func (t *tx) CatchUp(ctx context.Context, c repository.Cursor, known exposition.Keys, apply func(exposition.Change)) (repository.Position, error) {
	if err := t.check(ctx); err != nil {
		return repository.Position{}, err
	}
	return t.store.catchUp(ctx, t, t.at, c, known, apply)
}

// Groups implements repository.Tx.
func (t *tx) Groups(ctx context.Context, keys []exposition.GroupingKey) ([]exposition.Group, error) {
	if err := t.check(ctx); err != nil {
		return nil, err
	}
	digests := make([]exposition.Digest, len(keys))
	for i, k := range keys {
		digests[i] = k.Digest()
	}
	var groups []exposition.Group
	err := t.store.groupsOf(ctx, t, new(rows.Decoder), digests, func(_ exposition.Digest, g exposition.Group, _ int) { groups = append(groups, g) })
	return groups, err
}

// Claim implements repository.Tx.
func (t *tx) Claim(ctx context.Context, names []repository.Claim, job repository.JobShape) (int64, error) {
	if err := t.check(ctx); err != nil {
		return 0, err
	}
	for _, n := range names {
		_, err := t.exec(`INSERT INTO names (name, owner, type, mixed) VALUES (?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, type = excluded.type, mixed = excluded.mixed`,
			n.Name, n.Owner, n.Type.String(), n.Mixed)
		if err != nil {
			return 0, err
		}
	}
	_, err := t.exec(`INSERT INTO jobs (job, shape, shared) VALUES (?, ?, ?)
		ON CONFLICT (job) DO UPDATE SET shape = excluded.shape, shared = excluded.shared`,
		job.Job, []byte(job.Shape), job.Shared)
	if err != nil {
		return 0, err
	}
	return t.bump()
}

// bump changes the epoch.
func (t *tx) bump() (int64, error) {
	if _, err := t.exec(`UPDATE catalog SET epoch = epoch + 1`); err != nil {
		return 0, err
	}
	t.at.epoch++
	return t.at.epoch, nil
}

// Prune implements repository.Tx.
func (t *tx) Prune(ctx context.Context, held repository.Held) error {
	if err := t.check(ctx); err != nil {
		return err
	}
	names := make(map[string]bool, len(held.Names))
	for _, n := range held.Names {
		names[n] = true
	}
	shapes := make(map[string][]string, len(held.Shapes))
	for _, s := range held.Shapes {
		shapes[s.Job] = append(shapes[s.Job], s.Shape)
	}
	for _, prune := range []func() error{
		func() error { return t.pruneNames(names) },
		func() error { return t.pruneJobs(shapes) },
		func() error { _, err := t.bump(); return err },
	} {
		if err := prune(); err != nil {
			return err
		}
	}
	return t.finish(ctx, nil, false)
}

func (t *tx) pruneNames(held map[string]bool) error {
	all, err := t.strings(`SELECT name FROM names`)
	for _, name := range all {
		if err == nil && !held[name] {
			_, err = t.exec(`DELETE FROM names WHERE name = ?`, name)
		}
	}
	return err
}

func (t *tx) pruneJobs(held map[string][]string) error {
	all, err := t.strings(`SELECT job FROM jobs UNION SELECT job FROM shapes`)
	if err != nil {
		return err
	}
	for _, job := range all {
		if err := t.pruneJob(job, held[job]); err != nil {
			return err
		}
	}
	return nil
}

// pruneJob leaves a job the shapes that it still has.
func (t *tx) pruneJob(job string, shapes []string) error {
	if _, err := t.exec(`DELETE FROM shapes WHERE job = ?`, job); err != nil {
		return err
	}
	if len(shapes) == 0 {
		_, err := t.exec(`DELETE FROM jobs WHERE job = ?`, job)
		return err
	}
	if len(shapes) == 1 {
		_, err := t.exec(`UPDATE jobs SET shape = ?, shared = 0 WHERE job = ?`, []byte(shapes[0]), job)
		return err
	}
	for _, shape := range shapes {
		if _, err := t.exec(addShapeSQL, job, []byte(shape)); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) strings(query string) ([]string, error) {
	rows, err := t.query(query)
	if err != nil {
		return nil, err
	}
	var all []string
	var s string
	err = forEach(rows, []any{&s}, func() error {
		all = append(all, s)
		return nil
	})
	return all, err
}

// Commit implements repository.Tx.
func (t *tx) Commit(ctx context.Context, c *repository.Commit) error {
	if err := t.check(ctx); err != nil {
		return err
	}
	keys, err := t.write(c)
	if err != nil {
		return err
	}
	t.commit = c.ID
	return t.finish(ctx, keys, false)
}

// check returns an error if it is too late for the transaction.
func (t *tx) check(ctx context.Context) error {
	if err := ended(ctx); err != nil {
		return err
	}
	if time.Now().After(t.deadline) {
		return repository.ErrDeadline
	}
	return nil
}

// finish commits the transaction, which has changed the groups of the keys, or
// wiped all.
func (t *tx) finish(ctx context.Context, keys []exposition.Digest, wipe bool) error {
	t.at.seq++ // unless rows of the history have taken numbers, this is the first
	if _, err := t.exec(`UPDATE catalog SET seq = ?`, t.at.seq); err != nil {
		return err
	}
	if err := t.check(ctx); err != nil {
		return err
	}
	s := t.store
	s.feed.announce(t.at.seq, keys, wipe)
	err := s.writer.patiently(ctx, t.deadline, `COMMIT`)
	s.feed.settle(err == nil)
	if isBusy(err) {
		return repository.ErrDeadline
	}
	if err != nil {
		return t.failed(wrapCommit(err))
	}
	if t.commit != uuid.Nil {
		s.fate.set(t.commit, !t.fence)
	}
	s.failure.Store(nil)
	s.restartLog()
	t.open = false
	s.writer.give()
	return nil
}

// Rollback implements repository.Tx.
func (t *tx) Rollback() {
	if !t.open {
		return
	}
	t.open = false
	// After some errors SQLite has rolled back by itself, which is one more
	// error here. A connection on which none helps is of no use any more.
	if _, err := t.store.writer.exec(`ROLLBACK`); err != nil && !isStatement(err) {
		t.store.writer.drop()
	}
	t.store.writer.give()
}
