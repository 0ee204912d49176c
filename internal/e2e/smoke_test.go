package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// TestEveryReplicaShowsAPush protects the reason why there is this gateway.
func TestEveryReplicaShowsAPush(t *testing.T) {
	t.Parallel()
	replicas := startReplicas(t, 3, newDatabase(t))
	for i, r := range replicas {
		want := string(rune('0' + i))
		if code, body := do(t, http.MethodPut, r.url+"/metrics/job/a", "m "+want+"\n"); code != http.StatusOK || body != "" {
			t.Fatalf("push: %d %s", code, body)
		}
		for _, other := range replicas {
			if got := other.scrape(); !strings.Contains(got, "m{instance=\"\",job=\"a\"} "+want+"\n") {
				t.Errorf("after push %d a replica shows\n%s", i, got)
			}
		}
	}
}
