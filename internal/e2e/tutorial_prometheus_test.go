package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTutorialPrometheus protects what jobs are watched with: a Prometheus with
// the configuration and the rules that are shipped sees each of the tutorial's
// alerts (12.6) begin and end, and tells Alertmanager. Another one, with the
// scrape configuration of 12.2, sees the same metrics. It takes some minutes,
// which are those of the intervals and of the alerts.
func TestTutorialPrometheus(t *testing.T) {
	t.Parallel()
	tt := newTutorial(t)
	alertmanager := startAlertmanager(t)
	var replicas []string
	for _, r := range tt.replicas {
		replicas = append(replicas, strings.TrimPrefix(r.url, "http://"))
	}
	shipped := startPrometheus(t, shippedConfig(t, map[string][]string{
		"pushgateway": {tt.address}, "sqlpushgateway": replicas, "alertmanager": {strings.TrimPrefix(alertmanager, "http://")},
	}))
	theirs := startPrometheus(t, writeBlock(t, "scrape.yml", tt.address))

	run := func(success, duration int, ended time.Time) {
		t.Helper()
		put("/metrics/job/data_export/instance/worker01", fmt.Sprintf(
			"job_success %d\njob_duration_seconds %d\njob_last_run_timestamp %d\n", success, duration, ended.Unix())).run(t, tt.fleet)
		shipped.await(fmt.Sprintf("job_success == %d", success))
	}
	run(1, 3600, time.Now().Add(-23*time.Hour))
	shipped.awaitInactive("BatchJobFailed", "BatchJobSlow", "BatchJobStale")
	run(0, 3601, time.Now().Add(-25*time.Hour))
	shipped.awaitMetrics(`ALERTS{alertname=~"BatchJob.*"}`,
		`ALERTS{alertname="BatchJobFailed", alertstate="firing", instance="worker01", job="data_export", severity="critical"}`,
		`ALERTS{alertname="BatchJobSlow", alertstate="firing", instance="worker01", job="data_export", severity="warning"}`,
		`ALERTS{alertname="BatchJobStale", alertstate="pending", instance="worker01", job="data_export", severity="warning"}`)
	awaitAlertmanager(t, alertmanager, "BatchJobFailed", "BatchJobSlow")
	run(1, 60, time.Now())
	shipped.awaitInactive("BatchJobFailed", "BatchJobSlow", "BatchJobStale")
	shipped.never("an alert on a gateway that works", `count_over_time(ALERTS{alertname=~"SQLPushgateway.*",alertstate="firing"}[10m])`)

	for _, p := range []*promServer{shipped, theirs} {
		p.awaitMetrics("job_success == 1", `job_success{instance="worker01", job="data_export"}`)
	}
}

// awaitMetrics waits until exactly these have samples of the expression.
func (p *promServer) awaitMetrics(expr string, want ...string) {
	p.t.Helper()
	awaitLong(p.t, func() error {
		samples, err := p.query(expr)
		if err != nil {
			return err
		}
		var got []string
		for _, sample := range samples {
			got = append(got, sample.Metric.String())
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("%s is of\n%s\nwant\n%s", expr, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		return nil
	})
}

// awaitInactive waits until the alerts are inactive by evaluations that began
// after the call.
func (p *promServer) awaitInactive(alerts ...string) {
	p.t.Helper()
	called := time.Now()
	awaitLong(p.t, func() error {
		var data struct {
			Groups []struct {
				Rules []struct {
					Name, State    string
					LastEvaluation time.Time
				}
			}
		}
		if err := p.api("rules", url.Values{"type": {"alert"}}, &data); err != nil {
			return err
		}
		inactive := 0
		for _, group := range data.Groups {
			for _, rule := range group.Rules {
				if slices.Contains(alerts, rule.Name) && rule.State == "inactive" && rule.LastEvaluation.After(called) {
					inactive++
				}
			}
		}
		if inactive != len(alerts) {
			return fmt.Errorf("not all of %v are inactive: %+v", alerts, data.Groups)
		}
		return nil
	})
}

// awaitAlertmanager waits until Alertmanager has these alerts.
func awaitAlertmanager(t *testing.T, base string, want ...string) {
	t.Helper()
	awaitLong(t, func() error {
		_, body, err := request(t.Context(), http.MethodGet, base+"/api/v2/alerts", "")
		if err != nil {
			return err
		}
		var alerts []struct{ Labels map[string]string }
		if err := json.Unmarshal([]byte(body), &alerts); err != nil {
			return err
		}
		var got []string
		for _, alert := range alerts {
			got = append(got, alert.Labels["alertname"])
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("Alertmanager has %v, want %v", got, want)
		}
		return nil
	})
}

// TestTutorialAlertsAreShipped checks that the alerts on jobs are those of 12.6,
// in our words.
func TestTutorialAlertsAreShipped(t *testing.T) {
	t.Parallel()
	theirs := readAlerts(t, writeBlock(t, "alerts.yml", ""))
	ours := readAlerts(t, filepath.Join(deployDir, "rules/jobs.yml"))
	equal := slices.EqualFunc(theirs, ours, func(a, b alertRule) bool {
		return a.Alert == b.Alert && a.Expr == b.Expr && a.For == b.For && maps.Equal(a.Labels, b.Labels)
	})
	if len(theirs) != 3 || !equal {
		t.Errorf("the alerts are\n%+v\nwant\n%+v", ours, theirs)
	}
}
