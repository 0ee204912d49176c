package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// verify checks, when the traffic is over, that all replicas and a new one
// expose what the history replays to, and that the history agrees with every
// answer. The replicas on an SQLite file make room for the new one. Rows for which unchecked is true are believed; it may be nil.
func (h *hammer) verify(unchecked func(repository.HistoryRow) bool) {
	h.t.Helper()
	h.verifyBeside("", unchecked)
}

// verifyBeside is verify for traffic beside somebody else, who has this
// User-Agent in the history.
func (h *hammer) verifyBeside(userAgent string, unchecked func(repository.HistoryRow) bool) {
	h.t.Helper()
	h.awaitQuiet()
	rows := model.History(h.t, h.database)
	h.checkAnswers(slices.DeleteFunc(slices.Clone(rows), func(row repository.HistoryRow) bool {
		return userAgent != "" && row.UserAgent == userAgent
	}))
	replayed, err := model.Replay(rows, unchecked)
	if err != nil {
		h.t.Fatal(err)
	}
	exposed := map[format][]byte{}
	for _, r := range h.replicas {
		h.same(r, exposed, rows)
		if onSQLite(h.database) {
			r.terminate()
		}
	}
	h.same(startReplica(h.t, h.database), exposed, rows)
	for f, body := range exposed {
		h.compare(f, body, replayed, rows)
	}
	h.t.Logf("%d requests, %d history rows, %d groups in the end", len(h.replies), len(rows), len(replayed.Snapshot().Groups()))
}

// same adds what the replica exposes, in all formats, or compares it with what
// others have added.
func (h *hammer) same(r *replica, exposed map[format][]byte, rows []repository.HistoryRow) {
	h.t.Helper()
	for _, f := range formats {
		body := h.exposition(r, f)
		if exposed[f] == nil {
			exposed[f] = body
		}
		if !bytes.Equal(body, exposed[f]) {
			h.t.Fatalf("%s (+) and another replica (-) differ as %s:\n%s", r.url, f, diff(string(exposed[f]), string(body), rows))
		}
	}
}

// awaitQuiet waits for the end of commits whose replica is gone. On SQLite they
// end with it.
func (h *hammer) awaitQuiet() {
	h.t.Helper()
	if onSQLite(h.database) {
		return
	}
	eventually(h.t, func() error {
		conn, err := pgx.Connect(h.t.Context(), h.database)
		if err != nil {
			return err
		}
		defer conn.Close(h.t.Context())
		var busy int
		err = conn.QueryRow(h.t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND backend_xid IS NOT NULL`, pgx.QueryExecModeExec).Scan(&busy)
		if err == nil && busy > 0 {
			err = fmt.Errorf("%d transactions are still open", busy)
		}
		return err
	})
}

func (h *hammer) exposition(r *replica, f format) []byte {
	h.t.Helper()
	code, body, err := f.get(h.t.Context(), h.client, r.url)
	if err != nil || code != http.StatusOK {
		h.t.Fatalf("scrape of %s as %s: %d %s %v", r.url, f, code, body, err)
	}
	return body
}

// compare compares an exposition with the model's.
func (h *hammer) compare(f format, body []byte, m *model.Model, rows []repository.HistoryRow) {
	h.t.Helper()
	if f != asProtobuf {
		if got, want := model.Timeless(string(body)), m.Exposition(); got != want {
			h.t.Fatalf("the exposition (+) is not what the history replays to (-):\n%s", diff(want, got, rows))
		}
		return
	}
	var b bytes.Buffer
	if err := m.Snapshot().WriteExposition(&b, exposition.Encoding{Protobuf: true}); err != nil {
		h.t.Fatal(err)
	}
	if got, want := timelessProtobuf(h.t, body), timelessProtobuf(h.t, b.Bytes()); got != want {
		h.t.Fatalf("the protobuf exposition (+) is not what the history replays to (-):\n%s", diff(want, got, rows))
	}
}

// timelessProtobuf describes a protobuf exposition, a line per metric, with all
// push times that are not 0 made 1.
func timelessProtobuf(t testing.TB, body []byte) string {
	t.Helper()
	families, err := decodeProtobuf(body)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		fmt.Fprintf(&b, "# %s %s %s\n", f.GetName(), f.GetType(), f.GetHelp())
		for _, m := range f.GetMetric() {
			isTime := f.GetName() == "push_time_seconds" || f.GetName() == "push_failure_time_seconds"
			if isTime && m.GetGauge().GetValue() != 0 {
				m.Gauge.Value = proto.Float64(1)
			}
			if m.Histogram != nil {
				m.Histogram.CreatedTimestamp = nil
			}
			fmt.Fprintln(&b, f.GetName(), m)
		}
	}
	return b.String()
}

// checkAnswers compares each answer with the rows that the request has left in
// the history.
func (h *hammer) checkAnswers(rows []repository.HistoryRow) {
	h.t.Helper()
	byAgent := map[string][]repository.HistoryRow{}
	for _, row := range rows {
		if _, ok := h.replies[row.UserAgent]; !ok {
			h.t.Errorf("history row %d is of the unknown request %q", row.Seq, row.UserAgent)
		}
		byAgent[row.UserAgent] = append(byAgent[row.UserAgent], row)
	}
	for id, r := range h.replies {
		if err := r.agrees(byAgent[id]); err != nil {
			h.t.Errorf("request %s, %s: answered %d %s: %v:\n%s", id, r.request, r.code, r.body, err, describe(byAgent[id]))
		}
	}
	if h.t.Failed() {
		h.t.FailNow()
	}
}

// agrees returns an error if the rows are not what the reply says.
func (r reply) agrees(rows []repository.HistoryRow) error {
	for _, row := range rows {
		if row.Method != r.request.Method {
			return fmt.Errorf("its row says %s", row.Method)
		}
	}
	many := r.request.Recursive && len(rows) > 1 // one for each group
	switch {
	case r.code == 0 || r.code == http.StatusServiceUnavailable:
		if len(rows) > 0 && strings.Contains(r.body, "nothing was stored") {
			return errors.New("something was stored")
		}
		if len(rows) > 1 && !r.request.Recursive {
			return errors.New("it was stored more than once")
		}
		return nil
	case len(rows) != 1 && !many:
		return fmt.Errorf("it has %d rows", len(rows))
	case rows[0].Accepted != (r.code < http.StatusBadRequest):
		return errors.New("its row says otherwise")
	case !rows[0].Accepted && !strings.Contains(r.body, cut(rows[0].Reason)):
		return errors.New("its row has another reason")
	}
	return nil
}

func cut(reason string) string { return reason[:min(len(reason), 200)] }

// diff returns the lines that only one of two expositions has, and the last
// history rows of their groups.
func diff(before, after string, rows []repository.HistoryRow) string {
	const most = 20
	var b strings.Builder
	lines := append(only("-", before, after), only("+", after, before)...)
	seen := map[exposition.Digest]bool{}
	for _, line := range lines[:min(len(lines), most)] {
		fmt.Fprintln(&b, line)
		for _, row := range rows {
			if digest := row.Key.Digest(); concerns(row.Key, line) && !seen[digest] {
				seen[digest] = true
				b.WriteString(lastRows(rows, digest))
			}
		}
	}
	if len(lines) > most {
		fmt.Fprintf(&b, "and %d more lines\n", len(lines)-most)
	}
	if len(lines) == 0 {
		b.WriteString("the order of lines")
	}
	return b.String()
}

func only(sign, in, notIn string) []string {
	other := map[string]bool{}
	for line := range strings.Lines(notIn) {
		other[line] = true
	}
	var lines []string
	for line := range strings.Lines(in) {
		if !other[line] {
			lines = append(lines, sign+strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// concerns reports whether a line has all labels of the key.
func concerns(key exposition.GroupingKey, line string) bool {
	for _, l := range key.Labels() {
		if !strings.Contains(line, fmt.Sprintf("%s=%q", l.Name, l.Value)) {
			return false
		}
	}
	return len(key.Labels()) > 0
}

// lastRows describes the last rows of a group, wipes included.
func lastRows(rows []repository.HistoryRow, digest exposition.Digest) string {
	const most = 4
	var its []repository.HistoryRow
	for _, row := range rows {
		if row.Method == repository.Wipe || row.Key.Digest() == digest {
			its = append(its, row)
		}
	}
	return describe(its[max(0, len(its)-most):])
}

func describe(rows []repository.HistoryRow) string {
	var b strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&b, "    %d %s %s %s accepted=%t affected=%d commit=%s replica=%s %s %s\n", row.Seq,
			row.At.Format("15:04:05.000000"), row.Method, row.Key, row.Accepted, row.Affected, row.Commit, row.Replica, row.UserAgent, row.Families)
	}
	return b.String()
}
