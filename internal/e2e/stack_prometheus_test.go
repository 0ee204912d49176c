package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	prom "github.com/prometheus/common/model"
	"go.yaml.in/yaml/v2"
)

// deployDir has what is shipped for running the stack.
const deployDir = "../../deploy"

// promServer is a running Prometheus.
type promServer struct {
	t   *testing.T
	url string
}

// startPrometheus starts Prometheus with a configuration and waits until it
// serves.
func startPrometheus(t *testing.T, config string) *promServer {
	t.Helper()
	return &promServer{t, startListening(t, "prometheus", "prometheus",
		"--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address=127.0.0.1:0")}
}

// startAlertmanager starts Alertmanager with the configuration that is shipped,
// and returns its URL.
func startAlertmanager(t *testing.T) string {
	t.Helper()
	return startListening(t, "prometheus-alertmanager", "prometheus-alertmanager",
		"--config.file="+filepath.Join(deployDir, "alertmanager.yml"), "--storage.path="+t.TempDir(),
		"--cluster.listen-address=", "--web.listen-address=127.0.0.1:0")
}

// lookUp returns the path of a program, which a Debian package has.
func lookUp(t testing.TB, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is missing, install Debian's package %s or run `make deps`: %v", program, debianPackage, err)
	}
	return path
}

// listeningOn is how Prometheus' programs log the address that they have.
var listeningOn = regexp.MustCompile(`msg="Listening on".* address=(\S+)`)

// startListening starts one of Prometheus' programs, waits until it is ready,
// returns its URL, and ends it at the end of the test.
func startListening(t *testing.T, program, debianPackage string, args ...string) string {
	t.Helper()
	cmd := exec.Command(lookUp(t, program, debianPackage), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log syncBuffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // how it ended is in the log
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("log of %s:\n%s", program, log.String())
		}
	})
	var base string
	eventually(t, func() error {
		select {
		case <-ended:
			t.Fatalf("%s ended at its start:\n%s", program, log.String())
		default:
		}
		address := listeningOn.FindStringSubmatch(log.String())
		if address == nil {
			return fmt.Errorf("%s does not listen:\n%s", program, log.String())
		}
		base = "http://" + address[1]
		code, text, err := request(t.Context(), http.MethodGet, base+"/-/ready", "")
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("%s is not ready: %d %s", program, code, text)
		}
		return err
	})
	return base
}

// shippedConfig returns the path of the configuration that is shipped, beside
// its rules, with these targets for the jobs of the same names and for
// Alertmanager. Nothing else is changed.
func shippedConfig(t *testing.T, targets map[string][]string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deployDir, "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	type discovery struct {
		JobName string         `yaml:"job_name,omitempty"`
		Static  any            `yaml:"static_configs,omitempty"`
		DNS     any            `yaml:"dns_sd_configs,omitempty"`
		Rest    map[string]any `yaml:",inline"`
	}
	var config struct {
		ScrapeConfigs []discovery `yaml:"scrape_configs"`
		Alerting      struct {
			Alertmanagers []discovery
			Rest          map[string]any `yaml:",inline"`
		}
		Rest map[string]any `yaml:",inline"`
	}
	if err := yaml.UnmarshalStrict(text, &config); err != nil {
		t.Fatal(err)
	}
	substitute := func(name string, d *discovery) {
		if targets[name] == nil {
			t.Fatalf("no targets for %s", name)
		}
		d.DNS, d.Static = nil, []any{map[string]any{"targets": targets[name]}}
	}
	for i := range config.ScrapeConfigs {
		substitute(config.ScrapeConfigs[i].JobName, &config.ScrapeConfigs[i])
	}
	for i := range config.Alerting.Alertmanagers {
		substitute("alertmanager", &config.Alerting.Alertmanagers[i])
	}
	changed, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "rules"), os.DirFS(filepath.Join(deployDir, "rules"))); err != nil {
		t.Fatal(err)
	}
	return writeFile(t, filepath.Join(dir, "prometheus.yml"), string(changed))
}

// writeFile writes a file and returns its path.
func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// api asks the HTTP API and decodes the data of the answer.
func (p *promServer) api(path string, parameters url.Values, data any) error {
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+"/api/v1/"+path+"?"+parameters.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %s", path, resp.Status, text)
	}
	return json.Unmarshal(text, &struct{ Data any }{data})
}

// query returns what a PromQL expression is now.
func (p *promServer) query(expr string) (prom.Vector, error) {
	var data struct{ Result prom.Vector }
	err := p.api("query", url.Values{"query": {expr}}, &data)
	return data.Result, err
}

// await waits until the expression has a sample at least.
func (p *promServer) await(expr string) {
	p.t.Helper()
	awaitLong(p.t, func() error {
		got, err := p.query(expr)
		if err == nil && len(got) == 0 {
			err = fmt.Errorf("waiting for %s", expr)
		}
		return err
	})
}

// awaitLong is eventually for what takes some rounds of scrapes and evaluations
// at the intervals that are shipped, or at Prometheus' own, a minute.
func awaitLong(t *testing.T, f func() error) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Minute)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}
