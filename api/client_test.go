package api_test

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/api"
)

func TestClientAddress(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	tests := []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"a peer that is not trusted", "192.0.2.7:1", []string{"198.51.100.1"}, "192.0.2.7"},
		{"the client of a trusted proxy", "10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"two trusted proxies", "10.0.0.1:1", []string{"198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"what the client claims itself", "10.0.0.1:1", []string{"203.0.113.9, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"several header lines", "10.0.0.1:1", []string{"203.0.113.9", "198.51.100.1"}, "198.51.100.1"},
		{"trusted proxies only", "10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"garbage from a trusted proxy", "10.0.0.1:1", []string{"198.51.100.1, unknown"}, "10.0.0.1"},
		{"no header", "10.0.0.1:1", nil, "10.0.0.1"},
		{"an address with a port", "10.0.0.1:1", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"IPv6", "[2001:db8::1]:1", []string{"[2001:dead::2]:80"}, "2001:dead::2"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"a Unix socket", "@", []string{"198.51.100.1"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := &fakeGateway{}
			r := httptest.NewRequest("PUT", "/metrics/job/a", nil)
			r.RemoteAddr = tt.peer
			for _, f := range tt.forwarded {
				r.Header.Add("X-Forwarded-For", f)
			}
			newServer(t, g, api.Options{TrustedProxies: trusted}).ServeHTTP(httptest.NewRecorder(), r)
			if got := g.pushes[0].Client; got != tt.want {
				t.Errorf("client %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNamesInTheHistoryAreClean(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, given, want string }{
		{"plain", "curl/8", "curl/8"},
		{"control characters", "a\x00b\x1b[31m\tc\u0085d", "ab[31mcd"},
		{"invalid UTF-8", "a\xffb", "a\uFFFDb"},
		{"long", strings.Repeat("é", 300), strings.Repeat("é", 128)},
		{"very long", strings.Repeat("x", 1<<20), strings.Repeat("x", 256)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := &fakeGateway{}
			r := httptest.NewRequest("DELETE", "/metrics/job/a", nil)
			r.Header["User-Agent"] = []string{tt.given}
			r.SetBasicAuth(strings.ReplaceAll(tt.given, ":", ""), "secret")
			newServer(t, g, api.Options{AuthEnabled: true}).ServeHTTP(httptest.NewRecorder(), r)
			if d := g.deletions[0]; d.UserAgent != tt.want || d.Username != tt.want {
				t.Errorf("user agent %q, name %q, want %q", d.UserAgent, d.Username, tt.want)
			}
		})
	}
}

func TestUnverifiedUserNameIsNotRecorded(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{}
	r := httptest.NewRequest("PUT", "/metrics/job/a", nil)
	r.SetBasicAuth("admin", "x")
	newServer(t, g, api.Options{}).ServeHTTP(httptest.NewRecorder(), r)
	if got := g.pushes[0].Username; got != "" {
		t.Errorf("name %q, want none", got)
	}
}
