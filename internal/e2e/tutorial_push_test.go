package e2e

import (
	"strings"
	"testing"
)

// What the blocks of the tutorial push.
const (
	pushedOne = `
		batch_job_duration_seconds{instance="node1",job="batch_job"} 42.5
		group{instance="node1",job="batch_job"} pushed`
	pushedMany = `
		batch_job_duration_seconds{instance="cron01",job="daily_report"} 42.5
		batch_job_errors_total{instance="cron01",job="daily_report"} 3
		batch_job_processed_total{instance="cron01",job="daily_report"} 1500
		group{instance="cron01",job="daily_report"} pushed`
	pushedLabels = `
		task_duration_seconds{instance="db01",job="backup",type="full"} 120
		group{instance="db01",job="backup",type="full"} pushed`
	pushedByScript = `
		data_export_duration_seconds{instance="worker01",job="data_export"} T
		data_export_last_run_timestamp{instance="worker01",job="data_export"} T
		data_export_records_total{instance="worker01",job="data_export"} 50000
		data_export_success{instance="worker01",job="data_export"} 1
		group{instance="worker01",job="data_export"} pushed`
	pushedByPython = `
		job_duration_seconds{instance="worker01",job="data_export"} T
		job_errors_total{instance="worker01",job="data_export"} 0
		job_last_run_timestamp{instance="worker01",job="data_export"} T
		job_processed_records{instance="worker01",job="data_export"} 50000
		job_success{instance="worker01",job="data_export"} 1
		group{instance="worker01",job="data_export"} pushed`
	pushedByGo = `
		batch_job_duration_seconds{instance="node1",job="batch_job"} T
		batch_job_processed_total{instance="node1",job="batch_job"} 1500
		group{instance="node1",job="batch_job"} pushed`
	pushedTimestamp = `
		batch_duration{instance="",job="batch"} 42 1609459200000
		group{instance="",job="batch"} pushed`
)

// TestTutorialPushes runs each block that pushes, of 12.3 and of 12.5, on an
// empty gateway.
func TestTutorialPushes(t *testing.T) { eachTutorial(t, tutorialPushes) }

func tutorialPushes(t *testing.T, tt *tutorial) {
	for _, block := range []struct{ name, file, want string }{
		{"one metric by curl", "push_one.sh", pushedOne},
		{"several metrics by curl", "push_many.sh", pushedMany},
		{"a group of several labels by curl", "push_labels.sh", pushedLabels},
		{"a script", "push_metrics.sh", pushedByScript},
		{"Python's client", "push.py", pushedByPython},
		{"Go's client", "push.go.txt", pushedByGo},
		{"a timestamp by curl", "push_timestamp.sh", pushedTimestamp},
	} {
		t.Run(block.name, func(t *testing.T) {
			tt.wipe(t)
			tt.runSilently(t, block.file)
			tt.exposes(t, block.want)
		})
	}
}

// TestTutorialInOrder runs all blocks one after the other, as a reader does. The
// second one then contradicts the first, which gives the same name no type, and
// is refused as by the original.
func TestTutorialInOrder(t *testing.T) { eachTutorial(t, tutorialInOrder) }

func tutorialInOrder(t *testing.T, tt *tutorial) {
	tt.runSilently(t, "push_one.sh")
	const refusal = "pushed metrics are invalid or inconsistent with existing metrics: "
	if out := tt.run(t, "push_many.sh"); !strings.HasPrefix(out, refusal) || !strings.Contains(out, "batch_job_duration_seconds") {
		t.Errorf("the second block prints %q", out)
	}
	tt.exposes(t, `
		batch_job_duration_seconds{instance="node1",job="batch_job"} 42.5
		group{instance="node1",job="batch_job"} pushed
		group{instance="cron01",job="daily_report"} failed`)

	for _, file := range []string{"push_labels.sh", "push_metrics.sh", "push.py", "push.go.txt"} {
		tt.runSilently(t, file)
	}
	tt.exposes(t, `
		batch_job_duration_seconds{instance="node1",job="batch_job"} T
		batch_job_processed_total{instance="node1",job="batch_job"} 1500
		job_duration_seconds{instance="worker01",job="data_export"} T
		job_errors_total{instance="worker01",job="data_export"} 0
		job_last_run_timestamp{instance="worker01",job="data_export"} T
		job_processed_records{instance="worker01",job="data_export"} 50000
		job_success{instance="worker01",job="data_export"} 1
		task_duration_seconds{instance="db01",job="backup",type="full"} 120
		group{instance="db01",job="backup",type="full"} pushed
		group{instance="node1",job="batch_job"} pushed
		group{instance="cron01",job="daily_report"} failed
		group{instance="worker01",job="data_export"} pushed`)

	if shown := tt.run(t, "show.sh"); !strings.HasPrefix(shown, `{"status":"success"`) {
		t.Errorf("the API shows %s", shown)
	}
	tt.runSilently(t, "delete_instance.sh")
	tt.runSilently(t, "delete_job.sh")
	if got := tt.scrape(t, "/metrics"); strings.Contains(got, "batch_job") || !strings.Contains(got, "task_duration_seconds") {
		t.Errorf("after the deletion of a job are exposed\n%s", got)
	}
	tt.runSilently(t, "delete_all.sh")
	tt.exposes(t, "")
	tt.runSilently(t, "push_timestamp.sh")
	tt.exposes(t, pushedTimestamp)
}
