package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// TestSemantics protects the semantics of HTTP requests: whatever three
// replicas are asked, one after the other, each answer and each exposition is
// that of the simple model.
func TestSemantics(t *testing.T) {
	t.Parallel()
	semantics(t, startReplicas(t, 3, newDatabase(t), "--web.enable-admin-api"))
}

// TestSemanticsOnSQLite protects the same on a file.
func TestSemanticsOnSQLite(t *testing.T) {
	t.Parallel()
	semantics(t, startReplicas(t, 1, byDefault, "--web.enable-admin-api"))
}

func semantics(t *testing.T, replicas []*replica) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("random requests of seed %d", seed), func(t *testing.T) {
			if code, body := do(t, http.MethodPut, replicas[0].url+"/api/v1/admin/wipe", ""); code != http.StatusAccepted {
				t.Fatalf("wipe: %d %s", code, body)
			}
			traffic := model.NewTraffic(1000 + seed)
			traffic.Wipes = 2
			m := model.New()
			for i := range 80 {
				request := traffic.Next()
				want := expected(t, m, request)
				req, err := httpRequest(t.Context(), model.Pick(traffic, replicas...).url, request, traffic.IntN(2) == 0)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := plainClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != want {
					t.Fatalf("request %d, %s: %d, want %d", i, request, resp.StatusCode, want)
				}
				got := model.Timeless(model.Pick(traffic, replicas...).scrape())
				if want := m.Exposition(); got != want {
					t.Fatalf("after request %d, %s: exposition (+) and model (-) differ:\n%s", i, request, diff(want, got, nil))
				}
			}
		})
	}
}

// expected tells the model of the request and returns the code of its answer.
func expected(t *testing.T, m *model.Model, request model.Request) int {
	t.Helper()
	if request.Method == repository.Wipe {
		m.Wipe()
		return http.StatusAccepted
	}
	key, err := exposition.ParseGroupingKey(request.Path, exposition.LegacyNames)
	if err != nil {
		t.Fatal(err)
	}
	if request.Method == repository.Delete {
		if request.Recursive {
			m.DeleteMatching(key)
		} else {
			m.Delete(key)
		}
		return http.StatusAccepted
	}
	families, err := exposition.ParseText(strings.NewReader(request.Body), exposition.LegacyNames)
	if err != nil {
		t.Fatal(err)
	}
	families, err = exposition.Normalize(key, families, exposition.Rules{})
	if m.Push(request.Method, key, families, err != nil) {
		return http.StatusOK
	}
	return http.StatusBadRequest
}
