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
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/internal/rows"
)

// commitSQL returns the time of the commit and the number of its transaction. The
// casts tell the server what the arguments are.
const commitSQL = `SELECT commit_pushes(
	$1::uuid, $2::bigint, $3::timestamptz, $4::text, $5::boolean,
	$6::bytea[], $7::text[], $8::text[], $9::text[],
	$10::bytea[], $11::text[], $12::bytea[],
	$13::bytea[], $14::bytea[], $15::bytea[],
	$16::bytea[], $17::text[], $18::text[],
	$19::bytea[], $20::text[], $21::text[],
	$22::boolean[], $23::boolean[], $24::boolean[], $25::boolean[], $26::boolean[],
	$27::json[], $28::uuid[], $29::text[],
	$30::bytea[], $31::text[], $32::text[], $33::text[], $34::text[], $35::text[],
	$36::integer[], $37::integer[], $38::json[], $39::integer[], $40::integer[],
	$41::text[], $42::text[], $43::text[], $44::text[], $45::boolean[]), pg_current_xact_id()::text::bigint`

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
	if err := rows.CheckNUL(c.Groups); err != nil {
		return err
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return wrap(err)
	}
	err = s.commit(ctx, conn.Conn(), c)
	conn.Release()
	if !isIsolation(err) {
		return s.commitError(err, c)
	}
	// The server's default is another isolation level: say it each time.
	tx, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	if err := s.commit(ctx, tx.Conn(), c); err != nil {
		return s.commitError(err, c)
	}
	return wrapCommit(tx.Commit(ctx))
}

// grace is how long after its deadline the answer to a commit may arrive: it
// tells that nothing was written, which is better than not to know.
const grace = 500 * time.Millisecond

// commit calls commit_pushes. It sorts c's names and jobs.
func (s *Store) commit(ctx context.Context, conn *pgx.Conn, c *repository.Commit) error {
	a := newArguments()
	defer a.release()
	a.commit(c, s.replica, s.clock.at(c.Deadline))
	answer, err := call(ctx, conn, s.prepares, commitSQL, a.values())
	if err != nil {
		return err
	}
	s.clock.set(timestamp(answer[0]))
	s.share.committed(bigint(answer[1]))
	return nil
}

// Share implements repository.Store.
func (s *Store) Share() float64 { return s.share.share() }

// call runs a statement that returns one row, with arguments in binary
// format. A connection that has lost its prepared statement is closed, since it
// would never find it again.
func call(ctx context.Context, conn *pgx.Conn, prepare bool, sql string, arguments [][]byte) ([][]byte, error) {
	binary := []int16{pgx.BinaryFormatCode}
	lendBuffer(conn.PgConn(), arguments)
	var result *pgconn.Result
	if prepare {
		statement, err := conn.Prepare(ctx, sql, sql)
		if err != nil {
			return nil, err
		}
		result = conn.PgConn().ExecStatement(ctx, statement, arguments, binary, binary).Read()
	} else {
		result = conn.PgConn().ExecParams(ctx, sql, arguments, nil, binary, binary).Read()
	}
	if sqlState(result.Err) == "26000" {
		conn.Close(ctx)
	}
	if result.Err != nil {
		return nil, result.Err
	}
	return result.Rows[0], nil
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

// commit writes the arguments of commit_pushes.
func (a *arguments) commit(c *repository.Commit, replica string, notAfter time.Time) {
	slices.SortFunc(c.Names, func(x, y repository.Claim) int { return compareDigests(digest(x.Name), digest(y.Name)) })
	slices.SortFunc(c.Jobs, func(x, y repository.JobShape) int { return compareDigests(digest(x.Job), digest(y.Job)) })
	a.bytes(c.ID[:])
	a.bigint(c.Epoch)
	a.timestamp(notAfter)
	a.text(replica)
	a.boolean(c.Unchecked)

	byteas(a, c.Names, func(n *repository.Claim) [32]byte { return digest(n.Name) })
	texts(a, c.Names, func(n *repository.Claim) string { return n.Name })
	texts(a, c.Names, func(n *repository.Claim) string { return n.Owner })
	texts(a, c.Names, func(n *repository.Claim) string { return n.Type.String() })

	byteas(a, c.Jobs, func(j *repository.JobShape) [32]byte { return digest(j.Job) })
	texts(a, c.Jobs, func(j *repository.JobShape) string { return j.Job })
	byteas(a, c.Jobs, func(j *repository.JobShape) [32]byte { return digest(j.Shape) })

	byteas(a, c.Shapes, func(j *repository.JobShape) [32]byte { return digest(j.Job) })
	byteas(a, c.Shapes, func(j *repository.JobShape) [32]byte { return digest(j.Shape) })
	byteaTexts(a, c.Shapes, func(j *repository.JobShape) string { return j.Shape })

	a.requests(c.History)
	a.groups(c.Groups)
	a.history(c.History, c.Groups)
}

// requests writes the answers of the requests that a proxy may send again.
func (a *arguments) requests(history []repository.HistoryRow) {
	type request struct {
		id  [32]byte
		row *repository.HistoryRow
	}
	var requests []request
	for i := range history {
		if row := &history[i]; row.ID != "" {
			requests = append(requests, request{row.Digest(row.Key), row})
		}
	}
	slices.SortFunc(requests, func(x, y request) int { return compareDigests(x.id, y.id) })
	byteas(a, requests, func(r *request) [32]byte { return r.id })
	texts(a, requests, func(r *request) string { return rows.Outcome(r.row.Accepted) })
	optionalTexts(a, requests, func(r *request) string { return rows.Clean(r.row.Reason, rows.MaxReason) })
}

// groups writes the changes of groups.
func (a *arguments) groups(groups []repository.GroupChange) {
	type change = repository.GroupChange
	byteas(a, groups, func(g *change) [32]byte { return g.Key.Digest() })
	labels(a, groups, func(g *change) exposition.GroupingKey { return g.Key })
	texts(a, groups, func(g *change) string { return g.Key.Job() })
	booleans(a, groups, func(g *change) bool { return g.Delete })
	booleans(a, groups, func(g *change) bool { return g.Reset })
	booleans(a, groups, func(g *change) bool { return g.Replace })
	booleans(a, groups, func(g *change) bool { return g.Pushed })
	booleans(a, groups, func(g *change) bool { return g.Failed })
	jsons(a, groups, func(g *change) []byte { return rows.OrEmpty(g.Families) })
	uuids(a, groups, func(g *change) [16]byte { return [16]byte(g.FamilySet[:16]) })
	optionalTexts(a, groups, func(g *change) string {
		if len(g.Cleared) == 0 {
			return ""
		}
		names, _ := json.Marshal(g.Cleared) // strings cannot fail
		return string(names)
	})
}

// history writes the rows of the history.
func (a *arguments) history(history []repository.HistoryRow, groups []repository.GroupChange) {
	type row = repository.HistoryRow
	byteas(a, history, func(r *row) [32]byte { return r.Key.Digest() })
	labels(a, history, func(r *row) exposition.GroupingKey { return r.Key })
	texts(a, history, func(r *row) string { return r.Key.Job() })
	texts(a, history, func(r *row) string { return string(r.Method) })
	texts(a, history, func(r *row) string { return rows.Outcome(r.Accepted) })
	optionalTexts(a, history, func(r *row) string { return rows.Clean(r.Reason, rows.MaxReason) })
	integers(a, history, func(r *row) int { return r.Affected }) // AsExists is negative
	inGroups := sharedFamilies(history, groups)
	integers(a, inGroups, func(i *int) int { return *i })
	i := -1
	jsons(a, history, func(r *row) []byte {
		if i++; inGroups[i] >= 0 || len(r.Families) == 0 {
			return nil
		}
		return r.Families
	})
	integers(a, history, func(r *row) int { return r.Series })
	integers(a, history, func(r *row) int { return r.Bytes })
	optionalTexts(a, history, func(r *row) string { return rows.Clean(r.Client, rows.MaxHeader) })
	optionalTexts(a, history, func(r *row) string { return rows.Clean(r.Username, rows.MaxHeader) })
	optionalTexts(a, history, func(r *row) string { return rows.Clean(r.UserAgent, rows.MaxHeader) })
	optionalTexts(a, history, func(r *row) string { return rows.Clean(r.ID, rows.MaxHeader) })
	optionalBooleans(a, history, func(r *row) *bool { return r.Success })
}

// sharedFamilies returns for each row the number, from 1, of the group whose
// families are the row's, too, or -1: most pushes are what their group becomes.
func sharedFamilies(history []repository.HistoryRow, groups []repository.GroupChange) []int {
	byFamilies := make(map[*byte]int, len(groups))
	for i := range groups {
		if f := groups[i].Families; len(f) > 0 {
			byFamilies[&f[0]] = i + 1
		}
	}
	shared := make([]int, len(history))
	for i := range history {
		shared[i] = -1
		if f := history[i].Families; len(f) > 0 {
			if group, ok := byFamilies[&f[0]]; ok && len(groups[group-1].Families) == len(f) {
				shared[i] = group
			}
		}
	}
	return shared
}

func compareDigests(x, y [32]byte) int { return bytes.Compare(x[:], y[:]) }

// DeleteGroups implements repository.Store.
func (s *Store) DeleteGroups(ctx context.Context, id uuid.UUID, deadline time.Time, d repository.Deletion) error {
	ctx, cancel := context.WithDeadline(ctx, deadline.Add(grace))
	defer cancel()
	var key []byte
	var labels, job *string
	if d.Method != repository.Wipe {
		k := d.Key.Digest()
		key, labels, job = k[:], optional(rows.Labels(d.Key)), optional(d.Key.Job())
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

func digest(s string) [32]byte { return sha256.Sum256([]byte(s)) }

func digestBytes(s string) []byte {
	d := digest(s)
	return d[:]
}

// optional makes an empty string NULL.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
