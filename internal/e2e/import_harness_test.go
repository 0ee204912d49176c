package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
)

// persistenceFile is the file of a Pushgateway, in the folder in which it runs.
// Debian's one has a file for all unless it is told otherwise.
const persistenceFile = "groups"

// startOriginal starts Debian's Pushgateway in a folder of its own, which is
// the Dir of its command.
func startOriginal(t testing.TB, flags ...string) *replica {
	t.Helper()
	r := launchOriginal(t, flags...)
	r.awaitReady()
	return r
}

// launchOriginal is startOriginal for one that may refuse to say that it is
// ready.
func launchOriginal(t testing.TB, flags ...string) *replica {
	t.Helper()
	path := lookUp(t, "prometheus-pushgateway", "prometheus-pushgateway")
	return launchCommand(t, byDefault, exec.Command(path, append([]string{"--web.listen-address=127.0.0.1:0", "--log.format=json", "--persistence.file=" + persistenceFile}, flags...)...))
}

// outcomeOf is what a command has left.
type outcomeOf struct {
	code           int
	stdout, stderr string
}

// runCommand runs the program with these arguments.
func runCommand(t testing.TB, args ...string) outcomeOf {
	t.Helper()
	return startCommand(t, args...).wait()
}

// running is a command of the program that runs.
type running struct {
	t              testing.TB
	cmd            *exec.Cmd
	stdout, stderr syncBuffer
	done           chan struct{} // closed when it has ended
}

// startCommand starts the program with these arguments, and kills it at the end
// of the test.
func startCommand(t testing.TB, args ...string) *running {
	t.Helper()
	c := &running{t: t, cmd: exec.Command(program, args...), done: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = &c.stdout, &c.stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.done)
		_ = c.cmd.Wait() // its state tells how it ended
	}()
	t.Cleanup(c.kill)
	return c
}

// wait waits until the command has ended by itself.
func (c *running) wait() outcomeOf {
	c.t.Helper()
	select {
	case <-c.done:
	case <-time.After(2 * time.Minute):
		c.t.Fatalf("%v does not end: %s%s", c.cmd.Args, c.stdout.String(), c.stderr.String())
	}
	return outcomeOf{c.cmd.ProcessState.ExitCode(), c.stdout.String(), c.stderr.String()}
}

// kill ends the command as kill -9 does.
func (c *running) kill() {
	_ = c.cmd.Process.Kill()
	<-c.done
}

// succeeds fails the test unless the command has done everything, silently
// except for its last line, which contains text.
func (o outcomeOf) succeeds(t testing.TB, text string) {
	t.Helper()
	if o.code != 0 || o.stderr != "" || strings.Count(o.stdout, "\n") != 1 || !strings.Contains(o.stdout, text) {
		t.Fatalf("got %+v, want success and %q", o, text)
	}
}

// fails fails the test unless the command has ended with an error on one line
// that contains text.
func (o outcomeOf) fails(t testing.TB, text string) {
	t.Helper()
	if o.code != 1 || o.stdout != "" || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, text) {
		t.Fatalf("got %+v, want an error with %q", o, text)
	}
}

// shown is what a gateway shows of its groups, in a form in which equal groups
// are equal strings: in an order of its own, without the metrics of the gateway
// itself, and, in what the API answers, with times to the microsecond.
type shown struct {
	text, protobuf, api []string
	times               map[string]float64 // those of pushes in text and protobuf, by series
}

// show asks a gateway for everything.
func show(t testing.TB, url string) shown {
	t.Helper()
	get := func(path, accept string) string {
		code, body := do(t, http.MethodGet, url+path, "", "Accept", accept)
		if code != http.StatusOK {
			t.Fatalf("%s%s: %d %s", url, path, code, body)
		}
		return body
	}
	return showing(t, get("/metrics", "text/plain;version=1.0.0;escaping=allow-utf-8"),
		get("/metrics", protobufType+";escaping=allow-utf-8"), get("/api/v1/metrics", "application/json"))
}

// showing is show for answers that have been given before.
func showing(t testing.TB, text, protobuf, api string) shown {
	t.Helper()
	s := shown{api: canonicalAPI(t, api), times: map[string]float64{}}
	s.readText(t, text)
	s.readProtobuf(t, protobuf)
	return s
}

// equals fails the test unless both show the same.
func (s shown) equals(t testing.TB, want shown) {
	t.Helper()
	for what, pair := range map[string][2][]string{
		"the text exposition":     {s.text, want.text},
		"the protobuf exposition": {s.protobuf, want.protobuf},
		"the API's answer":        {s.api, want.api},
	} {
		got, want := strings.Join(pair[0], "\n"), strings.Join(pair[1], "\n")
		if got != want {
			t.Errorf("%s (+) is another one (-):\n%s", what, diff(want, got, nil))
		}
	}
	for series, at := range want.times { // which are the same, since they are in the text, too
		if got := s.times[series]; math.Abs(got-at) > 2*microsecond || (got == 0) != (at == 0) {
			t.Errorf("%s is %f, want %f", series, got, at)
		}
	}
}

// microsecond is how exact the times of databases are. Those in expositions are
// floats, which are not quite as exact.
const microsecond = 1e-6

// oneHelp makes the two helps that are pushed for one name the same: which one
// a Pushgateway exposes is a matter of chance.
var oneHelp = strings.NewReplacer("Another help.", "one of two", `Help with \\ and \n in it.`, "one of two", "Help with \\ and \n in it.", "one of two")

func isPushTime(name string) bool {
	return name == "push_time_seconds" || name == "push_failure_time_seconds"
}

// readText reads the lines of an exposition, and sorts them. What has no job is
// the gateway's own.
func (s *shown) readText(t testing.TB, exposition string) {
	t.Helper()
	var comments []string
	family, pushed := "", false
	flush := func() {
		if pushed {
			s.text = append(s.text, comments...)
		}
		comments, pushed = nil, false
	}
	for line := range strings.Lines(exposition) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			if name := strings.Fields(line)[2]; name != family {
				flush()
				family = name
			}
			comments = append(comments, oneHelp.Replace(line))
			continue
		}
		if !strings.Contains(line, `job="`) {
			continue
		}
		pushed = true
		if isPushTime(family) {
			series, value, _ := strings.Cut(line, "} ")
			at, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			s.times[series], line = at, series
		}
		s.text = append(s.text, line)
	}
	flush()
	slices.Sort(s.text)
}

// readProtobuf makes a line of each metric, and sorts them.
func (s *shown) readProtobuf(t testing.TB, exposition string) {
	t.Helper()
	for reader := strings.NewReader(exposition); reader.Len() > 0; {
		f := &dto.MetricFamily{}
		if err := protodelim.UnmarshalFrom(reader, f); err != nil {
			t.Fatal(err)
		}
		before := len(s.protobuf)
		for _, m := range f.GetMetric() {
			if !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == "job" }) {
				continue
			}
			if h := m.GetHistogram(); h != nil { // 0 may be left out
				h.SampleSum = proto.Float64(h.GetSampleSum())
			}
			at := m.GetGauge().GetValue()
			if isPushTime(f.GetName()) {
				m.Gauge = nil
			}
			line := fmt.Sprintf("%s %s", f.GetName(), m)
			if isPushTime(f.GetName()) {
				s.times[line] = at
			}
			s.protobuf = append(s.protobuf, line)
		}
		if len(s.protobuf) > before {
			s.protobuf = append(s.protobuf, fmt.Sprintf("%s %s %q", f.GetName(), f.GetType(), oneHelp.Replace(f.GetHelp())))
		}
	}
	slices.Sort(s.protobuf)
}

// canonicalAPI returns a line for each group, sorted. The time of a push time
// that stands for never means nothing, and a Pushgateway does not tell the
// values of gauge histograms.
func canonicalAPI(t testing.TB, answer string) []string {
	t.Helper()
	var parsed struct{ Data []map[string]any }
	if err := json.Unmarshal([]byte(answer), &parsed); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, group := range parsed.Data {
		for _, name := range slices.Sorted(maps.Keys(group)) {
			family, ok := group[name].(map[string]any)
			if !ok || family["time_stamp"] == nil {
				continue
			}
			at, err := time.Parse(time.RFC3339Nano, family["time_stamp"].(string))
			if err != nil {
				t.Fatal(err)
			}
			family["time_stamp"] = at.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
			if family["type"] == "GAUGE_HISTOGRAM" {
				delete(family, "metrics")
			}
			if !isPushTime(name) {
				continue
			}
			metric := family["metrics"].([]any)[0].(map[string]any)
			if metric["value"] == "0" {
				family["time_stamp"] = "never"
				continue
			}
			v, err := strconv.ParseFloat(metric["value"].(string), 64)
			if err != nil || math.Abs(v-float64(at.UnixNano())/1e9) > microsecond {
				t.Errorf("%s is %s, its time %v", name, metric["value"], at)
			}
			metric["value"] = family["time_stamp"]
		}
		line, err := json.Marshal(group)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	slices.Sort(lines)
	return lines
}

// pushMany pushes groups to a Pushgateway from several clients at once.
func pushMany(t testing.TB, url string, n int, body func(i int) string) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	next, ended := make(chan int), make(chan struct{})
	const clients = 8
	for range clients {
		go func() {
			defer func() { ended <- struct{}{} }()
			for i := range next {
				code, text, err := request(ctx, http.MethodPut, fmt.Sprintf("%s/metrics/job/many%d/instance/i%d", url, i%10, i), body(i))
				if err == nil && code >= 300 {
					err = errors.New(text)
				}
				if err != nil {
					cancel(err)
				}
			}
		}()
	}
	for i := range n {
		next <- i
	}
	close(next)
	for range clients {
		<-ended
	}
	if err := context.Cause(ctx); err != nil {
		t.Fatal(err)
	}
}
