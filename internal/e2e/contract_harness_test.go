package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// fleet is one or more replicas on one database. Each request goes to the next
// one, so that what the answers promise has to hold for all of them.
type fleet struct {
	urls []string
	next int
}

func newFleet(t testing.TB, n int, flags ...string) *fleet {
	t.Helper()
	return newFleetOn(t, newDatabase(t), n, flags...)
}

func newFleetOn(t testing.TB, database string, n int, flags ...string) *fleet {
	t.Helper()
	return &fleet{urls: urlsOf(startReplicas(t, n, database, flags...))}
}

// plainClient shows answers as they are: it follows no redirects and unpacks
// nothing.
var plainClient = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// answer is what came back.
type answer struct {
	code   int
	header http.Header
	body   string
}

// send sends a request to the next replica. Headers come in pairs of name and
// value.
func (f *fleet) send(t *testing.T, method, path, body string, header ...string) answer {
	t.Helper()
	url := f.urls[f.next%len(f.urls)]
	f.next++
	return ask(t, method, url+path, body, header...)
}

// ask sends a request to a URL.
func ask(t *testing.T, method, url, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := plainClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// wipe empties the gateway.
func (f *fleet) wipe(t *testing.T) {
	t.Helper()
	if a := f.send(t, http.MethodPut, "/api/v1/admin/wipe", ""); a.code != http.StatusAccepted {
		t.Fatalf("wipe: %d %s", a.code, a.body)
	}
}

// scrape returns the text exposition, which must be the same on all replicas.
func (f *fleet) scrape(t *testing.T, path string) string {
	t.Helper()
	var first string
	for i, url := range f.urls {
		a := ask(t, http.MethodGet, url+path, "")
		if a.code != http.StatusOK {
			t.Fatalf("scrape: %d %s", a.code, a.body)
		}
		if i == 0 {
			first = a.body
		} else if a.body != first {
			t.Errorf("replica %d exposes\n%s\nbut the first one\n%s", i, a.body, first)
		}
	}
	return first
}

// step is a request of a case and the answer that it must get.
type step struct {
	method, path, body string
	header             []string
	code               int
	text               string // what the line of an error must contain
}

func put(path, body string) step {
	return step{method: http.MethodPut, path: path, body: body, code: 200}
}
func post(path, body string) step {
	return step{method: http.MethodPost, path: path, body: body, code: 200}
}
func del(path string) step { return step{method: http.MethodDelete, path: path, code: 202} }

// refused is the step with 400 for an answer, on a line that contains text.
func (s step) refused(text string) step {
	s.code, s.text = http.StatusBadRequest, text
	return s
}

// accepted is the step with 202 for an answer.
func (s step) accepted() step {
	s.code = http.StatusAccepted
	return s
}

// with adds a header to the step.
func (s step) with(name, value string) step {
	s.header = append(s.header, name, value)
	return s
}

func (s step) run(t *testing.T, f *fleet) {
	t.Helper()
	a := f.send(t, s.method, s.path, s.body, s.header...)
	request := fmt.Sprintf("%s %.100s", s.method, s.path)
	if a.code != s.code {
		t.Fatalf("%s with %.200q: %d %s, want %d", request, s.body, a.code, a.body, s.code)
	}
	if a.code < 300 && a.body != "" {
		t.Errorf("%s: the body %q, want none", request, a.body)
	}
	if a.code >= 400 {
		checkErrorLine(t, request, a)
		if !strings.Contains(a.body, s.text) {
			t.Errorf("%s: the answer %q, which does not say %q", request, a.body, s.text)
		}
	}
}

// checkErrorLine checks the form that all errors have: one line of plain text.
func checkErrorLine(t *testing.T, request string, a answer) {
	t.Helper()
	if line, ok := strings.CutSuffix(a.body, "\n"); !ok || line == "" || strings.ContainsAny(line, "\r\n") {
		t.Errorf("%s: the answer %q, which is not one line", request, a.body)
	}
	if got := a.header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("%s: an error of the type %q", request, got)
	}
}

// contractCase is what a Pushgateway does with some requests, from an empty
// gateway on.
type contractCase struct {
	name  string
	steps []step
	// want has the samples that are exposed afterwards, as samplesOf returns
	// them. Blanks at the ends of its lines do not count.
	want string
	// comments has the TYPE and HELP lines, if they matter.
	comments string
	// check looks at what the exposition does not show.
	check func(*testing.T, *fleet)
}

// runContract runs the cases against a gateway on SQLite, against one replica
// on PostgreSQL, against three, and against three behind nginx.
func runContract(t *testing.T, cases []contractCase, flags ...string) {
	flags = append(flags, "--web.enable-admin-api")
	run := func(t *testing.T, f *fleet) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) { c.run(t, f) })
		}
	}
	eachSize(t, func(t *testing.T, database string, n int) { run(t, newFleetOn(t, database, n, flags...)) })
	t.Run("3 replicas behind nginx", func(t *testing.T) {
		t.Parallel()
		replicas := startReplicas(t, 3, newDatabase(t), append(flags, trustNginx)...)
		run(t, &fleet{urls: []string{startProxy(t, replicas...).url}})
	})
}

// eachSize runs a test for one replica on PostgreSQL, for three, and for a
// gateway that nobody has given a database.
func eachSize(t *testing.T, test func(t *testing.T, database string, n int)) {
	t.Parallel()
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d replicas", n), func(t *testing.T) {
			t.Parallel()
			test(t, newDatabase(t), n)
		})
	}
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, byDefault, 1)
	})
}

func (c contractCase) run(t *testing.T, f *fleet) {
	f.wipe(t)
	for _, s := range c.steps {
		s.run(t, f)
	}
	exposition := f.scrape(t, "/metrics")
	if got, want := samplesOf(exposition), trimLines(c.want); got != want {
		t.Errorf("exposed are\n%s\nwant\n%s", got, want)
	}
	if got, want := commentsOf(exposition), trimLines(c.comments); want != "" && got != want {
		t.Errorf("the comments are\n%s\nwant\n%s", got, want)
	}
	if c.check != nil {
		c.check(t, f)
	}
}

// trimLines removes the blanks around each line, and empty lines.
func trimLines(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// samplesOf returns the samples of an exposition. Those that tell when a group
// was pushed become one line, like
//
//	group{instance="",job="j"} pushed failed
//
// with what has ever happened to the group. They come last.
func samplesOf(exposition string) string {
	var samples, groups []string
	events := map[string]string{}
	for line := range strings.Lines(exposition) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "#") || isOwn(line):
		case strings.HasPrefix(line, "push_failure_time_seconds{"):
			note(events, line, "push_failure_time_seconds", " failed")
		case strings.HasPrefix(line, "push_time_seconds{"):
			group := note(events, line, "push_time_seconds", " pushed")
			groups = append(groups, group)
		default:
			samples = append(samples, line)
		}
	}
	for _, g := range groups {
		what := "nothing"
		if e := events[g]; e == " failed pushed" {
			what = "pushed failed"
		} else if e != "" {
			what = e[1:]
		}
		samples = append(samples, "group"+g+" "+what)
	}
	return strings.Join(samples, "\n")
}

// note adds the event to those of the sample's group, unless it never
// happened, and returns the group.
func note(events map[string]string, line, family, event string) string {
	labels := strings.TrimPrefix(line[:strings.LastIndexByte(line, ' ')], family)
	if !strings.HasSuffix(line, "} 0") {
		events[labels] += event
	}
	return labels
}

// commentsOf returns the comments of an exposition, except those of the two
// families that every group has.
func commentsOf(exposition string) string {
	var comments []string
	for line := range strings.Lines(exposition) {
		name := strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE ")
		if name != line && !strings.HasPrefix(name, "push_time_seconds ") && !strings.HasPrefix(name, "push_failure_time_seconds ") && !isOwn(name) {
			comments = append(comments, strings.TrimSuffix(line, "\n"))
		}
	}
	return strings.Join(comments, "\n")
}

// isOwn reports whether a line is about a metric of the gateway itself. The
// cases have others.
func isOwn(line string) bool {
	for _, prefix := range []string{"go_", "process_", "promhttp_", "pushgateway_"} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}
