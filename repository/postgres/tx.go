package postgres

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/internal/rows"
)

// tx is a repository.Tx: a transaction that holds locks over several round
// trips. Should this process freeze, idle_in_transaction_session_timeout frees
// them.
type tx struct {
	pgx.Tx
	store    *Store
	deadline time.Time
}

// BeginExclusive implements repository.Store.
func (s *Store) BeginExclusive(ctx context.Context, deadline time.Time) (repository.Tx, error) {
	t, err := s.beginTx(ctx, deadline)
	if err != nil {
		return nil, err
	}
	ctx, cancel := t.within(ctx)
	defer cancel()
	if _, err := t.Exec(ctx, `SELECT lock_catalog($1::timestamptz)`, s.clock.at(deadline)); err != nil {
		t.Rollback()
		return nil, t.wrap(err)
	}
	return t, nil
}

// BeginJobs implements repository.Store.
func (s *Store) BeginJobs(ctx context.Context, epoch int64, deadline time.Time, jobs []string) (repository.Tx, map[string][]string, error) {
	t, err := s.beginTx(ctx, deadline)
	if err != nil {
		return nil, nil, err
	}
	shapes, err := t.lockJobs(ctx, epoch, jobs)
	if err != nil {
		t.Rollback()
		return nil, nil, t.wrap(err)
	}
	return t, shapes, nil
}

func (s *Store) beginTx(ctx context.Context, deadline time.Time) (*tx, error) {
	t := &tx{store: s, deadline: deadline}
	ctx, cancel := t.within(ctx)
	defer cancel()
	var err error
	t.Tx, err = s.begin(ctx)
	return t, err
}

func (t *tx) lockJobs(ctx context.Context, epoch int64, jobs []string) (map[string][]string, error) {
	ctx, cancel := t.within(ctx)
	defer cancel()
	names := make(map[[32]byte]string, len(jobs))
	digests := make([][]byte, len(jobs))
	locks := make([]int64, len(jobs))
	for i, job := range jobs {
		d := digest(job)
		digests[i], names[d] = d[:], job
		locks[i] = int64(binary.BigEndian.Uint64(d[:]))
	}
	slices.Sort(locks)
	rows, err := t.Query(ctx, `SELECT job, shape FROM lock_jobs($1::bigint, $2::timestamptz, $3::bigint[], $4::bytea[])`,
		epoch, t.store.clock.at(t.deadline), locks, digests)
	if err != nil {
		return nil, err
	}
	shapes := make(map[string][]string, len(jobs))
	var job, shape []byte
	_, err = pgx.ForEachRow(rows, []any{&job, &shape}, func() error {
		name := names[[32]byte(job)]
		shapes[name] = append(shapes[name], string(shape))
		return nil
	})
	return shapes, err
}

// CatchUp implements repository.Tx.
func (t *tx) CatchUp(ctx context.Context, c repository.Cursor, known exposition.Keys, apply func(exposition.Change)) (repository.Position, error) {
	ctx, cancel := t.within(ctx)
	defer cancel()
	return t.store.catchUp(ctx, t, c, known, apply)
}

// Groups implements repository.Tx.
func (t *tx) Groups(ctx context.Context, keys []exposition.GroupingKey) ([]exposition.Group, error) {
	ctx, cancel := t.within(ctx)
	defer cancel()
	digests := make([][]byte, len(keys))
	for i, k := range keys {
		d := k.Digest()
		digests[i] = d[:]
	}
	found, err := t.Query(ctx, `SELECT `+groupColumns+` FROM push_group g WHERE g.key = ANY ($1::bytea[])`, digests)
	if err != nil {
		return nil, t.wrap(err)
	}
	var groups []exposition.Group
	var row groupRow
	var decoder rows.Decoder
	_, err = pgx.ForEachRow(found, row.targets(), func() error {
		g, err := row.group(&decoder)
		if err != nil {
			t.store.reportUnreadable(row.key, err)
			return nil
		}
		groups = append(groups, g)
		return nil
	})
	return groups, t.wrap(err)
}

// Claim implements repository.Tx.
func (t *tx) Claim(ctx context.Context, names []repository.Claim, job repository.JobShape) (int64, error) {
	ctx, cancel := t.within(ctx)
	defer cancel()
	digests, owned := make([][]byte, len(names)), make([]string, len(names))
	owners, types, mixed := make([]string, len(names)), make([]string, len(names)), make([]bool, len(names))
	for i, n := range names {
		digests[i], owned[i], owners[i], types[i], mixed[i] = digestBytes(n.Name), n.Name, n.Owner, n.Type.String(), n.Mixed
	}
	var epoch int64
	err := t.QueryRow(ctx, `SELECT claim($1::bytea[], $2::text[], $3::text[], $4::text[], $5::boolean[],
		$6::bytea, $7::text, $8::bytea, $9::boolean)`,
		digests, owned, owners, types, mixed, digestBytes(job.Job), job.Job, digestBytes(job.Shape), job.Shared).Scan(&epoch)
	return epoch, t.wrap(err)
}

// Prune implements repository.Tx.
func (t *tx) Prune(ctx context.Context, held repository.Held) error {
	ctx, cancel := t.within(ctx)
	defer cancel()
	names := make([][]byte, len(held.Names))
	for i, n := range held.Names {
		names[i] = digestBytes(n)
	}
	jobs, shapes := [][]byte{}, [][]byte{}
	for _, j := range held.Shapes {
		jobs, shapes = append(jobs, digestBytes(j.Job)), append(shapes, digestBytes(j.Shape))
	}
	batch := &pgx.Batch{}
	// NOT IN is looked up in a hash table, whatever the settings of a commit.
	batch.Queue(`DELETE FROM names WHERE digest NOT IN (SELECT unnest($1::bytea[]))`, names)
	batch.Queue(`DELETE FROM shapes WHERE (job, digest) NOT IN (SELECT * FROM unnest($1::bytea[], $2::bytea[]))`, jobs, shapes)
	batch.Queue(`DELETE FROM jobs WHERE digest NOT IN (SELECT unnest($1::bytea[]))`, jobs)
	batch.Queue(`UPDATE jobs j SET shared = false, shape = h.shape
		FROM (SELECT u.job, (array_agg(u.shape))[1] FROM unnest($1::bytea[], $2::bytea[]) u (job, shape) GROUP BY u.job HAVING count(*) = 1) h (job, shape)
		WHERE h.job = j.digest AND j.shared`, jobs, shapes)
	batch.Queue(`UPDATE catalog SET epoch = epoch + 1`)
	if err := t.SendBatch(ctx, batch).Close(); err != nil {
		return t.wrap(err)
	}
	return t.finish(ctx)
}

// Commit implements repository.Tx.
func (t *tx) Commit(ctx context.Context, c *repository.Commit) error {
	ctx, cancel := t.within(ctx)
	defer cancel()
	if err := rows.CheckNUL(c.Groups); err != nil {
		return err
	}
	if err := t.store.commit(ctx, t.Conn(), c); err != nil {
		return t.wrapNotPlain(err, c)
	}
	if err := t.setTimes(ctx, c.Groups); err != nil {
		return t.wrap(err)
	}
	return t.finish(ctx)
}

// setTimes gives the groups that are restored their times.
func (t *tx) setTimes(ctx context.Context, groups []repository.GroupChange) error {
	var keys [][]byte
	var pushed, failed []*time.Time
	var families []string
	for _, g := range groups {
		if g.Times == nil {
			continue
		}
		key := g.Key.Digest()
		times, err := json.Marshal(g.Times.Families)
		if err != nil {
			return err
		}
		if len(g.Times.Families) == 0 {
			times = []byte("{}")
		}
		keys, families = append(keys, key[:]), append(families, string(times))
		pushed, failed = append(pushed, optionalTime(g.Times.Pushed)), append(failed, optionalTime(g.Times.Failed))
	}
	if len(keys) == 0 {
		return nil
	}
	_, err := t.Exec(ctx, `UPDATE push_group g SET pushed_at = u.pushed, push_failed_at = u.failed, family_times = u.families::jsonb
		FROM unnest($1::bytea[], $2::timestamptz[], $3::timestamptz[], $4::text[]) u (key, pushed, failed, families)
		WHERE g.key = u.key AND g.key = ANY ($1::bytea[])`, keys, pushed, failed, families)
	return err
}

// optionalTime makes a zero time NULL.
func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (t *tx) finish(ctx context.Context) error { return wrapCommit(t.Tx.Commit(ctx)) }

// Rollback implements repository.Tx.
func (t *tx) Rollback() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	t.Tx.Rollback(ctx) // after an error the pool ends the connection, and with it the transaction
}

// within bounds a round trip by the transaction's deadline.
func (t *tx) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadline(ctx, t.deadline.Add(grace))
}

func (t *tx) wrap(err error) error {
	if now, ok := deadlineClock(err); ok {
		t.store.clock.set(now)
	}
	return wrap(err)
}

func (t *tx) wrapNotPlain(err error, c *repository.Commit) error {
	if translated, ok := notPlain(err, c.Names, c.Jobs); ok {
		return translated
	}
	return t.wrap(err)
}
