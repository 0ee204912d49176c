package check

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

// discover returns the labels that Prometheus gives to so many pods of a
// service when it relabels them as the operator would tell it to.
func discover(t *testing.T, relabelings []monitoring.RelabelConfig, pods int) []map[string]string {
	t.Helper()
	program, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("no promtool found: install it (Debian: apt-get install prometheus)")
	}
	dir := t.TempDir()
	job := map[string]any{
		"job_name":        "serviceMonitor/monitoring/pushgateway/0",
		"file_sd_configs": []any{map[string]any{"files": []string{filepath.Join(dir, "targets.json")}}},
		"relabel_configs": relabelConfigs(relabelings),
	}
	writeJSON(t, filepath.Join(dir, "targets.json"), discovered(pods))
	writeJSON(t, filepath.Join(dir, "prometheus.yml"), map[string]any{"scrape_configs": []any{job}}) // JSON is YAML
	cmd := exec.CommandContext(t.Context(), program, "check", "service-discovery", "--timeout=3s",
		filepath.Join(dir, "prometheus.yml"), job["job_name"].(string))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	var results []struct {
		Labels map[string]string `json:"labels"`
	}
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	var targets []map[string]string
	for _, r := range results {
		targets = append(targets, r.Labels)
	}
	return targets
}

// discovered are pods with the labels that the operator's own relabeling sets
// from what Kubernetes says of them.
func discovered(pods int) any {
	var groups []any
	for i := range pods {
		pod := fmt.Sprintf("sqlpushgateway-%d", i)
		groups = append(groups, map[string]any{
			"targets": []string{fmt.Sprintf("10.0.0.%d:9091", i+1)},
			"labels": map[string]string{
				"__meta_kubernetes_namespace": "monitoring", "__meta_kubernetes_service_name": "sqlpushgateway",
				"__meta_kubernetes_pod_name": pod,
				"namespace":                  "monitoring", "service": "sqlpushgateway", "job": "sqlpushgateway",
				"pod": pod, "container": "gateway", "endpoint": "http",
			},
		})
	}
	return groups
}

// relabelConfigs writes the operator's form in Prometheus' form.
func relabelConfigs(relabelings []monitoring.RelabelConfig) []any {
	var configs []any
	for _, r := range relabelings {
		c := map[string]any{}
		if len(r.SourceLabels) > 0 {
			c["source_labels"] = r.SourceLabels
		}
		if r.Separator != nil {
			c["separator"] = *r.Separator
		}
		if r.TargetLabel != "" {
			c["target_label"] = r.TargetLabel
		}
		if r.Regex != "" {
			c["regex"] = r.Regex
		}
		if r.Replacement != nil {
			c["replacement"] = *r.Replacement
		}
		if r.Action != "" {
			c["action"] = r.Action
		}
		configs = append(configs, c)
	}
	return configs
}

func writeJSON(t *testing.T, path string, value any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
