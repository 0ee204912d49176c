package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/internal/rows"
)

// The casts tell poolers' modes, which send no types, what the arguments are.
const commitSQL = `SELECT commit_pushes(
	$1::uuid, $2::bigint, $3::timestamptz, $4::text, $5::boolean,
	$6::bytea[], $7::text[], $8::text[], $9::text[],
	$10::bytea[], $11::text[], $12::bytea[],
	$13::bytea[], $14::bytea[], $15::bytea[],
	$16::bytea[], $17::text[], $18::text[],
	$19::bytea[], $20::text[], $21::text[],
	$22::boolean[], $23::boolean[], $24::boolean[], $25::boolean[], $26::boolean[],
	$27::text[], $28::text[],
	$29::bytea[], $30::text[], $31::text[], $32::text[], $33::text[], $34::text[],
	$35::integer[], $36::text[], $37::integer[], $38::integer[],
	$39::text[], $40::text[], $41::text[], $42::text[], $43::boolean[])`

// querier is a pool, a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Commit implements repository.Store. It is one statement, so that a client
// that freezes halfway holds no locks, and one round trip.
func (s *Store) Commit(ctx context.Context, c *repository.Commit) error {
	ctx, cancel := context.WithDeadline(ctx, c.Deadline.Add(grace))
	defer cancel()
	err := s.commit(ctx, s.pool, c)
	if !isIsolation(err) {
		return s.commitError(err, c)
	}
	// The server's default is another isolation level: say it each time.
	tx, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	if err := s.commit(ctx, tx, c); err != nil {
		return s.commitError(err, c)
	}
	return wrapCommit(tx.Commit(ctx))
}

// grace is how long after its deadline the answer to a commit may arrive: it
// tells that nothing was written, which is better than not to know.
const grace = 500 * time.Millisecond

// commit calls commit_pushes. A Store's own commits sort c's names and jobs.
func (s *Store) commit(ctx context.Context, q querier, c *repository.Commit) error {
	a := newArguments(c, s.replica, s.clock.at(c.Deadline))
	var at time.Time
	if err := q.QueryRow(ctx, commitSQL, a.list()...).Scan(&at); err != nil {
		return err
	}
	s.clock.set(at)
	return nil
}

func (s *Store) commitError(err error, c *repository.Commit) error {
	if now, ok := deadlineClock(err); ok {
		s.clock.set(now)
	}
	if translated, ok := notPlain(err, c.Names, c.Jobs); ok {
		return translated
	}
	return wrapCommit(err)
}

// arguments are those of commit_pushes.
type arguments struct {
	c        *repository.Commit
	replica  string
	notAfter time.Time
	names    struct {
		digests              [][]byte
		names, owners, types []string
	}
	jobs struct {
		digests, shapes [][]byte
		jobs            []string
	}
	shapes   struct{ jobs, digests, shapes [][]byte }
	requests struct {
		ids      [][]byte
		outcomes []string
		reasons  []*string
	}
	groups struct {
		keys                                    [][]byte
		labels, jobs                            []string
		deleted, reset, replace, pushed, failed []bool
		families                                []string
		cleared                                 []*string
	}
	history struct {
		keys                                       [][]byte
		labels, jobs, methods, outcomes            []string
		reasons                                    []*string
		affected                                   []*int32
		families                                   []*string
		series, bytes                              []int32
		clients, usernames, userAgents, requestIDs []*string
		successes                                  []*bool
	}
}

func newArguments(c *repository.Commit, replica string, notAfter time.Time) *arguments {
	a := &arguments{c: c, replica: replica, notAfter: notAfter}
	slices.SortFunc(c.Names, func(x, y repository.Claim) int { return bytes.Compare(digest(x.Name), digest(y.Name)) })
	slices.SortFunc(c.Jobs, func(x, y repository.JobShape) int { return bytes.Compare(digest(x.Job), digest(y.Job)) })
	for _, n := range c.Names {
		a.names.digests = append(a.names.digests, digest(n.Name))
		a.names.names = append(a.names.names, n.Name)
		a.names.owners = append(a.names.owners, n.Owner)
		a.names.types = append(a.names.types, n.Type.String())
	}
	for _, j := range c.Jobs {
		a.jobs.digests = append(a.jobs.digests, digest(j.Job))
		a.jobs.jobs = append(a.jobs.jobs, j.Job)
		a.jobs.shapes = append(a.jobs.shapes, digest(j.Shape))
	}
	for _, j := range c.Shapes {
		a.shapes.jobs = append(a.shapes.jobs, digest(j.Job))
		a.shapes.digests = append(a.shapes.digests, digest(j.Shape))
		a.shapes.shapes = append(a.shapes.shapes, []byte(j.Shape))
	}
	labels := labelCache{}
	for _, g := range c.Groups {
		a.addGroup(g, labels)
	}
	for _, row := range c.History {
		a.addHistory(row, labels)
	}
	a.addRequests()
	return a
}

func (a *arguments) addGroup(g repository.GroupChange, labels labelCache) {
	key := g.Key.Digest()
	a.groups.keys = append(a.groups.keys, key[:])
	a.groups.labels = append(a.groups.labels, labels.json(g.Key))
	a.groups.jobs = append(a.groups.jobs, g.Key.Job())
	a.groups.deleted = append(a.groups.deleted, g.Delete)
	a.groups.reset = append(a.groups.reset, g.Reset)
	a.groups.replace = append(a.groups.replace, g.Replace)
	a.groups.pushed = append(a.groups.pushed, g.Pushed)
	a.groups.failed = append(a.groups.failed, g.Failed)
	a.groups.families = append(a.groups.families, orEmptyObject(g.Families))
	var cleared *string
	if len(g.Cleared) > 0 {
		names, _ := json.Marshal(g.Cleared) // strings cannot fail
		cleared = optional(string(names))
	}
	a.groups.cleared = append(a.groups.cleared, cleared)
}

func orEmptyObject(families []byte) string {
	if len(families) == 0 {
		return "{}"
	}
	return string(families)
}

func (a *arguments) addHistory(row repository.HistoryRow, labels labelCache) {
	key := row.Key.Digest()
	h := &a.history
	h.keys = append(h.keys, key[:])
	h.labels = append(h.labels, labels.json(row.Key))
	h.jobs = append(h.jobs, row.Key.Job())
	h.methods = append(h.methods, string(row.Method))
	h.outcomes = append(h.outcomes, rows.Outcome(row.Accepted))
	h.reasons = append(h.reasons, optional(rows.Clean(row.Reason, rows.MaxReason)))
	var affected *int32
	if row.Affected != repository.AsExists {
		affected = new(int32(row.Affected))
	}
	h.affected = append(h.affected, affected)
	h.families = append(h.families, optional(string(row.Families)))
	h.series = append(h.series, int32(row.Series))
	h.bytes = append(h.bytes, int32(row.Bytes))
	h.clients = append(h.clients, optional(rows.Clean(row.Client, rows.MaxHeader)))
	h.usernames = append(h.usernames, optional(rows.Clean(row.Username, rows.MaxHeader)))
	h.userAgents = append(h.userAgents, optional(rows.Clean(row.UserAgent, rows.MaxHeader)))
	h.requestIDs = append(h.requestIDs, optional(rows.Clean(row.ID, rows.MaxHeader)))
	h.successes = append(h.successes, row.Success)
}

// addRequests adds the answers of the requests that a proxy may send again.
func (a *arguments) addRequests() {
	type request struct {
		id  [32]byte
		row *repository.HistoryRow
	}
	var requests []request
	for i := range a.c.History {
		if row := &a.c.History[i]; row.ID != "" {
			requests = append(requests, request{row.Digest(row.Key), row})
		}
	}
	slices.SortFunc(requests, func(x, y request) int { return bytes.Compare(x.id[:], y.id[:]) })
	for _, r := range requests {
		a.requests.ids = append(a.requests.ids, r.id[:])
		a.requests.outcomes = append(a.requests.outcomes, rows.Outcome(r.row.Accepted))
		a.requests.reasons = append(a.requests.reasons, optional(rows.Clean(r.row.Reason, rows.MaxReason)))
	}
}

func (a *arguments) list() []any {
	n, j, s, r, g, h := &a.names, &a.jobs, &a.shapes, &a.requests, &a.groups, &a.history
	return []any{
		a.c.ID.String(), a.c.Epoch, a.notAfter, a.replica, a.c.Unchecked,
		some(n.digests), some(n.names), some(n.owners), some(n.types),
		some(j.digests), some(j.jobs), some(j.shapes),
		some(s.jobs), some(s.digests), some(s.shapes),
		some(r.ids), some(r.outcomes), some(r.reasons),
		some(g.keys), some(g.labels), some(g.jobs),
		some(g.deleted), some(g.reset), some(g.replace), some(g.pushed), some(g.failed),
		some(g.families), some(g.cleared),
		some(h.keys), some(h.labels), some(h.jobs), some(h.methods), some(h.outcomes), some(h.reasons),
		some(h.affected), some(h.families), some(h.series), some(h.bytes),
		some(h.clients), some(h.usernames), some(h.userAgents), some(h.requestIDs), some(h.successes),
	}
}

// some makes a nil slice an empty one: NULL is no array.
func some[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// DeleteGroups implements repository.Store.
func (s *Store) DeleteGroups(ctx context.Context, id uuid.UUID, deadline time.Time, d repository.Deletion) error {
	ctx, cancel := context.WithDeadline(ctx, deadline.Add(grace))
	defer cancel()
	var key []byte
	var labels, job *string
	if d.Method != repository.Wipe {
		k := d.Key.Digest()
		key, labels, job = k[:], optional(labelCache{}.json(d.Key)), optional(d.Key.Job())
	}
	digests := [][]byte{}
	if d.ID != "" {
		request := d.Digest(d.Key)
		digests = append(digests, request[:])
	}
	tx, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	var removed int64
	err = tx.QueryRow(ctx, `SELECT delete_groups($1::uuid, $2::timestamptz, $3::text, $4::bytea, $5::text, $6::text,
		$7::integer, $8::text, $9::text, $10::text, $11::text, $12::bytea[])`,
		id.String(), s.clock.at(deadline), s.replica, key, labels, job, int32(d.Bytes),
		optional(rows.Clean(d.Client, rows.MaxHeader)), optional(rows.Clean(d.Username, rows.MaxHeader)),
		optional(rows.Clean(d.UserAgent, rows.MaxHeader)), optional(rows.Clean(d.ID, rows.MaxHeader)), digests).Scan(&removed)
	if now, ok := deadlineClock(err); ok {
		s.clock.set(now)
	}
	if err != nil {
		return wrap(err)
	}
	return wrapCommit(tx.Commit(ctx))
}

// Fence implements repository.Store. It inserts the commit's id itself: if
// that is possible, the commit has not landed and never can. A commit that is
// still open blocks it until that is decided. The fence has no transaction id,
// so that it is known for one when its own answer got lost.
func (s *Store) Fence(ctx context.Context, id uuid.UUID) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var committed bool
	err := s.pool.QueryRow(ctx, `INSERT INTO feed AS f (commit_id, xid, at, keys)
		VALUES ($1::uuid, '0', clock_timestamp(), '{}')
		ON CONFLICT (commit_id) DO UPDATE SET at = f.at RETURNING xid <> '0'`, id.String()).Scan(&committed)
	return committed, wrap(err)
}

// Answers implements repository.Store.
func (s *Store) Answers(ctx context.Context, digests [][32]byte) (map[[32]byte]repository.Answer, error) {
	ids := make([][]byte, len(digests))
	for i := range digests {
		ids[i] = digests[i][:]
	}
	found, err := s.pool.Query(ctx, `SELECT id, outcome = 'accepted', coalesce(reason, '') FROM push_request WHERE id = ANY ($1::bytea[])`, ids)
	if err != nil {
		return nil, wrap(err)
	}
	answers := make(map[[32]byte]repository.Answer, len(ids))
	var id []byte
	var answer repository.Answer
	_, err = pgx.ForEachRow(found, []any{&id, &answer.Accepted, &answer.Reason}, func() error {
		answers[[32]byte(id)] = answer
		return nil
	})
	return answers, wrap(err)
}

func digest(s string) []byte {
	d := sha256.Sum256([]byte(s))
	return d[:]
}

// optional makes an empty string NULL.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// labelCache renders each key's labels once per commit.
type labelCache map[exposition.Digest]string

func (c labelCache) json(k exposition.GroupingKey) string {
	if s, ok := c[k.Digest()]; ok {
		return s
	}
	s := rows.Labels(k)
	c[k.Digest()] = s
	return s
}
