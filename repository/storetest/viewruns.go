package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

func testStates(t *testing.T, v *views) {
	const histogram = "# TYPE success histogram\nsuccess_bucket{le=\"+Inf\"} 0\nsuccess_sum 0\nsuccess_count 0\n"
	put := func(ago time.Duration, path, body string) pushed { return pushed{ago, "PUT", path, body, ""} }
	failed := 0
	for i, test := range []struct {
		name   string
		pushes []pushed
		want   string
	}{
		{"1 succeeds", []pushed{put(0, "", "success 1\n")}, "succeeded"},
		{"0 fails", []pushed{put(0, "", "success 0\n")}, "failed"},
		{"so does -0", []pushed{put(0, "", "success -0\n")}, "failed"},
		{"a POST, too", []pushed{{0, "POST", "", "success 0\n", ""}}, "failed"},
		{"a counter, too", []pushed{put(0, "", "# TYPE success counter\nsuccess 0\n")}, "failed"},
		{"success can be the last word", []pushed{put(0, "", "backup_success 0\n"), put(-2*time.Hour, "", "# TYPE a_b_success gauge\na_b_success 1\n")}, "failed succeeded"},
		{"but not a part of one", []pushed{put(0, "", "success_total 0\n"), put(0, "", "unsuccess 0\n"), put(0, "", "my:success 0\n")}, "unknown unknown unknown"},
		{"other values say nothing", []pushed{put(0, "", "success 0.5\n"), put(0, "", "success NaN\n"), put(0, "", "success 2\n")}, "unknown unknown unknown"},
		{"nor does a histogram", []pushed{put(0, "", histogram)}, "unknown"},
		{"nor does nothing", []pushed{put(0, "", "m 1\n"), put(0, "", "")}, "unknown unknown"},
		{"0 outdoes 1", []pushed{put(0, "", "success 1\nx_success 0\n"), put(0, "", "a_success{s=\"1\"} 0\na_success{s=\"2\"} 1\nsuccess 0.5\n")}, "failed failed"},
		{"1 outdoes other values", []pushed{put(0, "", "success 1\nx_success 0.5\n")}, "succeeded"},
		{"1 within an hour makes 0 a start", []pushed{put(time.Hour, "", "success 0\n"), put(0, "", "success 1\n")}, "unknown succeeded"},
		{"at the same time, too", []pushed{put(0, "", "success 0\n"), put(0, "", "success 1\n")}, "unknown succeeded"},
		{"an hour later it does not", []pushed{put(time.Hour+time.Microsecond, "", "success 0\n"), put(0, "", "success 1\n")}, "failed succeeded"},
		{"days later it does not", []pushed{put(72*time.Hour, "", "success 0\n"), put(0, "", "success 1\n")}, "failed succeeded"},
		{"1 before 0 does not", []pushed{put(time.Minute, "", "success 1\n"), put(0, "", "success 0\n")}, "succeeded failed"},
		{"1 of several starts", []pushed{put(time.Minute, "", "success 0\n"), put(time.Second, "", "success 0\n"), put(0, "", "success 1\n")}, "unknown unknown succeeded"},
		{"1 of another group does not", []pushed{put(time.Minute, "/i/1", "success 0\n"), put(0, "/i/2", "success 1\n"), put(0, "", "success 1\n")}, "failed succeeded succeeded"},
		{"1 that is rejected does not", []pushed{put(time.Minute, "", "success 0\n"), {0, "PUT", "", "success 1\n", "no"}}, "failed"},
		{"only pushes are runs", []pushed{{0, "DELETE", "", "", ""}}, ""},
	} {
		job := fmt.Sprintf("job%d", i)
		for j := range test.pushes {
			p := &test.pushes[j]
			p.path, p.ago = "job/"+job+p.path, p.ago+24*time.Hour
		}
		v.add(test.pushes...)
		got := strings.Join(v.rows("SELECT state FROM job_runs WHERE job = '"+job+"' ORDER BY seq"), " ")
		if got != test.want {
			t.Errorf("%s: states are %q, want %q", test.name, got, test.want)
		}
		failed += strings.Count(test.want, "failed")
	}
	if got := v.rows("SELECT seq FROM failed_runs"); len(got) != failed {
		t.Errorf("%d runs have failed, want %d", len(got), failed)
	}
	v.expectRows("failed runs are others than those in job_runs", `SELECT seq, at, job, labels, method, samples FROM failed_runs ORDER BY seq`,
		v.rows(`SELECT seq, at, job, labels, method, samples FROM job_runs WHERE state = 'failed' ORDER BY seq`)...)
}

func testRunSamples(t *testing.T, v *views) {
	for i, test := range []struct{ name, body, want string }{
		{"scalars", "a 1\n# TYPE b counter\nb 2.5\n# TYPE c gauge\nc -0.001\n", `{"a":1,"b":2.5,"c":-0.001}`},
		{"values that JSON lacks", "a NaN\nb +Inf\nc -Inf\n", `{"a":"NaN","b":"+Inf","c":"-Inf"}`},
		{"large and small values", "a 1e+300\nb 5e-324\nc 1e+06\nd 9007199254740993\n", `{"a":1e+300,"b":5e-324,"c":1000000,"d":9007199254740992}`},
		{"labels", `a{b="c",d="e"} 1` + "\n" + `a{b="x"} 2` + "\n" + `a 3` + "\n" + `z{b="q\"\\n\nx"} 4` + "\n",
			`{"a":3,"a{b=\"c\",d=\"e\"}":1,"a{b=\"x\"}":2,"z{b=\"q\\\"\\\\n\\nx\"}":4}`},
		{"labels are sorted", "a{b_=\"1\",bA=\"2\",B=\"3\",b=\"4\"} 1\n", `{"a{B=\"3\",b=\"4\",bA=\"2\",b_=\"1\"}":1}`},
		{"UTF-8 names", "{\"x.y\",\"l.m\"=\"v\"} 1\n{\"$.a[0]\"} 2\n", `{"$.a[0]":2,"x.y{l.m=\"v\"}":1}`},
		{"others", "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n# TYPE s summary\ns_sum 1\ns_count 2\nm 3\n", `{"m":3}`},
		{"nothing", "# TYPE m gauge\n", `{}`},
	} {
		job := fmt.Sprintf("job%d", i)
		v.add(pushed{0, "PUT", "job/" + job + "/i/1", test.body, ""})
		v.expectRows(test.name, "SELECT samples FROM job_runs WHERE job = '"+job+"'", test.want)
	}
	row := pushed{0, "PUT", "job/bare", "m 1\n", ""}.row(t)
	row.Seq, row.At, row.Families = 1000, v.now, nil
	must(t, v.AddHistory(t.Context(), []repository.HistoryRow{row}))
	v.expectRows("a payload that was not kept", `SELECT samples FROM job_runs WHERE job = 'bare'`, "NULL")
}

func testRunColumns(t *testing.T, v *views) {
	v.add(pushed{time.Minute, "POST", "job/a/i/1", "x_success 0\n", ""})
	at := cell(v.now.Add(-time.Minute))
	const columns = `seq, at, job, labels, state, method, series, bytes, samples, client, username, user_agent, replica, request_id, success`
	want := "1 " + at + ` a {"i":"1","job":"a"} failed POST 1 12 {"x_success":0} 192.0.2.7 alice curl r id 0`
	v.expectRows("a run", "SELECT "+columns+" FROM job_runs", want)
	v.expectRows("a run that failed", "SELECT "+columns+" FROM failed_runs", want)
	v.expectRows("all its columns", "SELECT * FROM failed_runs", want)
}

func testRejectedPushes(t *testing.T, v *views) {
	v.add(
		pushed{time.Minute, "PUT", "job/a/i/1", "success 0\n", "it's no good"},
		pushed{0, "PUT", "job/a/i/1", "success 0\n", ""},
		pushed{0, "DELETE", "job/a/i/1", "", ""},
	)
	v.expectRows("rejected pushes", "SELECT * FROM rejected_pushes",
		"1 "+cell(v.now.Add(-time.Minute))+` a {"i":"1","job":"a"} PUT it's no good 192.0.2.7 alice curl 10 r id`)
	v.expectRows("a rejected push is no run", "SELECT seq FROM job_runs", "2")
}

func testOverdue(t *testing.T, v *views) {
	const hour = time.Hour
	for _, test := range []struct {
		name string
		job  string
		// ago is when it was pushed; minus that of a push of 0, and of 1 a minute later.
		ago  []time.Duration
		want string // median gap and runs, or ""
	}{
		{"an hourly job, silent for four", "late", []time.Duration{8 * hour, 7 * hour, 6 * hour, 5 * hour, 4 * hour}, "3600 5"},
		{"an hourly job, silent for two and a half", "fine", []time.Duration{390 * time.Minute, 330 * time.Minute, 270 * time.Minute, 210 * time.Minute, 150 * time.Minute}, ""},
		{"four runs", "few", []time.Duration{103 * hour, 102 * hour, 101 * hour, 100 * hour}, ""},
		{"outliers do not count", "outlier", []time.Duration{90 * hour, 8 * hour, 7 * hour, 6 * hour, 5 * hour, 4 * hour}, "3600 6"},
		{"the median of an even number", "even", []time.Duration{17 * hour, 16 * hour, 14 * hour, 11 * hour, 7 * hour}, ""},
		{"the same, silent for longer", "even2", []time.Duration{18 * hour, 17 * hour, 15 * hour, 12 * hour, 8 * hour}, "9000 5"},
		{"the last ten", "ten", []time.Duration{900 * hour, 800 * hour, 700 * hour, 600 * hour, 500 * hour, 400 * hour,
			14 * hour, 13 * hour, 12 * hour, 11 * hour, 10 * hour, 9 * hour, 8 * hour, 7 * hour, 6 * hour, 5 * hour}, "3600 10"},
		{"starts are no runs", "starts", []time.Duration{-28 * hour, -24 * hour, -20 * hour, -16 * hour, -12 * hour}, ""},
		{"starts are no runs, silent for longer", "starts2", []time.Duration{-33 * hour, -29 * hour, -25 * hour, -21 * hour, -17 * hour}, "14400 5"},
	} {
		v.expectOverdue(test.name, test.job, test.ago, test.want, 0)
		v.expectOverdue(test.name+", in a job of many groups", test.job+"_of_many", test.ago, test.want, 31)
	}
	v.expectRows("when that was", "SELECT last_push FROM overdue_jobs WHERE job = 'late'", cell(v.now.Add(-4*hour)))
	for _, cells := range v.query(t, "SELECT silent_for FROM overdue_jobs WHERE job = 'late'") {
		if silent, ok := cells[0].(float64); !ok || silent < 4*3600 || silent > 5*3600 {
			t.Errorf("a job is silent for %v, want somewhat more than four hours in seconds", cells[0])
		}
	}
	v.deleteAll("")
	v.expectRows("groups that are gone are not missed", "SELECT job FROM overdue_jobs")
}

// expectOverdue pushes to a group of a job that has some others, too, which is no
// run of theirs, and looks for it among those that are overdue.
func (v *views) expectOverdue(name, job string, ago []time.Duration, want string, others int) {
	v.t.Helper()
	path := "job/" + job + "/i/1"
	var pushes []pushed
	for _, ago := range ago {
		if ago < 0 {
			pushes = append(pushes, pushed{-ago, "PUT", path, "success 0\n", ""})
			ago = -ago - time.Minute
		}
		pushes = append(pushes, pushed{ago, "PUT", path, "success 1\n", ""},
			pushed{ago, "PUT", "job/" + job + "/i/gone", "success 1\n", ""}, pushed{ago - time.Minute, "PUT", path, "success 1\n", "rejected"})
	}
	v.add(pushes...)
	paths := []string{path}
	for i := range others {
		paths = append(paths, fmt.Sprintf("job/%s/i/other%d", job, i))
	}
	c := v.request(repository.Put, "success 1\n", paths...)
	c.History = nil
	must(v.t, v.Commit(v.t.Context(), c))
	var rows []string
	if want != "" {
		rows = []string{fmt.Sprintf(`%[1]s {"i":"1","job":"%[1]s"} %s`, job, want)}
	}
	v.expectRows(name, "SELECT job, labels, median_gap, runs FROM overdue_jobs WHERE job = '"+job+"'", rows...)
}
