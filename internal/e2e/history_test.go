package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// TestWhatIsInTheHistory protects the audit log from gaps, and the disk from
// strangers: what has no grouping key, is too large or comes without the
// password is only counted.
func TestWhatIsInTheHistory(t *testing.T) {
	t.Parallel()
	const path, rejected = "/metrics/job/j/i/1", "sqlpushgateway_pushes_rejected_total"
	for name, create := range map[string]func(testing.TB) string{"PostgreSQL": newDatabase, "SQLite": newFile} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := create(t)
			r := startReplica(t, database, "--web.enable-admin-api", "--web.max-body-bytes=1000", "--web.trusted-proxies=127.0.0.0/8")
			var want []string
			for i, tt := range []struct {
				name, method, path, body string
				code                     int
				row                      string // what the history says, or "" for nothing
				counter                  string // what is counted, or ""
			}{
				{"a PUT", "PUT", path, "success 1\n", 200, "PUT accepted 1 1 10 true", ""},
				{"a POST", "POST", path, "m{a=\"1\"} 1\nm 2\nx_success 0\n", 200, "POST accepted 1 3 27 false", ""},
				{"an empty push", "PUT", path, "", 200, "PUT accepted 1 0 0 none", ""},
				{"a push that contradicts itself", "POST", path, "m 1\nm 2\n", 400, "POST rejected 1 0 8 none", rejected + `{reason="inconsistent"} 1`},
				{"a push with a timestamp", "PUT", path, "m 1 1\n", 400, "PUT rejected 1 0 6 none", rejected + `{reason="timestamp"} 1`},
				{"a push that cannot be read", "PUT", path, "success\n", 400, "PUT rejected 0 0 8 none", rejected + `{reason="malformed"} 1`},
				{"a malformed path", "PUT", "/metrics/job/j/i", "m 1\n", 400, "", rejected + `{reason="grouping_key"} 1`},
				{"a path without a job", "PUT", "/metrics/job//i/1", "m 1\n", 400, "", rejected + `{reason="grouping_key"} 2`},
				{"a path of nothing", "PUT", "/metrics/job/", "m 1\n", 404, "", `pushgateway_http_requests_total{code="404",handler="push",method="put"} 1`},
				{"a body that is too large", "PUT", path, strings.Repeat("#\n", 1000), 413, "", rejected + `{reason="too_large"} 1`},
				{"a DELETE", "DELETE", path, "", 202, "DELETE accepted 1 0 0 none", ""},
				{"a DELETE of nothing", "DELETE", path, "", 202, "DELETE accepted 0 0 0 none", ""},
				{"a DELETE of a malformed path", "DELETE", "/metrics/job/j/i", "", 400, "", `pushgateway_http_requests_total{code="400",handler="delete",method="delete"} 1`},
				{"a wipe", "PUT", "/api/v1/admin/wipe", "", 202, "WIPE accepted 0 0 0 none", ""},
			} {
				id := fmt.Sprintf("request-%d", i)
				code, body := do(t, tt.method, r.url+tt.path, tt.body, "X-Forwarded-For", "203.0.113.7", "X-Request-Id", id, "User-Agent", "backup/1.0")
				if code != tt.code {
					t.Errorf("%s: %d %s, want %d", tt.name, code, body, tt.code)
				}
				if tt.row != "" {
					want = append(want, id+" "+tt.row)
				}
				if _, metrics := do(t, http.MethodGet, r.url+"/-/metrics", ""); !strings.Contains(metrics, tt.counter) {
					t.Errorf("%s: it is not counted by %s", tt.name, tt.counter)
				}
			}
			var got []string
			for _, row := range model.History(t, database) {
				got = append(got, audited(row))
				if row.Client != "203.0.113.7" || row.UserAgent != "backup/1.0" || row.Username != "" || row.Replica == "" || row.At.IsZero() ||
					row.Accepted == (row.Reason != "") || row.Method != repository.Wipe && row.Key.String() != `{job="j",i="1"}` {
					t.Errorf("a row is %+v", row)
				}
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("the history is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// audited returns the request id, the method, the outcome, the numbers of groups,
// series and bytes, and the verdict.
func audited(r repository.HistoryRow) string {
	outcome, verdict := "rejected", "none"
	if r.Accepted {
		outcome = "accepted"
	}
	if r.Success != nil {
		verdict = fmt.Sprint(*r.Success)
	}
	return fmt.Sprint(r.ID, " ", r.Method, " ", outcome, " ", r.Affected, " ", r.Series, " ", r.Bytes, " ", verdict)
}
