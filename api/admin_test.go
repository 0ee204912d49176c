package api_test

import (
	"net/url"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/api"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

const wipe = "/api/v1/admin/wipe"

func TestWipe(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"PUT", "POST", "DELETE"} {
		g := &fakeGateway{}
		if w := send(newServer(t, g, api.Options{EnableAdminAPI: true}), method, wipe, ""); w.Code != 202 {
			t.Errorf("%s: code %d, want 202", method, w.Code)
		}
		if len(g.wipes) != 1 || g.wipes[0].Method != repository.Wipe {
			t.Errorf("%s arrived as %+v", method, g.wipes)
		}
	}
}

func TestWipeDoesNotExistUnlessEnabled(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{}
	w := send(newServer(t, g, api.Options{}), "PUT", wipe, "")
	if w.Code != 404 || len(g.wipes) > 0 {
		t.Errorf("code %d, wipes %v", w.Code, g.wipes)
	}
	wantLine(t, w, "--web.enable-admin-api")
}

func TestPagesOfOtherSitesCannotWipeOrQuit(t *testing.T) {
	t.Parallel()
	external := &url.URL{Scheme: "https", Host: "gateway.example", Path: "/"}
	tests := []struct {
		name    string
		headers []string
		code    int
	}{
		{"a browser on another site", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"an old browser on another site", []string{"Origin: https://evil.example"}, 403},
		{"a browser on the gateway's page", []string{"Sec-Fetch-Site: same-origin"}, 202},
		{"a browser on the external URL", []string{"Origin: https://gateway.example", "Sec-Fetch-Site: cross-site"}, 202},
		{"no browser", nil, 202},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, &fakeGateway{}, api.Options{EnableAdminAPI: true, EnableLifecycle: true, Quit: func() {}, ExternalURL: external})
			if w := send(s, "POST", wipe, "", tt.headers...); w.Code != tt.code {
				t.Errorf("wipe: code %d, want %d", w.Code, tt.code)
			}
			if w := send(s, "POST", "/-/quit", "", tt.headers...); (w.Code == 403) != (tt.code == 403) {
				t.Errorf("quit: code %d", w.Code)
			}
		})
	}
}

func TestQuit(t *testing.T) {
	t.Parallel()
	calls := 0
	s := newServer(t, &fakeGateway{}, api.Options{EnableLifecycle: true, Quit: func() { calls++ }})
	for _, method := range []string{"PUT", "POST"} {
		if w := send(s, method, "/-/quit", ""); w.Code != 200 {
			t.Errorf("%s: code %d, want 200", method, w.Code)
		}
	}
	if w := send(s, "GET", "/-/quit", ""); w.Code != 405 || calls != 1 {
		t.Errorf("GET: code %d, want 405; %d calls, want 1", w.Code, calls)
	}
	disabled := newServer(t, &fakeGateway{}, api.Options{Quit: func() { t.Error("called") }})
	w := send(disabled, "POST", "/-/quit", "")
	if w.Code != 403 {
		t.Errorf("disabled: code %d, want 403", w.Code)
	}
	wantLine(t, w, "--web.enable-lifecycle")
}
