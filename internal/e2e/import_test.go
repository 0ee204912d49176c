package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// classicPushes are of every type that Debian's Pushgateway knows, with odd
// labels. Some are refused.
var classicPushes = []step{
	put("/metrics/job/classic/instance/a", `# HELP g Help with \\ and \n in it.
# TYPE g gauge
g -0.25
# HELP c_total A counter.
# TYPE c_total counter
c_total{x="1"} 12
c_total{x="2"} 1e+300
# TYPE h histogram
h_bucket{le="0.5"} 3
h_bucket{le="1"} 5
h_bucket{le="+Inf"} 9
h_sum 17.25
h_count 9
# TYPE s summary
s{quantile="0.5"} 1.5
s{quantile="0.99"} NaN
s_sum 3
s_count 2
u 3
replaced 1
`),
	put("/metrics/job/classic/instance/b", `# HELP g Another help.
# TYPE g gauge
g 7
# TYPE h histogram
h_bucket{k="no infinity",le="1"} 1
h_bucket{k="no infinity",le="0.5"} 0
h_sum{k="no infinity"} -Inf
h_count{k="no infinity"} 2
h_count{k="nothing else"} 4
# TYPE s summary
s_sum{k="no quantiles"} 1
s_count{k="no quantiles"} 1152921504606846977
`),
	put("/metrics/job/classic", "u 1\nu2{l=\"+\"} +Inf\nu2{l=\"-\"} -Inf\nu2{l=\"\"} NaN\nu2 -0\nu2{l=\"tiny\"} 5e-324\njob:rate:sum 1\n"),
	post("/metrics/job/classic/instance/a", "late 1\nreplaced 2\n"),
	put("/metrics/job@base64/L3Zhci90bXA/path@base64/w7wvIiBcCg", `odd{q="a\\b\"c\nd",u="Zürich☕",job="overwritten",e="",le="x",quantile="y"} 1`+"\n"),
	put("/metrics/job/empty", "value 2\nvalue{a=\"b\"} 3\n"),
	put("/metrics/job/empty/a@base64/=", "value 1\n"),
	put("/metrics/job/instance/instance@base64/=", "value 4\nvalue{x=\"1\",instance=\"overwritten\"} 5\n"),
	put("/metrics/job/named", "# TYPE labels gauge\nlabels{a=\"b\"} 1\nlast_push_successful 2\npush_time_seconds 3\n# TYPE push_failure_time_seconds counter\npush_failure_time_seconds 4\n"),
	put("/metrics/job/registry", "# HELP go_goroutines Number of goroutines that currently exist.\n# TYPE go_goroutines gauge\ngo_goroutines 42\n"),
	put("/metrics/job/nothing", ""),
	put("/metrics/job/deleted", sample),
	del("/metrics/job/deleted"),
	put("/metrics/job/again", "first 1\n"),
	put("/metrics/job/refused/site/x", "u 1 1234\n").refused("timestamp"),
	put("/metrics/job/classic/instance/b", "# TYPE c_total gauge\nc_total 1\n").refused("invalid"),
	post("/metrics/job/again", "u 1\nu 2\n").refused("invalid"),
	put("/metrics/job/again", "second 1\n"),
}

// eachDatabase runs a test for an SQLite file and for a database of
// PostgreSQL, which are empty.
func eachDatabase(t *testing.T, test func(t *testing.T, database string)) {
	for name, create := range map[string]func(testing.TB) string{"SQLite": newFile, "PostgreSQL": newDatabase} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, create(t))
		})
	}
}

// TestImport protects those who move in from Debian's Pushgateway: everything
// that it shows, a gateway shows afterwards.
func TestImport(t *testing.T) {
	t.Parallel()
	o := startOriginal(t)
	for _, s := range classicPushes {
		if code, text := do(t, s.method, o.url+s.path, s.body); code != s.code || !strings.Contains(text, s.text) {
			t.Fatalf("%s %s: %d %s", s.method, s.path, code, text)
		}
	}
	before := show(t, o.url)
	t.Run("by URL", func(t *testing.T) {
		eachDatabase(t, func(t *testing.T, database string) { importAll(t, o.url, database, before) })
	})
	o.terminate()
	t.Run("from the file", func(t *testing.T) {
		eachDatabase(t, func(t *testing.T, database string) {
			importAll(t, filepath.Join(o.cmd.Dir, persistenceFile), database, before)
		})
	})
}

// importAll imports twice, and checks what is shown afterwards.
func importAll(t *testing.T, from, database string, want shown) {
	t.Helper()
	groups := len(want.api)
	for _, summary := range []string{
		fmt.Sprintf("of %d groups %d were stored", groups, groups),
		fmt.Sprintf("of %d groups 0 were stored, with 0 series; %d stay as they are", groups, groups),
	} {
		runCommand(t, "import", "--from="+from, "--database.url="+database).succeeds(t, summary)
	}
	r := startReplica(t, database)
	show(t, r.url).equals(t, want)
	r.kill()
	rows := model.History(t, database)
	for _, row := range rows {
		if row.Method != repository.Put || row.UserAgent != "sqlpushgateway import" || !row.Accepted {
			t.Errorf("the history has %+v", row)
		}
	}
	if len(rows) != groups {
		t.Errorf("the history has %d rows, want one for each of %d groups", len(rows), groups)
	}
}

// recorded is what a Pushgateway 1.11.3 has answered and left.
const recorded = "../pushgateway/testdata/1.11.3"

func readRecorded(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(recorded, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// serveRecorded serves what was recorded, and returns the URL.
func serveRecorded(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := map[string]string{"/api/v1/metrics": "metrics.json", "/metrics": "scrape.pb"}[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if name == "scrape.pb" {
			w.Header().Set("Content-Type", protobufType)
		}
		http.ServeFile(w, r, filepath.Join(recorded, name))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestImportRecorded protects those who move in from a newer Pushgateway, with
// native histograms and UTF-8 names, or from one of ours.
func TestImportRecorded(t *testing.T) {
	t.Parallel()
	want := showing(t, readRecorded(t, "exposition.txt"), readRecorded(t, "scrape.pb"), readRecorded(t, "metrics.json"))
	for name, from := range map[string]string{"by URL": serveRecorded(t), "from the file": filepath.Join(recorded, "persistence.gob")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, database string) { importAll(t, from, database, want) })
		})
	}
	t.Run("from a gateway of ours", func(t *testing.T) {
		t.Parallel()
		database := newFile(t)
		runCommand(t, "import", "--from="+filepath.Join(recorded, "persistence.gob"), "--database.url="+database).succeeds(t, "9 were stored")
		importAll(t, startReplica(t, database).url, newDatabase(t), want)
	})
}

// TestImportKeepsWhatIsNewer protects pushes that came here first, and those
// that came there later.
func TestImportKeepsWhatIsNewer(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, database string) {
		o := startOriginal(t)
		there := &fleet{urls: []string{o.url}}
		var here *fleet
		gateway := func(steps ...step) {
			r := startReplica(t, database)
			defer r.terminate()
			here = &fleet{urls: []string{r.url}}
			for _, s := range steps {
				s.run(t, here)
			}
		}
		importing := func(summary string) {
			runCommand(t, "import", "--from="+o.url, "--database.url="+database).succeeds(t, summary)
		}
		put("/metrics/job/there", "m 1\n").run(t, there)
		put("/metrics/job/here", "m 1\n").run(t, there)
		put("/metrics/job/both", "a 1\nb 1\n").run(t, there)
		importing("of 3 groups 3 were stored, with 4 series; 0 stay")
		gateway(put("/metrics/job/here", "n 2\n"), put("/metrics/job/own", "o 1\n"), post("/metrics/job/both", "a 2\n"),
			put("/metrics/job/both", "a 1 1\n").refused("timestamp"))
		put("/metrics/job/there", "m 3\n").run(t, there)
		post("/metrics/job/both", "b 3\n").run(t, there)
		importing("of 3 groups 2 were stored, with 3 series; 1 stay")
		r := startReplica(t, database)
		const want = `
			a{instance="",job="both"} 1
			b{instance="",job="both"} 3
			m{instance="",job="there"} 3
			n{instance="",job="here"} 2
			o{instance="",job="own"} 1
			group{instance="",job="both"} pushed failed
			group{instance="",job="here"} pushed
			group{instance="",job="own"} pushed
			group{instance="",job="there"} pushed`
		if got := samplesOf(r.scrape()); got != trimLines(want) {
			t.Errorf("exposed are\n%s\nwant\n%s", got, trimLines(want))
		}
	})
}

// TestImportRefuses protects the exposition from groups that poison that of the
// Pushgateway, whose scrapes fail then, and those who import from missing that.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	o := startOriginal(t, uncheckedFlag)
	there := &fleet{urls: []string{o.url}}
	for _, s := range []step{
		put("/metrics/job/twin", "m 1\n").accepted(),
		put("/metrics/job/twin/instance@base64/=", "m 2\n").accepted(),
		put("/metrics/job/nul", "m{a=\"x\x00y\"} 1\n").accepted(),
		put("/metrics/job/fine", "# TYPE f gauge\nf 1\n").accepted(),
		put("/metrics/job/clash", "# TYPE f counter\nf 1\n").accepted(),
	} {
		s.run(t, there)
	}
	if code, body := do(t, http.MethodGet, o.url+"/metrics", ""); code != http.StatusInternalServerError {
		t.Errorf("its scrape is answered with %d %.200s", code, body)
	}
	refusal := regexp.MustCompile(`^refused: {job="(twin|nul|fine|clash)".*}: .+$`)
	for name, c := range map[string]struct {
		flags           []string
		stored, refused int
		shown           string
	}{
		"checked":   {nil, 2, 3, ""},
		"unchecked": {[]string{uncheckedFlag}, 4, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, database string) {
				args := append([]string{"import", "--from=" + o.url, "--database.url=" + database}, c.flags...)
				dry := runCommand(t, append(args, "--dry-run")...)
				if want := fmt.Sprintf("of 5 groups %d would be stored, with %d series; 0 stay as they are, since they were pushed to at the same time or later; %d would be refused\n", c.stored, c.stored, c.refused); dry.code != 1 || dry.stdout != want {
					t.Errorf("a dry run ends with %+v, want %q", dry, want)
				}
				var first string
				for range 2 { // what is refused leaves nothing, and is refused again
					done := runCommand(t, args...)
					lines := strings.Split(strings.TrimSpace(done.stderr), "\n")
					if !strings.HasPrefix(lines[0], "warning: --from: "+o.url+"/metrics answers 500 Internal Server Error: ") {
						t.Errorf("the first line is %q, want a warning", lines[0])
					}
					lines = lines[1:]
					if done.code != 1 || len(lines) != c.refused+1 || lines[c.refused] != fmt.Sprintf("sqlpushgateway: error: %d of 5 groups were refused", c.refused) {
						t.Errorf("the import ends with %+v, want %d refusals", done, c.refused)
					}
					for _, line := range lines[:len(lines)-1] {
						if !refusal.MatchString(line) {
							t.Errorf("a refusal is %q", line)
						}
					}
					r := startReplica(t, database, c.flags...)
					code, text := do(t, http.MethodGet, r.url+"/api/v1/metrics", "")
					if code != http.StatusOK || strings.Count(text, `"last_push_successful":true`) != c.stored || strings.Contains(text, `"last_push_successful":false`) {
						t.Errorf("stored are %s, want %d groups", text, c.stored)
					}
					exposition := r.scrape()
					if first == "" {
						first = exposition
					}
					if exposition != first {
						t.Errorf("after the second import (+) and the first (-):\n%s", diff(first, exposition, nil))
					}
					r.terminate()
				}
			})
		})
	}
}

// TestImportDryRun protects the database from what only asks.
func TestImportDryRun(t *testing.T) {
	t.Parallel()
	from := filepath.Join(recorded, "persistence.gob")
	t.Run("no file is made", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		runCommand(t, "import", "--dry-run", "--from="+from, "--database.url=sqlite:"+dir+"/new/gateway.db").
			succeeds(t, "of 9 groups 9 would be stored, with 45 series; 0 stay")
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			t.Errorf("the folder has %v %v", entries, err)
		}
	})
	eachDatabase(t, func(t *testing.T, database string) {
		r := startReplica(t, database)
		f := &fleet{urls: []string{r.url}}
		put("/metrics/job/bare", "m 1\n").run(t, f)
		put("/metrics/job/clash", "# TYPE native_seconds counter\nnative_seconds 1\n").run(t, f)
		r.terminate()
		groups, rows := contentOf(t, database)
		done := runCommand(t, "import", "--dry-run", "--from="+from, "--database.url="+database)
		if done.code != 1 || !strings.HasPrefix(done.stdout, "of 9 groups 7 would be stored, with ") || !strings.Contains(done.stdout, "; 1 stay as they are") ||
			!strings.HasSuffix(done.stdout, "; 1 would be refused\n") || !strings.Contains(done.stderr, `refused: {job="native",instance="n1"}: `) {
			t.Errorf("got %+v", done)
		}
		groupsAfter, rowsAfter := contentOf(t, database)
		equalContent(t, groupsAfter, groups)
		equalHistory(t, rowsAfter, rows)
	})
}

// TestImportBesideReplicas protects pushes that are answered while an import
// goes on, on any replica.
func TestImportBesideReplicas(t *testing.T) {
	t.Parallel()
	const groups = 300
	o := startOriginal(t, uncheckedFlag)
	pushMany(t, o.url, groups, func(i int) string { return fmt.Sprintf("imported %d\nimported{x=\"y\"} 1\n", i) })
	database := newDatabase(t)
	h := newHammer(t, database, startReplicas(t, 3, database))
	h.start(8, 0)
	h.progress(50)
	for _, summary := range []string{"300 were stored, with 600 series; 0 stay", "0 were stored, with 0 series; 300 stay"} {
		runCommand(t, "import", "--from="+o.url, "--database.url="+database).succeeds(t, summary)
		h.progress(20)
	}
	h.finish()
	h.verifyBeside("sqlpushgateway import", nil)
	imported := show(t, o.url).text
	all := strings.Join(show(t, h.replica(0).url).text, "\n")
	for _, line := range imported {
		if !strings.Contains(all, line) {
			t.Errorf("%s is missing", line)
		}
	}
}

// TestImportShowsProgress protects those who watch, and the logs of those who
// do not.
func TestImportShowsProgress(t *testing.T) {
	t.Parallel()
	script := lookUp(t, "script", "bsdutils")
	ctx := t.Context()
	line := fmt.Sprintf("'%s' import '--from=%s' '--database.url=%s'", program, filepath.Join(recorded, "persistence.gob"), newFile(t))
	out, err := exec.CommandContext(ctx, script, "-qec", line, "/dev/null").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := string(out); !regexp.MustCompile(`^\r.*\r9 of 9 groups\r\nof 9 groups 9 were stored, with 45 series; .*\r\n$`).MatchString(got) {
		t.Errorf("a terminal shows %q", got)
	}
}

// TestImportIsInterrupted protects those who press ^C: it is soon over, and
// what is missing comes with the next attempt.
func TestImportIsInterrupted(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	from := filepath.Join(recorded, "persistence.gob")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	accepted := make(chan struct{})
	go func() {
		if conn, err := silent.Accept(); err == nil {
			close(accepted)
			<-t.Context().Done()
			conn.Close()
		}
	}()
	interrupt := func(c *running, text string) {
		t.Helper()
		for range 3 { // whoever is impatient presses it again
			c.cmd.Process.Signal(syscall.SIGINT)
			select {
			case <-c.done:
			case <-time.After(10 * time.Second):
				continue
			}
			break
		}
		c.wait().fails(t, text)
	}

	c := startCommand(t, "import", "--from=http://"+silent.Addr().String(), "--database.url="+database)
	<-accepted
	interrupt(c, "interrupt signal received\n")

	runCommand(t, "import", "--dry-run", "--from="+from, "--database.url="+database).succeeds(t, "9 would be stored") // the first start needs other locks
	g := &gate{t: t, conn: dial(t, database), admin: dial(t, database)}
	g.exec("BEGIN")
	g.exec("LOCK TABLE push_group IN EXCLUSIVE MODE")
	c = startCommand(t, "import", "--from="+from, "--database.url="+database)
	g.awaitBlocked()
	c.cmd.Process.Signal(syscall.SIGINT)
	got := c.wait()
	if got.code != 1 || !strings.HasPrefix(got.stdout, "of 9 groups 0 were stored") || strings.Count(got.stderr, "\n") != 1 ||
		!strings.Contains(got.stderr, "interrupt signal received (what is stored stays: repeat the command for the rest)") {
		t.Errorf("got %+v", got)
	}
	g.open()
	runCommand(t, "import", "--from="+from, "--database.url="+database).succeeds(t, "of 9 groups 9 were stored")
}

// TestImportWithPassword protects the password of the Pushgateway.
func TestImportWithPassword(t *testing.T) {
	t.Parallel()
	config := writeFile(t, filepath.Join(t.TempDir(), "web.yml"), "basic_auth_users:\n  alice: $2a$04$hAdvd/kpgAJ9Ix7Y202n4enZMViLMN0YNVYKSTJRB2qKEVt5h2TFC\n")
	o := launchOriginal(t, "--web.config.file="+config)
	database := newFile(t)
	for user, text := range map[string]string{"": "/api/v1/metrics answers 401 Unauthorized: Unauthorized\n", "alice:hunter2@": "alice:xxxxx@"} {
		got := runCommand(t, "import", "--from="+strings.Replace(o.url, "://", "://"+user, 1), "--database.url="+database)
		got.fails(t, text)
		if strings.Contains(got.stderr, "hunter2") {
			t.Errorf("it shows the password: %s", got.stderr)
		}
	}
	runCommand(t, "import", "--from="+strings.Replace(o.url, "://", "://alice:test@", 1), "--database.url="+database).succeeds(t, "of 0 groups 0 were stored")
}

// TestImportIntoAFileInUse protects the file of a running gateway.
func TestImportIntoAFileInUse(t *testing.T) {
	t.Parallel()
	database := newFile(t)
	startReplica(t, database)
	for _, flag := range []string{"--dry-run", "--no-dry-run"} {
		runCommand(t, "import", flag, "--from="+filepath.Join(recorded, "persistence.gob"), "--database.url="+database).
			fails(t, "another gateway is working on it")
	}
}
