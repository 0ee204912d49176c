package api_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/api"
	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

type series struct {
	Labels map[string]string
	Values [][2]any
}

func TestRunSeries(t *testing.T) {
	t.Parallel()
	v := newV1(t)
	refused := pushRow(t, minutes(2), "job/a/i/1", "m 3\n")
	refused.Accepted = false
	v.history(
		pushRow(t, minutes(0), "job/a/i/1", "m{x=\"1\"} 1e6\nm{x=\"2\"} NaN\nother 1\n"),
		pushRow(t, minutes(1), "job/a/i/1", "m{x=\"1\"} 2.5\nm{x=\"2\"} +Inf\n"),
		refused,
		pushRow(t, minutes(3), "job/a/i/2", "m 4\n"),
		pushRow(t, minutes(4), "job/b", "m 5\n"),
		pushRow(t, minutes(5), "job/a/i/1", "# TYPE m histogram\nm_bucket{le=\"+Inf\"} 1\nm_sum 1\nm_count 1\n"),
		pushRow(t, minutes(6), "job/a/i/1", "other 1\n"),
	)
	const want = `{"status":"success","data":[` +
		`{"labels":{"i":"1","job":"a","x":"1"},"values":[[1772366400.678901,"1000000"],[1772366460.678901,"2.5"]]},` +
		`{"labels":{"i":"1","job":"a","x":"2"},"values":[[1772366400.678901,"NaN"],[1772366460.678901,"+Inf"]]},` +
		`{"labels":{"i":"2","job":"a"},"values":[[1772366580.678901,"4"]]}]}` + "\n"
	if got := getRaw(t, v, "runs/series", "metric", "m", "job", "a").Body.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, tt := range []struct {
		parameters []string
		series     int
	}{
		{nil, 4},
		{[]string{"match[]", `{x="1"}`}, 1},
		{[]string{"match[]", `m{i=~".+"}`}, 3},
		{[]string{"match[]", `n`}, 0},
		{[]string{"since", "2026-03-01T12:03:00Z"}, 2},
		{[]string{"until", "2026-03-01T12:01:00Z"}, 2},
		{[]string{"match[]", `{job="b"}`}, 1},
	} {
		got := get[[]series](t, v, "runs/series", append(tt.parameters, "metric", "m")...)
		if len(got.Data) != tt.series {
			t.Errorf("%v: %v, want %d series", tt.parameters, got.Data, tt.series)
		}
	}
	n := 0
	for _, s := range pages[series](t, v, "runs/series", "metric", "m", "limit", "1") {
		n += len(s.Values)
	}
	if n != 6 {
		t.Errorf("the pages have %d values, want 6", n)
	}
}

func exportRows(t *testing.T) []repository.HistoryRow {
	refused := pushRow(t, minutes(3), "job/a", "m 9\n")
	refused.Accepted, refused.Reason = false, "because"
	again := pushRow(t, minutes(1).Add(50*time.Microsecond), "job/a/l/v", "m{x=\"\\\"\\n\"} 3\n")
	return []repository.HistoryRow{
		pushRow(t, minutes(0), "job/a/l/v", allTypes),
		pushRow(t, minutes(1), "job/a/l/v", "m{x=\"\\\"\\n\"} 2\nn 1\n"),
		again, // in the same millisecond
		refused,
		{Request: repository.Request{Method: repository.Delete}, At: minutes(4), Key: mustKey(t, "job/a"), Accepted: true},
		pushRow(t, minutes(5), "job/b", "m 5\n"),
	}
}

func TestExportOfOpenMetrics(t *testing.T) {
	t.Parallel()
	v := newV1(t)
	v.history(exportRows(t)...)
	w := getRaw(t, v, "history/export")
	if got := w.Header().Get("Content-Type"); got != "application/openmetrics-text; version=1.0.0; charset=utf-8" {
		t.Errorf("Content-Type %s", got)
	}
	const want = `c_total{job="a",l="v"} 1e+06 1772366400.678
c_total{instance="i",job="a",l="v"} 0.1 1772366400.678
g{job="a",l="v"} NaN 1772366400.678
h_bucket{job="a",l="v",le="0.1"} 3 1772366400.678
h_bucket{job="a",l="v",le="+Inf"} 5 1772366400.678
h_sum{job="a",l="v"} 7.5 1772366400.678
h_count{job="a",l="v"} 5 1772366400.678
s{job="a",l="v",quantile="0.5"} 1 1772366400.678
s{job="a",l="v",quantile="0.99"} +Inf 1772366400.678
s_sum{job="a",l="v"} 1.2345678e+07 1772366400.678
s_count{job="a",l="v"} 21 1772366400.678
u{job="a",l="v"} -0 1772366400.678
m{job="a",l="v",x="\"\n"} 3 1772366460.678
n{job="a",l="v"} 1 1772366460.678
m{job="b"} 5 1772366700.678
# EOF
`
	if got := w.Body.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for query, lines := range map[string]int{"job=b": 2, "match[]=h": 5, "match[]={x!=%22%22}": 2, "outcome=rejected": 2, "since=2027-01-01T00:00:00Z": 1, "method=DELETE": 1, "until=1772366401": 13} {
		w := send(v, "GET", "/api/v1/history/export?"+query, "")
		if got := strings.Count(w.Body.String(), "\n"); got != lines || !strings.HasSuffix(w.Body.String(), "# EOF\n") {
			t.Errorf("%s: %d lines, want %d:\n%s", query, got, lines, w.Body)
		}
	}
}

func TestExportOfTables(t *testing.T) {
	t.Parallel()
	v := newV1(t)
	v.history(exportRows(t)...)
	w := getRaw(t, v, "history/export", "format", "csv", "since", "1772366401")
	records, err := csv.NewReader(w.Body).ReadAll()
	want := [][]string{
		{"id", "time", "job", "labels", "metric", "type", "value"},
		{"2", "2026-03-01T12:01:00.678901Z", "a", `{"job":"a","l":"v","x":"\"\n"}`, "m", "untyped", "2"},
		{"2", "2026-03-01T12:01:00.678901Z", "a", `{"job":"a","l":"v"}`, "n", "untyped", "1"},
		{"3", "2026-03-01T12:01:00.678951Z", "a", `{"job":"a","l":"v","x":"\"\n"}`, "m", "untyped", "3"},
		{"6", "2026-03-01T12:05:00.678901Z", "b", `{"job":"b"}`, "m", "untyped", "5"},
	}
	if err != nil || !slices.EqualFunc(records, want, slices.Equal) {
		t.Errorf("got %q, %v, want %q", records, err, want)
	}
	if w := getRaw(t, v, "history/export", "format", "csv", "job", "nope"); w.Body.String() != "id,time,job,labels,metric,type,value\n" {
		t.Errorf("a table of nothing is %q", w.Body)
	}
}

func TestExportOfLines(t *testing.T) {
	t.Parallel()
	v := newV1(t)
	v.history(exportRows(t)...)
	lines := strings.Split(strings.TrimSpace(getRaw(t, v, "history/export", "format", "jsonl").Body.String()), "\n")
	for i, line := range lines {
		one := get[json.RawMessage](t, v, fmt.Sprint("history/", i+1)).Data
		if line != string(one) {
			t.Errorf("line %d is\n%s, want\n%s", i, line, one)
		}
	}
	if len(lines) != 6 {
		t.Errorf("%d lines, want 6", len(lines))
	}
	if w := getRaw(t, v, "history/export", "format", "jsonl", "job", "nope"); w.Body.Len() != 0 || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/jsonl") {
		t.Errorf("nothing is %q, of type %s", w.Body, w.Header().Get("Content-Type"))
	}
}

// slowGateway has one row, and after a pause another one, or an error.
type slowGateway struct {
	fakeGateway
	row   repository.HistoryRow
	pause time.Duration
	err   error
}

func (g *slowGateway) EachRow(ctx context.Context, _ repository.HistoryQuery, yield func(*repository.HistoryRow) error) error {
	for range 2 {
		row := g.row
		if err := yield(&row); err != nil {
			return err
		}
		if g.err != nil {
			return g.err
		}
		select {
		case <-time.After(g.pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func TestExportOutlivesTheTimeoutsOfTheServer(t *testing.T) {
	t.Parallel()
	// The request has to be read within the timeout, on a busy machine, too.
	const timeout = 2 * time.Second
	for name, series := range map[string]int{"little is written at the end": 1, "much is written on the way": 5000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row := pushRow(t, minutes(0), "job/a", "m 1\n")
			row.Families = exposition.AppendFamilies(nil, []exposition.Family{{Name: "m", Metrics: slices.Repeat([]exposition.Metric{{Value: 1}}, series)}})
			server := httptest.NewUnstartedServer(newServer(t, &slowGateway{row: row, pause: timeout * 3 / 4}, api.Options{}))
			server.Config.ReadTimeout, server.Config.WriteTimeout = timeout, timeout
			server.Start()
			defer server.Close()
			client := server.Client()
			r, err := client.Get(server.URL + "/api/v1/history/export?format=csv")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			text, err := io.ReadAll(r.Body)
			if got, want := strings.Count(string(text), "\n"), 2*series+1; err != nil || got != want {
				t.Errorf("%d lines, %v, want %d", got, err, want)
			}
		})
	}
}

func TestExportThatFailsIsCut(t *testing.T) {
	t.Parallel()
	row := pushRow(t, minutes(0), "job/a", "m 1\n")
	row.Families = exposition.AppendFamilies(nil, []exposition.Family{{Name: "m", Metrics: slices.Repeat([]exposition.Metric{{Value: 1}}, 5000)}})
	server := httptest.NewServer(newServer(t, &slowGateway{row: row, err: errors.New("connection lost")}, api.Options{}))
	defer server.Close()
	r, err := http.Get(server.URL + "/api/v1/history/export?format=csv")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if _, err := io.Copy(io.Discard, r.Body); err == nil {
		t.Error("half an export looks like a whole one")
	}
	http.DefaultClient.CloseIdleConnections()
}
