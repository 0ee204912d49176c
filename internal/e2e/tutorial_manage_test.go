package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// TestTutorialManagement runs the blocks of 12.4, which look at groups and
// delete them.
func TestTutorialManagement(t *testing.T) { eachTutorial(t, tutorialManagement) }

func tutorialManagement(t *testing.T, tt *tutorial) {
	for _, group := range []string{"batch_job/instance/node1", "batch_job/instance/node2", "batch_job", "daily_report/instance/cron01"} {
		put("/metrics/job/"+group, sample).run(t, tt.fleet)
	}
	page := ask(t, http.MethodGet, "http://"+tt.address, "")
	if page.code != http.StatusOK || !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") || !strings.Contains(page.body, "node2") {
		t.Errorf("the page: %d %s\n%s", page.code, page.header.Get("Content-Type"), page.body)
	}

	var shown struct {
		Status string
		Data   []struct{ Labels map[string]string }
	}
	if err := json.Unmarshal([]byte(tt.run(t, "show.sh")), &shown); err != nil || shown.Status != "success" || len(shown.Data) != 4 {
		t.Errorf("the API shows %+v: %v", shown, err)
	}

	tt.runSilently(t, "delete_instance.sh")
	tt.exposes(t, `
		m{instance="",job="batch_job"} 1
		m{instance="node2",job="batch_job"} 1
		m{instance="cron01",job="daily_report"} 1
		group{instance="",job="batch_job"} pushed
		group{instance="node2",job="batch_job"} pushed
		group{instance="cron01",job="daily_report"} pushed`)
	tt.runSilently(t, "delete_job.sh")
	tt.exposes(t, `
		m{instance="cron01",job="daily_report"} 1
		group{instance="cron01",job="daily_report"} pushed`)
	tt.runSilently(t, "delete_all.sh")
	tt.exposes(t, "")
}
