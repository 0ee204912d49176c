package storetest

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// Query returns the cells of all rows of a query, as the driver has them. An
// interval is a number of seconds.
type Query func(t testing.TB, query string) [][]any

// RunViews runs the suite of the views: they have to say the same in all
// databases. open is that of [Run], with a way to ask its database.
func RunViews(t *testing.T, open func(testing.TB) (repository.Store, Query)) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, v *views)
	}{
		{"runs have states", testStates},
		{"runs have samples", testRunSamples},
		{"runs say who pushed", testRunColumns},
		{"rejected pushes have reasons", testRejectedPushes},
		{"jobs are overdue", testOverdue},
		{"samples are those of a scrape", testCurrentSamples},
		{"samples have the times of their families", testSampleTimes},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			store, query := open(t)
			test.run(t, &views{replica: prepare(t, store), query: query, now: time.Now().UTC().Truncate(time.Microsecond)})
		})
	}
}

// views is a Store whose database can be asked.
type views struct {
	*replica
	query Query
	now   time.Time
	seq   int64
}

// pushed is a push some time ago.
type pushed struct {
	ago          time.Duration
	method, path string
	body         string
	reason       string // why it was rejected
}

func (p pushed) row(t testing.TB) repository.HistoryRow {
	t.Helper()
	families, err := exposition.ParseText(strings.NewReader(p.body), exposition.UTF8Names)
	must(t, err)
	row := repository.HistoryRow{
		Request: repository.Request{Method: repository.Method(p.method), Client: "192.0.2.7", Username: "alice", UserAgent: "curl", Bytes: len(p.body), ID: "id"},
		Key:     key(t, p.path), Accepted: p.reason == "", Reason: p.reason, Affected: 1, Series: strings.Count(p.body, "\n"),
		Families: exposition.AppendFamilies(nil, families), Commit: uuid.New(), Replica: "r",
	}
	if row.Accepted {
		row.Success = repository.Verdict(families)
	}
	return row
}

// add adds pushes to the history, in this order.
func (v *views) add(pushes ...pushed) {
	v.t.Helper()
	var added []repository.HistoryRow
	for _, p := range pushes {
		v.seq++
		row := p.row(v.t)
		row.Seq, row.At = v.seq, v.now.Add(-p.ago)
		added = append(added, row)
	}
	must(v.t, v.AddHistory(v.t.Context(), added))
}

// rows returns the rows of a query, cells joined by spaces.
func (v *views) rows(query string) []string {
	v.t.Helper()
	var rows []string
	for _, cells := range v.query(v.t, query) {
		var row []string
		for _, c := range cells {
			row = append(row, cell(c))
		}
		rows = append(rows, strings.Join(row, " "))
	}
	return rows
}

// cell returns what a cell says, in the same words for all databases. SQLite has
// no NaN, and numbers for booleans.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case bool:
		return map[bool]string{true: "1", false: "0"}[v]
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05.000000")
	case float64:
		if math.IsNaN(v) {
			return "NULL"
		}
	case map[string]any:
		text, _ := json.Marshal(v) // it was JSON
		return string(text)
	case string:
		var object map[string]any
		if strings.HasPrefix(v, "{") && json.Unmarshal([]byte(v), &object) == nil {
			return cell(object)
		}
	}
	return fmt.Sprint(v)
}

// expectRows compares the rows of a query with those wanted.
func (v *views) expectRows(what, query string, want ...string) {
	v.t.Helper()
	if got := v.rows(query); strings.Join(got, "\n") != strings.Join(want, "\n") {
		v.t.Errorf("%s:\ngot\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
