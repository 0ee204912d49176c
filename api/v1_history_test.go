package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/api"
	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

func TestHistoryRow(t *testing.T) {
	t.Parallel()
	v := newV1(t)
	pushed := pushRow(t, minutes(0), "job/backup/instance/db1", "backup_success 1\n# TYPE rows gauge\nrows{table=\"<&>\"} NaN\n")
	pushed.Client, pushed.Username, pushed.UserAgent, pushed.ID = "::1", "bob", "curl/8", "id-7"
	wiped := repository.HistoryRow{Request: repository.Request{Method: repository.Wipe}, At: minutes(2), Accepted: true, Affected: 1}
	refused := pushRow(t, minutes(1), "job/b", "m 1\n")
	refused.Accepted, refused.Reason, refused.Success = false, "because", nil
	v.history(pushed, refused, wiped)
	const want = `{"status":"success","data":[` +
		`{"id":3,"time":"2026-03-01T12:02:00.678901Z","labels":null,"method":"WIPE","outcome":"accepted","success":null,"affected":1,"series":0,"bytes":0,"replica":"r:9091"},` +
		`{"id":2,"time":"2026-03-01T12:01:00.678901Z","job":"b","labels":{"job":"b"},"method":"PUT","outcome":"rejected","reason":"because","success":null,"affected":1,"series":1,"bytes":4,"replica":"r:9091"},` +
		`{"id":1,"time":"2026-03-01T12:00:00.678901Z","job":"backup","labels":{"instance":"db1","job":"backup"},"method":"PUT","outcome":"accepted","success":true,"affected":1,"series":2,"bytes":57,"client":"::1","username":"bob","user_agent":"curl/8","replica":"r:9091","request_id":"id-7"}` +
		"]}\n"
	if got := getRaw(t, v, "history").Body.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	entry := get[struct {
		ID       int64
		Families json.RawMessage
	}](t, v, "history/1").Data
	families, err := exposition.DecodeFamilies(entry.Families)
	if err != nil || entry.ID != 1 || len(families) != 2 || families[1].Metrics[0].Labels[0].Value != "<&>" {
		t.Errorf("row 1 is %+v, %v", entry, err)
	}
	if got := getRaw(t, v, "history/3").Body.String(); !strings.Contains(got, `"families":null`) {
		t.Errorf("a wipe is %s", got)
	}
}

func TestHistoryFilters(t *testing.T) {
	t.Parallel()
	v := newV1(t)
	rows := []repository.HistoryRow{
		pushRow(t, minutes(0), "job/a/i/1", "m 1\n"),
		pushRow(t, minutes(1), "job/a/i/2", "n 1\n"),
		pushRow(t, minutes(2), "job/b/i/1", "m 1\n"),
		pushRow(t, minutes(3), "job/b", "m 1\nn 1\n"),
		pushRow(t, minutes(4), "job/a/i/1", "m 1\n"),
		pushRow(t, minutes(5), "job/a/i/1", "m 1\n"),
		{Request: repository.Request{Method: repository.Wipe}, At: minutes(6), Accepted: true},
	}
	rows[3].Method = repository.Post
	rows[4].Accepted, rows[4].Reason = false, "because"
	rows[5].Method, rows[5].Families = repository.Delete, nil
	v.history(rows...)
	tests := []struct{ query, want string }{
		{"", "7 6 5 4 3 2 1"},
		{"job=a", "6 5 2 1"},
		{"job=nope", ""},
		{"since=2026-03-01T12:02:00.678901Z", "7 6 5 4 3"},
		{"until=2026-03-01T12:02:00.678901Z", "2 1"},
		{"since=1772366460&until=1772366521", "3 2"},
		{"since=2027-01-01T00:00:00Z", ""},
		{"method=POST", "4"},
		{"method=DELETE", "6"},
		{"method=WIPE", "7"},
		{"outcome=rejected", "5"},
		{"outcome=accepted", "7 6 4 3 2 1"},
		{"outcome=rejected&job=a", "5"},
		{"outcome=rejected&job=b", ""},
		{"method=DELETE&job=a", "6"},
		{"method=PUT&outcome=rejected", "5"},
		{"match[]=m", "5 4 3 1"},
		{"match[]={job=%22a%22}", "6 5 2 1"},
		{"match[]={i=%221%22}", "6 5 3 1"},
		{"match[]={i=%22%22}", "7 4"},
		{"match[]=m{job=%22a%22}", "5 1"},
		{"match[]=n&match[]={job=~%22b%22}", "4 3 2"},
		{"match[]={job=%22a%22}&job=b", ""},
	}
	for _, tt := range tests {
		for _, limit := range []string{"", "&limit=1", "&limit=3"} {
			t.Run(tt.query+limit, func(t *testing.T) {
				t.Parallel()
				got, cursor := "", ""
				for {
					w := send(v, "GET", "/api/v1/history?"+tt.query+limit+cursor, "")
					var a answer[[]struct{ ID int }]
					if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 {
						t.Fatalf("%d %s", w.Code, w.Body)
					}
					got += " " + show(a.Data, func(r struct{ ID int }) string { return fmt.Sprint(r.ID) })
					if a.NextCursor == "" {
						break
					}
					cursor = "&cursor=" + a.NextCursor
				}
				if got := strings.Join(strings.Fields(got), " "); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			})
		}
	}
}

func TestPagesOfTheHistoryStayWhileOthersPush(t *testing.T) {
	t.Parallel()
	v := newV1(t)
	const n = 500
	var want []int
	rows := make([]repository.HistoryRow, n)
	for i := range rows {
		rows[i] = pushRow(t, minutes(i/3), fmt.Sprintf("job/j%d", i%5), "m 1\n") // three of each time
		if i%5 == 2 {
			want = append(want, i+1)
		}
	}
	slices.Reverse(want)
	v.history(rows...)
	stop := make(chan struct{})
	var pushing sync.WaitGroup
	pushing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				send(v, "PUT", "/metrics/job/j2", "m 1\n")
			}
		}
	})
	type row struct {
		ID   int
		Time string
	}
	var got []int
	for _, r := range pages[row](t, v, "history", "job", "j2", "limit", "7", "until", "2026-03-02T00:00:00Z") {
		got = append(got, r.ID)
	}
	first := get[[]row](t, v, "history", "job", "j2", "limit", "7")
	close(stop)
	pushing.Wait()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	seen := map[int]bool{}
	for _, r := range append(first.Data, pages[row](t, v, "history", "job", "j2", "limit", "7", "cursor", first.NextCursor)...) {
		if seen[r.ID] {
			t.Errorf("row %d is on two pages", r.ID)
		}
		seen[r.ID] = true
	}
	for _, id := range want {
		if !seen[id] {
			t.Errorf("row %d is on no page", id)
		}
	}
}

func TestErrorsOfTheHistoryAreJSON(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fakeGateway{err: errors.New("secret")}, api.Options{})
	for _, path := range []string{"history", "history/1", "history/export", "runs/series?metric=m"} {
		w := send(s, "GET", "/api/v1/"+path, "")
		var a answer[any]
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 500 || a.ErrorType != "internal" || strings.Contains(a.Error, "secret") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if w.Header().Get("Content-Disposition") != "" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: headers %v", path, w.Header())
		}
	}
}
