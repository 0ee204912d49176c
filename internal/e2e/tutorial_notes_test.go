package e2e

import (
	"strings"
	"testing"
)

// TestTutorialNotes does what 12.5 says about the life of metrics.
func TestTutorialNotes(t *testing.T) { eachTutorial(t, tutorialNotes) }

func tutorialNotes(t *testing.T, tt *tutorial) {
	for _, note := range []struct {
		name string
		test func(*testing.T)
	}{
		{"metrics stay after their job has ended", func(t *testing.T) {
			tt.runSilently(t, "push_metrics.sh")
			ended := tt.scrape(t, "/metrics")
			tt.runSilently(t, "push_one.sh")
			tt.runSilently(t, "delete_instance.sh")
			if got := tt.scrape(t, "/metrics"); got != ended {
				t.Errorf("after others have pushed and deleted:\n%s\nwant\n%s", got, ended)
			}
		}},
		{"old metrics are deleted before the next run", func(t *testing.T) {
			tt.runSilently(t, "push_one.sh")
			tt.runSilently(t, "delete_instance.sh")
			tt.exposes(t, "")
			tt.runSilently(t, "push_one.sh")
			tt.exposes(t, pushedOne)
		}},
		{"success is 0 during a run and 1 after it", func(t *testing.T) {
			tt.runSilently(t, "push_metrics.sh")
			post("/metrics/job/data_export/instance/worker01", "# TYPE data_export_success gauge\ndata_export_success 0\n").run(t, tt.fleet)
			tt.exposes(t, strings.Replace(pushedByScript, `success{instance="worker01",job="data_export"} 1`, `success{instance="worker01",job="data_export"} 0`, 1))
			tt.runSilently(t, "push_metrics.sh")
			tt.exposes(t, pushedByScript)
		}},
		{"a push may be written to every replica", func(t *testing.T) {
			for _, r := range tt.replicas {
				if out := runBlock(t, "push_many.sh", strings.TrimPrefix(r.url, "http://")); out != "" {
					t.Errorf("it prints %s", out)
				}
			}
			tt.exposes(t, pushedMany)
		}},
	} {
		t.Run(note.name, func(t *testing.T) {
			tt.wipe(t)
			note.test(t)
		})
	}
}

// TestTutorialRestart protects what was pushed from a restart of everything,
// where the tutorial has a file for it. Its line starts our gateways, too; they
// need no file.
func TestTutorialRestart(t *testing.T) {
	t.Parallel()
	cluster, database := newCluster(t)
	tt := startTutorial(t, database, "start_persistent.sh")
	for _, file := range []string{"push_one.sh", "push_labels.sh", "push_metrics.sh", "push_timestamp.sh"} {
		tt.runSilently(t, file)
	}
	pushed := tt.scrape(t, "/metrics")
	for _, r := range tt.replicas {
		r.terminate()
		if !strings.Contains(r.logged(), "--persistence.file is ignored") {
			t.Error("the log does not say that --persistence.file is ignored")
		}
	}
	cluster.Restart()
	tt = startTutorial(t, database, "start_persistent.sh")
	if got := tt.scrape(t, "/metrics"); got != pushed {
		t.Errorf("after a restart of everything are exposed\n%s\nwant\n%s", got, pushed)
	}
}

// TestTutorialRestartOnSQLite protects the same of one gateway, however it ends.
func TestTutorialRestartOnSQLite(t *testing.T) {
	t.Parallel()
	database := newFile(t)
	var pushed string
	for _, end := range []func(*replica){(*replica).terminate, (*replica).kill} {
		tt := startTutorialAlone(t, database, "start_persistent.sh")
		if got := tt.scrape(t, "/metrics"); got != pushed {
			t.Errorf("after a restart are exposed\n%s\nwant\n%s", got, pushed)
		}
		for _, file := range []string{"push_one.sh", "push_labels.sh", "push_metrics.sh", "push_timestamp.sh"} {
			tt.runSilently(t, file)
		}
		pushed = tt.scrape(t, "/metrics")
		end(tt.replicas[0])
	}
	if got := startTutorialAlone(t, database, "start_persistent.sh").scrape(t, "/metrics"); got != pushed {
		t.Errorf("after kill -9 are exposed\n%s\nwant\n%s", got, pushed)
	}
}
