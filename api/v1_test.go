package api_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlpushgateway/sqlpushgateway/api"
	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/sqlite"
)

// v1 is a server on a database.
type v1 struct {
	*api.Server
	t       testing.TB
	gateway *repository.Repository
}

func newV1(t testing.TB) *v1 {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: sqlite.Memory, Replica: "r:9091", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	// The tests choose the times of their rows, which are never too old.
	r := repository.New(store, repository.Options{Logger: logger, Registry: prometheus.NewRegistry(), Retention: 100 * 365 * 24 * time.Hour})
	t.Cleanup(r.Close)
	return &v1{newServer(t, r, api.Options{EnableAdminAPI: true}), t, r}
}

// history adds rows to the history, which get numbers from 1 on unless they have
// some.
func (v *v1) history(rows ...repository.HistoryRow) {
	v.t.Helper()
	for i := range rows {
		if rows[i].Seq == 0 {
			rows[i].Seq = int64(i + 1)
		}
		rows[i].Commit, rows[i].Replica = uuid.New(), "r:9091"
	}
	if _, err := v.gateway.Snapshot(v.t.Context(), false); err != nil { // waits for the schema
		v.t.Fatal(err)
	}
	if err := v.gateway.AddHistory(v.t.Context(), rows); err != nil {
		v.t.Fatal(err)
	}
}

// pushRow is the row of an accepted PUT.
func pushRow(t testing.TB, at time.Time, path, text string) repository.HistoryRow {
	t.Helper()
	g := mustGroup(t, path, text, at)
	return repository.HistoryRow{
		Request: repository.Request{Method: repository.Put, Bytes: len(text)}, At: at, Key: g.Key, Accepted: true, Affected: 1,
		Success: repository.Verdict(g.Families), Families: exposition.AppendFamilies(nil, g.Families), Series: len(g.Families),
	}
}

// push makes a push, at the present time.
func (v *v1) push(path, text string) {
	v.t.Helper()
	if w := send(v, "PUT", "/metrics/"+path, text); w.Code != 200 {
		v.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
}

// answer is one of the API's.
type answer[T any] struct {
	Status     string
	Data       T
	NextCursor string `json:"next_cursor"`
	ErrorType  string
	Error      string
}

// get asks for a path below /api/v1/, with parameters as name, value, …, and checks
// that the answer is as docs/openapi.yaml says.
func get[T any](t testing.TB, v *v1, path string, parameters ...string) answer[T] {
	t.Helper()
	w := getRaw(t, v, path, parameters...)
	var a answer[T]
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 || a.Status != "success" {
		t.Fatalf("%s %v: %d %s, %v", path, parameters, w.Code, w.Body, err)
	}
	return a
}

func getRaw(t testing.TB, v *v1, path string, parameters ...string) *httptest.ResponseRecorder {
	t.Helper()
	values := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		if parameters[i] == "cursor" {
			values.Del("cursor") // the last one counts
		}
		values.Add(parameters[i], parameters[i+1])
	}
	target := "/api/v1/" + path + "?" + values.Encode()
	w := send(v, "GET", target, "")
	checkOpenAPI(t, "GET", target, w)
	return w
}

// pages follows the cursors and returns all rows.
func pages[T any](t testing.TB, v *v1, path string, parameters ...string) []T {
	t.Helper()
	var all []T
	for a := get[[]T](t, v, path, parameters...); ; a = get[[]T](t, v, path, append(parameters, "cursor", a.NextCursor)...) {
		all = append(all, a.Data...)
		if a.NextCursor == "" {
			return all
		}
	}
}

// openAPI is the description of the API.
var openAPI = sync.OnceValues(func() (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromFile("../docs/openapi.yaml")
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(loader.Context)
})

// openAPIRouter finds what it says of a request.
var openAPIRouter = sync.OnceValues(func() (routers.Router, error) {
	for _, text := range []string{"application/openmetrics-text", "application/jsonl"} {
		openapi3filter.RegisterBodyDecoder(text, openapi3filter.FileBodyDecoder)
	}
	doc, err := openAPI()
	if err != nil {
		return nil, err
	}
	return legacy.NewRouter(doc)
})

// checkOpenAPI checks that an answer is one that docs/openapi.yaml has.
func checkOpenAPI(t testing.TB, method, target string, w *httptest.ResponseRecorder) {
	t.Helper()
	router, err := openAPIRouter()
	if err != nil {
		t.Fatalf("docs/openapi.yaml: %v", err)
	}
	r := httptest.NewRequest(method, target, nil)
	route, params, err := router.FindRoute(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	input := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route}
	if err := openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: w.Code, Header: w.Header(), Body: w.Result().Body,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}); err != nil {
		t.Errorf("%s %s is not as in docs/openapi.yaml: %v", method, target, err)
	}
}

// TestDescriptionHasAllRoutes protects those who read the description: it leaves
// out nothing that is served, and promises nothing that is not.
func TestDescriptionHasAllRoutes(t *testing.T) {
	t.Parallel()
	doc, err := openAPI()
	if err != nil {
		t.Fatalf("docs/openapi.yaml: %v", err)
	}
	const base = "/api/v1"
	var described, served []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+base+path)
		}
	}
	parameter := regexp.MustCompile(`:(\w+)`)
	for _, r := range newServer(t, &fakeGateway{}, api.Options{EnableAdminAPI: true}).Routes() {
		if strings.HasPrefix(r.Path, "/api/") && r.Method != http.MethodOptions {
			served = append(served, r.Method+" "+parameter.ReplaceAllString(r.Path, "{$1}"))
		}
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("docs/openapi.yaml has\n%s\nserved are\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
}

func TestAnswersAreThoseOfTheDescription(t *testing.T) {
	t.Parallel()
	v := newV1(t)
	v.push("job/a/l/v", allTypes)
	v.push("job/b", "")
	send(v, "POST", "/metrics/job/b", "m 1 1\n")
	send(v, "DELETE", "/metrics/job/none", "")
	for _, path := range []string{
		"history", "history/1", "history/2", "history/3", "history/4", "history/5", "groups", "jobs", "runs/series?metric=g", "metrics", "status",
		"history/export", "history/export?format=csv", "history/export?format=jsonl",
		"history?limit=0", "history/x", "groups?sort=x", "jobs?cursor=x", "runs/series", "history/export?format=x",
	} {
		target := "/api/v1/" + path
		checkOpenAPI(t, "GET", target, send(v, "GET", target, ""))
	}
	checkOpenAPI(t, "PUT", "/api/v1/admin/wipe", send(v, "PUT", "/api/v1/admin/wipe", ""))
	checkOpenAPI(t, "POST", "/api/v1/admin/wipe", send(v, "POST", "/api/v1/admin/wipe", "", "Sec-Fetch-Site: cross-site"))
	checkOpenAPI(t, "PUT", "/api/v1/admin/wipe", send(newServer(t, v.gateway, api.Options{}), "PUT", "/api/v1/admin/wipe", ""))
	away := newServer(t, &fakeGateway{err: repository.ErrUnavailable, groupsErr: repository.ErrUnavailable}, api.Options{EnableAdminAPI: true})
	for _, path := range []string{"history", "history/1", "history/export", "groups", "jobs", "runs/series?metric=m", "metrics"} {
		target := "/api/v1/" + path
		w := send(away, "GET", target, "")
		if w.Code != 503 {
			t.Errorf("%s: code %d while the database is away", path, w.Code)
		}
		checkOpenAPI(t, "GET", target, w)
	}
	checkOpenAPI(t, "DELETE", "/api/v1/admin/wipe", send(away, "DELETE", "/api/v1/admin/wipe", ""))
}

func TestBadParametersAreNamed(t *testing.T) {
	t.Parallel()
	v := newV1(t)
	tests := []struct{ target, want string }{
		{"history?limit=0", "limit=0: use a number from 1 to 1000"},
		{"history?limit=1001", "from 1 to 1000"},
		{"history?limit=x", "limit=x"},
		{"history?since=yesterday", "since=yesterday is no time"},
		{"history?until=1e99", "until=1e99 is no time"},
		{"history?method=GET", "method=GET: use one of PUT, POST, DELETE, WIPE"},
		{"history?outcome=failed", "outcome=failed: use one of accepted, rejected"},
		{"history?match[]={", "match[]={ is no selector"},
		{"history?match[]=a&match[]=b{c", "match[]=b{c is no selector"},
		{"history?cursor=x", "cursor"},
		{"history?limit=%zz", "query string"},
		{"history?job=%00", `job="\x00" is the name of no job`},
		{"history?job=%ff", `job="\xff" is the name of no job`},
		{"history?match[]={job=%22a\\x00%22}", `job="a\x00" is the name of no job`},
		{"history/export?job=%00", `job="\x00" is the name of no job`},
		{"runs/series?metric=m&job=%00", `job="\x00" is the name of no job`},
		{"history/x", "x is no number"},
		{"history/9999999999999999999", "is no number"},
		{"history/export?format=xml", "format=xml: use one of openmetrics, csv, jsonl"},
		{"history/export?since=x", "since=x"},
		{"groups?sort=-x", "sort=-x: use one of job, -job, pushed_at"},
		{"groups?cursor=bnVsbA", "cursor"},
		{"groups?match[]=a{b=~%22(%22}", "match[]"},
		{"jobs?limit=-1", "limit=-1"},
		{"jobs?cursor=%ff", "cursor"},
		{"runs/series", "metric"},
		{"runs/series?metric=m&limit=11001", "from 1 to 11000"},
	}
	for _, tt := range tests {
		t.Run(tt.target, func(t *testing.T) {
			t.Parallel()
			w := send(v, "GET", "/api/v1/"+tt.target, "")
			var a answer[any]
			if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
				t.Fatalf("%v: %s", err, w.Body)
			}
			if w.Code != 400 || a.Status != "error" || a.ErrorType != "bad_data" || !strings.Contains(a.Error, tt.want) || strings.Contains(a.Error, "\n") {
				t.Errorf("code %d, %+v; want bad_data with %q", w.Code, a, tt.want)
			}
		})
	}
	if w := send(v, "GET", "/api/v1/history?nobody=knows", ""); w.Code != 200 {
		t.Errorf("an unknown parameter: %d %s", w.Code, w.Body)
	}
	w := send(v, "GET", "/api/v1/history/1", "")
	if !strings.Contains(w.Body.String(), `"errorType":"not_found"`) || w.Code != 404 {
		t.Errorf("a row that is not there: %d %s", w.Code, w.Body)
	}
}

// minutes is a time some minutes after a fixed one.
func minutes(n int) time.Time {
	return time.Date(2026, 3, 1, 12, 0, 0, 678901000, time.UTC).Add(time.Duration(n) * time.Minute)
}

func show[T any](rows []T, f func(T) string) string {
	parts := make([]string, len(rows))
	for i, r := range rows {
		parts[i] = f(r)
	}
	return strings.Join(parts, " ")
}
