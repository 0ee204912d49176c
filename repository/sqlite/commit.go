package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/internal/rows"
)

// Commit implements repository.Store.
func (s *Store) Commit(ctx context.Context, c *repository.Commit) error {
	t, err := s.begin(ctx, c.Deadline)
	if err != nil {
		return err
	}
	defer t.Rollback()
	return t.Commit(ctx, c)
}

// write does what c says and returns the keys of the groups it changes.
func (t *tx) write(c *repository.Commit) ([]exposition.Digest, error) {
	if err := t.checkEpoch(c.Epoch); err != nil {
		return nil, err
	}
	if err := rows.CheckNUL(c.Groups); err != nil {
		return nil, err
	}
	if _, known := t.store.fate.get(c.ID); known {
		return nil, fmt.Errorf("%w: its id was used before", repository.ErrData)
	}
	w := &commitWriter{tx: t, commit: c, now: time.Now().UTC().Truncate(time.Microsecond), existed: map[exposition.Digest]bool{}}
	for _, step := range []func() error{w.remember, w.register, w.changeGroups, w.addHistory} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	keys := make([]exposition.Digest, len(c.Groups))
	for i := range c.Groups {
		keys[i] = c.Groups[i].Key.Digest()
	}
	return keys, nil
}

// commitWriter writes one commit.
type commitWriter struct {
	*tx
	commit  *repository.Commit
	now     time.Time
	existed map[exposition.Digest]bool // groups, before the commit
}

// remember writes down the answers of requests that a proxy may send again.
func (w *commitWriter) remember() error {
	for i := range w.commit.History {
		row := &w.commit.History[i]
		if err := w.rememberRequest(row.Request, row.Key, row.Accepted, row.Reason); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) rememberRequest(r repository.Request, key exposition.GroupingKey, accepted bool, reason string) error {
	if r.ID == "" {
		return nil
	}
	digest := r.Digest(key)
	n, err := t.exec(`INSERT INTO push_request (id, at, outcome, reason) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		digest[:], formatTime(time.Now()), rows.Outcome(accepted), optional(rows.Clean(reason, rows.MaxReason)))
	if err == nil && n == 0 {
		return repository.ErrSeen
	}
	return err
}

const addShapeSQL = `INSERT INTO shapes (job, shape) VALUES (?, ?) ON CONFLICT DO NOTHING`

// register writes down names, jobs and shapes, unless some are not what the
// caller believes.
func (w *commitWriter) register() error {
	odd := &repository.NotPlainError{}
	for _, n := range w.commit.Names {
		if err := w.registerName(n, odd); err != nil {
			return err
		}
	}
	for _, j := range w.commit.Jobs {
		if err := w.registerJob(j, odd); err != nil {
			return err
		}
	}
	if len(odd.Names)+len(odd.Jobs) > 0 {
		return odd
	}
	for _, s := range w.commit.Shapes {
		if _, err := w.exec(addShapeSQL, s.Job, []byte(s.Shape)); err != nil {
			return err
		}
	}
	return nil
}

func (w *commitWriter) registerName(n repository.Claim, odd *repository.NotPlainError) error {
	added, err := w.exec(`INSERT INTO names (name, owner, type) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, n.Name, n.Owner, n.Type.String())
	if err != nil || added > 0 {
		return err
	}
	is := n
	var typ string
	if _, err := w.get([]any{&is.Owner, &typ, &is.Mixed}, `SELECT owner, type, mixed FROM names WHERE name = ?`, n.Name); err != nil {
		return err
	}
	is.Type, _ = exposition.ParseType(typ)
	if is.Mixed && w.commit.Unchecked {
		return nil
	}
	if is.Mixed || is.Claim != n.Claim {
		odd.Names = append(odd.Names, is)
	}
	return nil
}

func (w *commitWriter) registerJob(j repository.JobShape, odd *repository.NotPlainError) error {
	added, err := w.exec(`INSERT INTO jobs (job, shape) VALUES (?, ?) ON CONFLICT DO NOTHING`, j.Job, []byte(j.Shape))
	if err != nil || added > 0 {
		return err
	}
	var shape []byte
	var shared bool
	if _, err := w.get([]any{&shape, &shared}, `SELECT shape, shared FROM jobs WHERE job = ?`, j.Job); err != nil {
		return err
	}
	if shared || string(shape) != j.Shape {
		odd.Jobs = append(odd.Jobs, repository.JobShape{Job: j.Job, Shape: string(shape), Shared: shared})
	}
	return nil
}

func (w *commitWriter) changeGroups() error {
	for i := range w.commit.Groups {
		if err := w.changeGroup(&w.commit.Groups[i]); err != nil {
			return err
		}
	}
	return nil
}

// stored is what a change has to know of the row that it changes.
type stored struct {
	families, times    []byte
	pushedAt, failedAt *string
}

// A change that replaces all families does not read those that are there.
const (
	timesOfGroupSQL = `SELECT NULL, NULL, pushed_at, push_failed_at FROM push_group WHERE key = ?`
	wholeGroupSQL   = `SELECT families, family_times, pushed_at, push_failed_at FROM push_group WHERE key = ?`
)

func (w *commitWriter) changeGroup(g *repository.GroupChange) error {
	key := g.Key.Digest()
	merges := !g.Reset && !g.Replace
	query := timesOfGroupSQL
	if merges {
		query = wholeGroupSQL
	}
	var old stored
	exists, err := w.get([]any{&old.families, &old.times, &old.pushedAt, &old.failedAt}, query, key[:])
	if err != nil {
		return err
	}
	w.existed[key] = exists
	if g.Delete {
		_, err := w.exec(`DELETE FROM push_group WHERE key = ?`, key[:])
		return err
	}
	row := stored{families: rows.OrEmpty(g.Families), times: []byte("{}")}
	if g.Times != nil {
		return w.restoreGroup(g, row.families)
	}
	if exists && merges {
		if row, err = merge(old, g); err != nil {
			return err
		}
	}
	if !g.Reset {
		row.pushedAt, row.failedAt = old.pushedAt, old.failedAt
	}
	if g.Pushed {
		row.pushedAt = w.timeAfter(old.pushedAt)
	}
	if g.Failed {
		row.failedAt = w.timeAfter(old.failedAt)
	}
	if exists {
		_, err = w.exec(`UPDATE push_group SET families = ?, family_times = ?, pushed_at = ?, push_failed_at = ? WHERE key = ?`,
			string(row.families), string(row.times), row.pushedAt, row.failedAt, key[:])
		return err
	}
	_, err = w.exec(`INSERT INTO push_group (key, labels, job, families, pushed_at, push_failed_at) VALUES (?, ?, ?, ?, ?, ?)`,
		key[:], rows.Labels(g.Key), g.Key.Job(), string(row.families), row.pushedAt, row.failedAt)
	return err
}

// restoreGroup writes a group with the times that it has.
func (w *commitWriter) restoreGroup(g *repository.GroupChange, families []byte) error {
	older := make(map[string]string, len(g.Times.Families))
	for name, at := range g.Times.Families {
		older[name] = formatTime(at)
	}
	times, err := json.Marshal(older)
	if err != nil {
		return err
	}
	key := g.Key.Digest()
	_, err = w.exec(`INSERT OR REPLACE INTO push_group (key, labels, job, families, family_times, pushed_at, push_failed_at)
		VALUES (?, ?, ?, ?, ?, ?, ?)`, key[:], rows.Labels(g.Key), g.Key.Job(), string(families), string(times),
		optionalTime(g.Times.Pushed), optionalTime(g.Times.Failed))
	return err
}

// optionalTime makes a zero time NULL.
func optionalTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return new(formatTime(t))
}

// timeAfter is the time of a change to what was last changed at last.
func (w *commitWriter) timeAfter(last *string) *string {
	now := w.now
	if last != nil {
		if t, err := parseTime(*last); err == nil {
			now = notBefore(t, now)
		}
	}
	return new(formatTime(now))
}

const addHistorySQL = `INSERT INTO push_history (seq, at, key, labels, job, method, outcome, reason, success, affected,
	families, series, bytes, client, username, user_agent, replica, commit_id, request_id)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

func (w *commitWriter) addHistory() error {
	at, commit := formatTime(w.now), w.commit.ID.String()
	for i := range w.commit.History {
		row := &w.commit.History[i]
		affected := row.Affected
		if affected == repository.AsExists {
			affected = 0
			if w.existed[row.Key.Digest()] {
				affected = 1
			}
		}
		key := row.Key.Digest()
		if err := w.addRow(at, commit, key[:], rows.Labels(row.Key), row.Key.Job(), row, affected); err != nil {
			return err
		}
	}
	return nil
}

// addRow adds a row to the history, under the next number.
func (t *tx) addRow(at, commit string, key []byte, labels, job string, row *repository.HistoryRow, affected int) error {
	t.at.seq++
	return t.insertRow(t.at.seq, at, commit, t.store.replica, key, labels, job, row, affected)
}

func (t *tx) insertRow(seq int64, at, commit, replica string, key []byte, labels, job string, row *repository.HistoryRow, affected int) error {
	_, err := t.exec(addHistorySQL,
		seq, at, key, optional(labels), optional(job), string(row.Method), rows.Outcome(row.Accepted),
		optional(rows.Clean(row.Reason, rows.MaxReason)), row.Success, affected, optional(string(row.Families)),
		row.Series, row.Bytes, optional(rows.Clean(row.Client, rows.MaxHeader)), optional(rows.Clean(row.Username, rows.MaxHeader)),
		optional(rows.Clean(row.UserAgent, rows.MaxHeader)), replica, commit, optional(rows.Clean(row.ID, rows.MaxHeader)))
	return err
}

// DeleteGroups implements repository.Store.
func (s *Store) DeleteGroups(ctx context.Context, id uuid.UUID, deadline time.Time, d repository.Deletion) error {
	t, err := s.begin(ctx, deadline)
	if err != nil {
		return err
	}
	defer t.Rollback()
	if _, known := s.fate.get(id); known {
		return fmt.Errorf("%w: its id was used before", repository.ErrData)
	}
	if err := t.rememberRequest(d.Request, d.Key, true, ""); err != nil {
		return err
	}
	wipe := d.Method == repository.Wipe
	gone, err := t.deleteMatching(id, d, wipe)
	if err != nil {
		return err
	}
	if wipe {
		gone = nil // the feed says it in one word
	}
	t.commit = id
	return t.finish(ctx, gone, wipe)
}

// deleteMatching deletes the groups that have d's labels, or all, with a row
// in the history for each group, or one for a wipe or when there is none.
func (t *tx) deleteMatching(id uuid.UUID, d repository.Deletion, wipe bool) ([]exposition.Digest, error) {
	gone, labels, err := t.matching(d.Key, wipe)
	if err != nil {
		return nil, err
	}
	at, commit := formatTime(time.Now()), id.String()
	row := &repository.HistoryRow{Request: d.Request, Accepted: true}
	switch key := d.Key.Digest(); {
	case wipe:
		if err := t.addRow(at, commit, nil, "", "", row, len(gone)); err != nil {
			return nil, err
		}
		_, err := t.exec(`DELETE FROM push_group`)
		return gone, err
	case len(gone) == 0:
		return nil, t.addRow(at, commit, key[:], rows.Labels(d.Key), d.Key.Job(), row, 0)
	}
	for i, key := range gone {
		if err := t.addRow(at, commit, key[:], labels[i], d.Key.Job(), row, 1); err != nil {
			return nil, err
		}
		if _, err := t.exec(`DELETE FROM push_group WHERE key = ?`, key[:]); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// matching returns the keys and labels of the groups that have the key's labels, or of all groups.
func (t *tx) matching(key exposition.GroupingKey, all bool) (digests []exposition.Digest, labels []string, err error) {
	query, args := `SELECT key, labels FROM push_group WHERE job = ? ORDER BY key`, []any{key.Job()}
	if all {
		query, args = `SELECT key, labels FROM push_group`, nil
	}
	found, err := t.query(query, args...)
	if err != nil {
		return nil, nil, err
	}
	var digest, text []byte
	err = forEach(found, []any{&digest, &text}, func() error {
		if !all && !hasLabels(text, key) {
			return nil
		}
		var d exposition.Digest
		copy(d[:], digest)
		digests, labels = append(digests, d), append(labels, string(text))
		return nil
	})
	return digests, labels, err
}

// hasLabels reports whether the stored labels have those of the key.
func hasLabels(stored []byte, key exposition.GroupingKey) bool {
	k, err := rows.Key(stored)
	if err != nil {
		return false
	}
	have := k.Map()
	for _, l := range key.Labels() {
		if v, ok := have[l.Name]; !ok || v != l.Value {
			return false
		}
	}
	return true
}

// Fence implements repository.Store. Only one thing leaves a commit's fate
// open: that syncing the log failed, so that it could be found there after a
// crash. Another commit takes its place in the log.
func (s *Store) Fence(ctx context.Context, id uuid.UUID) (bool, error) {
	t, err := s.begin(ctx, time.Now().Add(time.Second))
	if err != nil {
		return false, err
	}
	defer t.Rollback()
	if made, known := s.fate.get(id); known {
		return made, nil
	}
	t.commit, t.fence = id, true
	return false, t.finish(ctx, nil, false)
}

// Share implements repository.Store: the file has one writer.
func (s *Store) Share() float64 { return 1 }

// Answers implements repository.Store.
func (s *Store) Answers(ctx context.Context, digests [][32]byte) (map[[32]byte]repository.Answer, error) {
	answers := make(map[[32]byte]repository.Answer, len(digests))
	err := s.read(ctx, func(q querier, _ position) error {
		for _, digest := range digests {
			found, err := q.query(`SELECT outcome = 'accepted', coalesce(reason, '') FROM push_request WHERE id = ?`, digest[:])
			if err != nil {
				return err
			}
			var answer repository.Answer
			err = forEach(found, []any{&answer.Accepted, &answer.Reason}, func() error {
				answers[digest] = answer
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return answers, err
}

// optional makes an empty string NULL.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
