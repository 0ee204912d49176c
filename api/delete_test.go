package api_test

import (
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/api"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

func TestDelete(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, target string
		byDefault    bool
		code         int
		recursive    bool
	}{
		{"exactly the group", "/metrics/job/a/l/v", false, 202, false},
		{"recursive on request", "/metrics/job/a?recursive=true", false, 202, true},
		{"not recursive on request", "/metrics/job/a?recursive=false", true, 202, false},
		{"recursive by default", "/metrics/job/a", true, 202, true},
		{"other parameters", "/metrics/job/a?force=1", false, 202, false},
		{"recursive but unclear", "/metrics/job/a?recursive=yes", false, 400, false},
		{"recursive without a value", "/metrics/job/a?recursive", true, 400, false},
		{"recursive twice", "/metrics/job/a?recursive=true&recursive=false", false, 400, false},
		{"a path that names no group", "/metrics/job/a/l", false, 400, false},
		{"bad base64", "/metrics/job@base64/!", false, 400, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := &fakeGateway{}
			w := send(newServer(t, g, api.Options{RecursiveDelete: tt.byDefault}), "DELETE", tt.target, "")
			if w.Code != tt.code {
				t.Fatalf("code %d, want %d: %s", w.Code, tt.code, w.Body)
			}
			if tt.code == 400 {
				wantLine(t, w, "")
				if len(g.deletions) > 0 {
					t.Error("something was deleted")
				}
				return
			}
			if d := g.deletions[0]; d.Recursive != tt.recursive || d.Method != repository.Delete || d.Key.Job() != "a" {
				t.Errorf("arrived as %+v", d)
			}
		})
	}
}

func TestPushIgnoresTheRecursiveParameter(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fakeGateway{}, api.Options{})
	if w := send(s, "PUT", "/metrics/job/a?recursive=maybe", body); w.Code != 200 {
		t.Errorf("code %d, want 200", w.Code)
	}
}
