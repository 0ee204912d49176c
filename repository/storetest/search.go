package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// searchBegin is when the first row of searchRows happened.
var searchBegin = time.Date(2026, 3, 1, 23, 58, 0, 0, time.UTC)

// searchRows returns a row a minute, over the end of a day. Two have the same time.
func searchRows(t testing.TB) []repository.HistoryRow {
	rows := make([]repository.HistoryRow, 8)
	families := exposition.AppendFamilies(nil, []exposition.Family{{Name: "m", Metrics: []exposition.Metric{{Value: 1}}}})
	for i := range rows {
		rows[i] = repository.HistoryRow{
			Request: repository.Request{Method: repository.Put}, Seq: int64(10 + i), At: searchBegin.Add(time.Duration(i) * time.Minute),
			Key: key(t, fmt.Sprintf("job/%s/i/%d", []string{"a", "b"}[i%2], i)), Accepted: true, Affected: 1,
			Families: families, Series: 1, Commit: uuid.New(), Replica: "r",
		}
	}
	rows[5].At = rows[4].At
	rows[3].Accepted, rows[3].Reason = false, "because"
	rows[2].Method, rows[2].Families = repository.Delete, nil
	rows[6].Method, rows[6].Families, rows[6].Key = repository.Wipe, nil, exposition.GroupingKey{}
	return rows
}

func testFindHistory(t *testing.T, r *replica) {
	rows := searchRows(t)
	must(t, r.AddHistory(t.Context(), rows))
	at := func(minutes int) time.Time { return searchBegin.Add(time.Duration(minutes) * time.Minute) }
	tests := []struct {
		name  string
		query repository.HistoryQuery
		want  string
	}{
		{"newest first", repository.HistoryQuery{}, "17 16 15 14 13 12 11 10"},
		{"oldest first", repository.HistoryQuery{OldestFirst: true}, "10 11 12 13 14 15 16 17"},
		{"since is part of it, until is not", repository.HistoryQuery{Since: at(1), Until: at(4)}, "13 12 11"},
		{"since is part of it, until is not, oldest first", repository.HistoryQuery{Since: at(1), Until: at(4), OldestFirst: true}, "11 12 13"},
		{"nothing is between", repository.HistoryQuery{Since: at(4), Until: at(4)}, ""},
		{"of a job", repository.HistoryQuery{Job: "b"}, "17 15 13 11"},
		{"of a job, oldest first", repository.HistoryQuery{Job: "b", OldestFirst: true, Since: at(2)}, "13 15 17"},
		{"of no job", repository.HistoryQuery{Job: "'"}, ""},
		{"rejected", repository.HistoryQuery{Only: repository.RejectedRows}, "13"},
		{"removals", repository.HistoryQuery{Only: repository.RemovalRows}, "16 12"},
		{"removals, oldest first", repository.HistoryQuery{Only: repository.RemovalRows, OldestFirst: true}, "12 16"},
		{"after one of two of a time", repository.HistoryQuery{After: repository.Place{At: at(4), Seq: 15}}, "14 13 12 11 10"},
		{"after one of two of a time, oldest first", repository.HistoryQuery{After: repository.Place{At: at(4), Seq: 14}, OldestFirst: true}, "15 16 17"},
		{"after a place that no row has", repository.HistoryQuery{After: repository.Place{At: at(3).Add(time.Second), Seq: 1}}, "13 12 11 10"},
		{"after a place before since", repository.HistoryQuery{After: repository.Place{At: at(0), Seq: 10}, Since: at(6), OldestFirst: true}, "16 17"},
		{"after a place of removals", repository.HistoryQuery{After: repository.Place{At: at(6), Seq: 16}, Only: repository.RemovalRows}, "12"},
		{"after a place of a job", repository.HistoryQuery{After: repository.Place{At: at(4), Seq: 15}, Job: "b"}, "13 11"},
	}
	for _, tt := range tests {
		for _, limit := range []int{1, 3, 100} {
			tt.query.Limit = limit
			got, pages := collect(t, r, tt.query)
			if got != tt.want {
				t.Errorf("%s, %d at once: got %s, want %s", tt.name, limit, got, tt.want)
			}
			if n := len(strings.Fields(tt.want)); pages > n/limit+1 {
				t.Errorf("%s, %d at once: %d pages of %d rows", tt.name, limit, pages, n)
			}
		}
	}
	found, _, err := r.FindHistory(t.Context(), repository.HistoryQuery{Limit: 100, Families: true, OldestFirst: true})
	must(t, err)
	for i, row := range found {
		if !equalRows(row, rows[i]) || !row.At.Equal(rows[i].At) || row.Key.Digest() != rows[i].Key.Digest() || string(row.Families) != string(rows[i].Families) {
			t.Errorf("found %+v, want %+v", row, rows[i])
		}
	}
	found, _, err = r.FindHistory(t.Context(), repository.HistoryQuery{Limit: 1})
	must(t, err)
	if found[0].Families != nil {
		t.Errorf("found the families %s, which nobody asked for", found[0].Families)
	}
}

// collect returns the numbers of all rows that a query finds page by page.
func collect(t testing.TB, r *replica, q repository.HistoryQuery) (numbers string, pages int) {
	t.Helper()
	var all []string
	for more := true; more; pages++ {
		var rows []repository.HistoryRow
		var err error
		rows, more, err = r.FindHistory(t.Context(), q)
		must(t, err)
		if len(rows) > q.Limit || more && len(rows) == 0 {
			t.Fatalf("%d rows for a limit of %d", len(rows), q.Limit)
		}
		for _, row := range rows {
			all = append(all, fmt.Sprint(row.Seq))
			q.After = repository.Place{At: row.At, Seq: row.Seq}
		}
	}
	return strings.Join(all, " "), pages
}

// testStablePages protects those who go from page to page, of the history and of
// groups, from what others push meanwhile: nothing is missing or there twice.
func testStablePages(t *testing.T, r *replica) {
	const groups = 300
	var paths []string
	for i := range groups {
		paths = append(paths, fmt.Sprintf("job/old/i/%d", i))
	}
	r.put("m 1\n", paths...)
	goOn, pushed := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-goOn:
				pushed <- nil
				return
			default:
			}
			if err := r.Commit(t.Context(), r.request(repository.Post, "m 1\n", fmt.Sprintf("job/new/i/%d", i), paths[i%groups])); err != nil {
				pushed <- err
				return
			}
		}
	}()
	for _, oldestFirst := range []bool{false, true} {
		seen := map[int64]int{}
		q := repository.HistoryQuery{Limit: 7, OldestFirst: oldestFirst}
		for more := true; more && (!oldestFirst || len(seen) < groups); {
			rows, again, err := r.FindHistory(t.Context(), q)
			must(t, err)
			for _, row := range rows {
				seen[row.Seq]++
				q.After = repository.Place{At: row.At, Seq: row.Seq}
			}
			more = again
		}
		for seq := range int64(groups) {
			if n := seen[seq+1]; n != 1 {
				t.Errorf("row %d is on %d pages", seq+1, n)
			}
		}
	}
	seen := map[string]int{}
	must(t, r.Groups(t.Context(), func(g exposition.Group) error {
		seen[g.Key.Map()["job"]+g.Key.Map()["i"]]++
		return nil
	}))
	close(goOn)
	must(t, receive(t, pushed))
	for i := range groups {
		if n := seen[fmt.Sprint("old", i)]; n != 1 {
			t.Errorf("group %d is there %d times", i, n)
		}
	}
}

func testFindLargeRows(t *testing.T, r *replica) {
	rows := searchRows(t)
	for i := range rows {
		rows[i].Bytes = 3 << 20
		rows[i].Families = exposition.AppendFamilies(nil, []exposition.Family{{Name: "m", Help: strings.Repeat("x", 3<<20), Metrics: []exposition.Metric{{Value: 1}}}})
	}
	must(t, r.AddHistory(t.Context(), rows))
	for _, oldestFirst := range []bool{false, true} {
		found, more, err := r.FindHistory(t.Context(), repository.HistoryQuery{Limit: 100, Families: true, OldestFirst: oldestFirst})
		must(t, err)
		if len(found) == 0 || len(found) > 3 || !more {
			t.Errorf("%d rows of 3 MiB are found at once, more: %v", len(found), more)
		}
	}
	if all, pages := collect(t, r, repository.HistoryQuery{Limit: 100, Families: true}); all != "17 16 15 14 13 12 11 10" || pages < 3 {
		t.Errorf("got %s on %d pages", all, pages)
	}
	if all, pages := collect(t, r, repository.HistoryQuery{Limit: 100}); all != "17 16 15 14 13 12 11 10" || pages != 1 {
		t.Errorf("got %s on %d pages, without what is large", all, pages)
	}
}

func testHistoryRow(t *testing.T, r *replica) {
	rows := searchRows(t)
	must(t, r.AddHistory(t.Context(), rows))
	for _, want := range rows {
		got, ok, err := r.HistoryRow(t.Context(), want.Seq)
		must(t, err)
		if !ok || !equalRows(got, want) || string(got.Families) != string(want.Families) {
			t.Errorf("row %d is %v %+v, want %+v", want.Seq, ok, got, want)
		}
	}
	for _, seq := range []int64{-1, 0, 18, 1 << 62} {
		if got, ok, err := r.HistoryRow(t.Context(), seq); ok || err != nil {
			t.Errorf("row %d is %+v, %v", seq, got, err)
		}
	}
}

func testLastRuns(t *testing.T, r *replica) {
	rows := searchRows(t)
	rows[0].Success, rows[4].Success, rows[5].Success = new(false), new(true), nil
	must(t, r.AddHistory(t.Context(), rows))
	show := func(runs []repository.Run) string {
		var parts []string
		for _, run := range runs {
			success := "unknown"
			if run.Success != nil {
				success = fmt.Sprint(*run.Success)
			}
			i := slices.IndexFunc(rows, func(r repository.HistoryRow) bool { return r.Seq == run.Seq })
			if run.Group != rows[i].Key.Digest() || !run.At.Equal(rows[i].At) {
				t.Errorf("run %d is %+v, want that of %+v", run.Seq, run, rows[i])
			}
			parts = append(parts, fmt.Sprintf("%d:%s", run.Seq, success))
		}
		return strings.Join(parts, " ")
	}
	for n, want := range map[int]string{1: "17:unknown|14:true|", 2: "17:unknown 15:unknown|14:true|", 100: "17:unknown 15:unknown 11:unknown|14:true 10:false|"} {
		runs, err := r.LastRuns(t.Context(), []string{"b", "a", "c"}, n, time.Minute)
		must(t, err)
		var got []string
		for _, of := range runs {
			got = append(got, show(of))
		}
		if got := strings.Join(got, "|"); got != want {
			t.Errorf("of the last %d rows, the runs of b, a and c are %s, want %s", n, got, want)
		}
	}
	now := time.Now()
	var late []repository.HistoryRow
	for i, hours := range []time.Duration{100, 60, 30, 1} { // some of them long ago, so that they are in several partitions
		row := rows[0]
		row.Seq, row.At, row.Key, row.Commit = int64(100+i), now.Add(-hours*time.Hour).Truncate(time.Microsecond), key(t, "job/late"), uuid.New()
		rows, late = append(rows, row), append(late, row)
	}
	must(t, r.AddHistory(t.Context(), late))
	for n, want := range map[int]string{1: "103:false", 2: "103:false 102:false", 3: "103:false 102:false 101:false", 9: "103:false 102:false 101:false 100:false"} {
		runs, err := r.LastRuns(t.Context(), []string{"c", "late"}, n, time.Minute)
		must(t, err)
		if got := show(runs[1]); len(runs[0]) > 0 || got != want {
			t.Errorf("the last %d runs of late are %s, want %s", n, got, want)
		}
	}
	if runs, err := r.LastRuns(t.Context(), []string{"late", "a"}, 9, 0); err != nil || len(runs) != 1 || len(runs[0]) != len(late) {
		t.Errorf("without time the runs of the first job are %v, %v, want all %d", runs, err, len(late))
	}
	for name, test := range map[string]struct {
		jobs   []string
		within time.Duration
		want   int
	}{
		"all jobs that there is time for":    {[]string{"none", "late", "a", "b"}, time.Minute, 4},
		"the first job, if there is no time": {[]string{"late", "none", "a"}, 0, 1},
		"a first job that has no runs":       {[]string{"none", "late"}, 0, 1},
		"nothing, if no jobs are asked for":  {nil, time.Minute, 0},
	} {
		if runs, err := r.LastRuns(t.Context(), test.jobs, 10, test.within); len(runs) != test.want || err != nil {
			t.Errorf("%s: %v, %v", name, runs, err)
		}
	}
}
