package demo_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/demo"
	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
	"github.com/sqlpushgateway/sqlpushgateway/repository/sqlite"
)

// database is one that is filled with a demonstration, and believes that it is
// now.
type database interface {
	query(t *testing.T, sql string) result
	// usesIndexes fails the test if the query reads all of the history.
	usesIndexes(t *testing.T, sql string)
}

// source passes on what was made already.
func (h history) source(yield func(repository.HistoryRow) error) ([]exposition.Group, error) {
	for _, row := range h.rows {
		if err := yield(row); err != nil {
			return nil, err
		}
	}
	return h.groups, nil
}

// fill stores the demonstration and closes the store.
func fill(t *testing.T, store repository.Store, h history) {
	t.Helper()
	r := repository.New(store, repository.Options{
		Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Retention: 200 * 365 * 24 * time.Hour,
	})
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for r.Ready(ctx) != nil {
		select {
		case <-ctx.Done():
			t.Fatal("the database is not ready")
		case <-time.After(10 * time.Millisecond):
		}
	}
	rows := 0
	n, groups, err := demo.Fill(ctx, r, h.source, func(n int) { rows += n })
	if err != nil || n != len(h.rows) || rows != n || groups != len(h.groups) {
		t.Fatalf("stored %d rows and %d groups of %d and %d: %v", n, groups, len(h.rows), len(h.groups), err)
	}
	if _, _, err := demo.Fill(ctx, r, h.source, nil); err != demo.ErrUsed {
		t.Errorf("got %v the second time, want %v", err, demo.ErrUsed)
	}
}

type postgresDatabase struct {
	conn   *pgx.Conn
	filled map[string]bool // the partitions in which there is something
	whole  map[string]bool // their indexes, but for partial ones
}

func openPostgres(t *testing.T, h history) database {
	t.Helper()
	url := pgtest.New(t, postgres.Migrate)
	store, err := postgres.Open(t.Context(), postgres.Options{URL: url, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, store, h)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // for texts
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	p := &postgresDatabase{conn, map[string]bool{}, map[string]bool{}}
	// The days are small: without this, reading all of one would be right. And
	// compiling a query takes longer than to run it.
	for _, statement := range []string{"SET timezone = 'UTC'", "SET enable_seqscan = off", "SET jit = off", "ANALYZE push_history"} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	view := p.query(t, "SELECT pg_get_viewdef('overdue_jobs')").rows[0][0]
	if _, err := conn.Exec(t.Context(), p.clock("CREATE OR REPLACE VIEW overdue_jobs AS "+view)); err != nil {
		t.Fatal(err)
	}
	for _, row := range p.query(t, `SELECT DISTINCT h.tableoid::regclass, indexrelid::regclass, indpred IS NULL
		FROM push_history h JOIN pg_index i ON i.indrelid = h.tableoid`).rows {
		p.filled[row[0]] = true
		p.whole[row[1]] = row[2] == "t"
	}
	return p
}

// clock sets the clock of a query.
func (p *postgresDatabase) clock(sql string) string {
	return strings.ReplaceAll(sql, "now()", now.Format("timestamptz '2006-01-02 15:04:05+00'"))
}

func (p *postgresDatabase) query(t *testing.T, sql string) result {
	t.Helper()
	rows, err := p.conn.Query(t.Context(), p.clock(sql))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var r result
	for rows.Next() {
		var cells []string
		for _, raw := range rows.RawValues() {
			cells = append(cells, plain(string(raw)))
		}
		r.rows = append(r.rows, cells)
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	for _, f := range rows.FieldDescriptions() {
		r.columns = append(r.columns, f.Name)
	}
	return r
}

// plan is a node of what EXPLAIN says.
type plan struct {
	Type     string `json:"Node Type"`
	Relation string `json:"Relation Name"`
	Index    string `json:"Index Name"`
	Cond     string `json:"Index Cond"`
	Plans    []plan
}

func (p *postgresDatabase) usesIndexes(t *testing.T, sql string) {
	t.Helper()
	var text string
	if err := p.conn.QueryRow(t.Context(), "EXPLAIN (FORMAT JSON) "+p.clock(sql)).Scan(&text); err != nil {
		t.Fatal(err)
	}
	var plans []struct{ Plan plan }
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		t.Fatal(err)
	}
	p.check(t, plans[0].Plan, false)
}

// check looks at a node and at all below. What is read in order until there is
// enough, which ordered says, is not all.
func (p *postgresDatabase) check(t *testing.T, node plan, ordered bool) {
	switch {
	case node.Type == "Seq Scan" && p.filled[node.Relation]:
		t.Errorf("%s is read without an index", node.Relation)
	case p.whole[node.Index] && node.Cond == "" && !ordered:
		t.Errorf("all of the index %s is read", node.Index)
	}
	for _, child := range node.Plans {
		p.check(t, child, node.Type == "Limit" || ordered && (node.Type == "Merge Append" || node.Type == "Result"))
	}
}

type sqliteDatabase struct {
	db    *sql.DB
	whole map[int64]string // what is as large as the history, by its root page
}

func openSQLite(t *testing.T, h history) database {
	t.Helper()
	path := filepath.Join(t.TempDir(), "demo.db")
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, store, h)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := &sqliteDatabase{db, map[int64]string{}}
	var view string
	if err := db.QueryRow("SELECT sql FROM sqlite_master WHERE name = 'overdue_jobs'").Scan(&view); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("DROP VIEW overdue_jobs; " + s.clock(view)); err != nil {
		t.Fatal(err)
	}
	for _, row := range s.query(t, "SELECT rootpage, name FROM sqlite_master WHERE tbl_name = 'push_history' AND sql NOT LIKE '%) WHERE %'").rows {
		page, _ := strconv.ParseInt(row[0], 10, 64)
		s.whole[page] = row[1]
	}
	return s
}

func (s *sqliteDatabase) clock(sql string) string {
	return strings.ReplaceAll(sql, "'now'", now.Format("'2006-01-02 15:04:05'"))
}

func (s *sqliteDatabase) query(t *testing.T, sql string) result {
	t.Helper()
	rows, err := s.db.QueryContext(t.Context(), s.clock(sql))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var r result
	if r.columns, err = rows.Columns(); err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values := make([]any, len(r.columns))
		cells := make([]string, len(r.columns))
		for i := range values {
			values[i] = &values[i]
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			if v != nil {
				cells[i] = plain(fmt.Sprint(v))
			}
		}
		r.rows = append(r.rows, cells)
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return r
}

// usesIndexes looks at the program that SQLite makes of the query: what goes to
// the first or last row of something reads all of it.
func (s *sqliteDatabase) usesIndexes(t *testing.T, sql string) {
	t.Helper()
	open := map[string]string{}
	for _, op := range s.query(t, "EXPLAIN "+sql).rows {
		switch opcode, cursor, page := op[1], op[2], op[3]; opcode {
		case "OpenRead":
			root, _ := strconv.ParseInt(page, 10, 64)
			open[cursor] = s.whole[root]
		case "Rewind", "Last":
			if name := open[cursor]; name != "" {
				t.Errorf("all of %s is read", name)
			}
		}
	}
}

var timestamp = regexp.MustCompile(`^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d+))?(?:\+00)?$`)

// plain is a value as a text that is the same from all databases: times without
// a zone and without zeros at the end, numbers in their shortest form, and JSON
// with sorted keys.
func plain(text string) string {
	if m := timestamp.FindStringSubmatch(text); m != nil {
		return strings.TrimSuffix(m[1]+"."+strings.TrimRight(m[2], "0"), ".")
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return number(f)
	}
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		var value any
		if json.Unmarshal([]byte(text), &value) == nil {
			sorted, _ := json.Marshal(value)
			return string(sorted)
		}
	}
	return text
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
