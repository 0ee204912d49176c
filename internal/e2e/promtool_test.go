package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"go.yaml.in/yaml/v2"
)

// alertRule is an alert of a file of rules.
type alertRule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

// readYAML decodes the files that a pattern matches, each into an element.
func readYAML[T any](t *testing.T, pattern string) []T {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no file is %s: %v", pattern, err)
	}
	files := make([]T, len(paths))
	for i, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, &files[i]); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return files
}

// readAlerts returns the alerts in the files that a pattern matches.
func readAlerts(t *testing.T, pattern string) []alertRule {
	t.Helper()
	var alerts []alertRule
	for _, file := range readYAML[struct{ Groups []struct{ Rules []alertRule } }](t, pattern) {
		for _, group := range file.Groups {
			alerts = append(alerts, group.Rules...)
		}
	}
	return alerts
}

// TestPromtool protects what is shipped for Prometheus and Alertmanager from
// mistakes that they would find at their start.
func TestPromtool(t *testing.T) {
	t.Parallel()
	runClient(t, lookUp(t, "promtool", "prometheus"), "check", "config", filepath.Join(deployDir, "prometheus.yml"))
	runClient(t, lookUp(t, "amtool", "prometheus-alertmanager"), "check-config", filepath.Join(deployDir, "alertmanager.yml"))
	for command, pattern := range map[string]string{"check": "rules/*.yml", "test": "rules/tests/*.yml"} {
		files, err := filepath.Glob(filepath.Join(deployDir, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no file is %s: %v", pattern, err)
		}
		runClient(t, lookUp(t, "promtool", "prometheus"), append([]string{command, "rules"}, files...)...)
	}
}

// TestRulesAreTested checks that promtool sees each alert fire, and not fire.
func TestRulesAreTested(t *testing.T) {
	t.Parallel()
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, file := range readYAML[struct {
		Tests []struct {
			Cases []struct {
				Alertname string
				Expected  []any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}](t, filepath.Join(deployDir, "rules/tests/*.yml")) {
		for _, test := range file.Tests {
			for _, c := range test.Cases {
				fires[c.Alertname] = fires[c.Alertname] || len(c.Expected) > 0
				silent[c.Alertname] = silent[c.Alertname] || len(c.Expected) == 0
			}
		}
	}
	for _, rule := range readAlerts(t, filepath.Join(deployDir, "rules/*.yml")) {
		if !fires[rule.Alert] || !silent[rule.Alert] {
			t.Errorf("%s has a case in which it fires: %v, and one in which it does not: %v", rule.Alert, fires[rule.Alert], silent[rule.Alert])
		}
		if rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
			t.Errorf("%s lacks a severity, a summary or a description", rule.Alert)
		}
	}
}

// TestRulesNameMetrics protects the rules from metrics and reasons that the
// gateway does not have: they would never fire.
func TestRulesNameMetrics(t *testing.T) {
	t.Parallel()
	r := startReplica(t, newDatabase(t))
	if code, text := do(t, "PUT", r.url+"/metrics/job/j", sample); code != 200 {
		t.Fatalf("push: %d %s", code, text)
	}
	_, own := do(t, "GET", r.url+"/-/metrics", "")
	exposed := own + r.scrape()
	has := func(expr string) bool { return regexp.MustCompile(`(?m)^` + expr).MatchString(exposed) }
	for _, rule := range readAlerts(t, filepath.Join(deployDir, "rules/gateway.yml")) {
		for _, name := range regexp.MustCompile(`\b(sqlpushgateway|push)_\w+`).FindAllString(rule.Expr, -1) {
			if !has(name + `[{ ]`) {
				t.Errorf("%s: no replica exposes %s", rule.Alert, name)
			}
		}
		for _, list := range regexp.MustCompile(`reason!?~"(.*?)"`).FindAllStringSubmatch(rule.Expr, -1) {
			for _, reason := range regexp.MustCompile(`\w+`).FindAllString(list[1], -1) {
				if !has(`sqlpushgateway_pushes_rejected_total\{reason="` + reason + `"\}`) {
					t.Errorf("%s: no push is rejected for being %s", rule.Alert, reason)
				}
			}
		}
	}
}
