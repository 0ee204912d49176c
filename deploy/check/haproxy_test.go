package check

import (
	"os/exec"
	"regexp"
	"testing"
	"time"
)

// TestHAProxy lets HAProxy read its configuration.
func TestHAProxy(t *testing.T) {
	t.Parallel()

	t.Run("HAProxy takes it without a warning", func(t *testing.T) {
		t.Parallel()
		program, err := exec.LookPath("haproxy")
		if err != nil {
			program, err = exec.LookPath("/usr/sbin/haproxy")
		}
		if err != nil {
			t.Fatal("no haproxy found: install it (Debian: apt-get install haproxy)")
		}
		out, err := exec.CommandContext(t.Context(), program, "-c", "-dW", "-f", root+"/deploy/haproxy/haproxy.cfg").CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})

	t.Run("it waits longer for an answer than the gateways take", func(t *testing.T) {
		t.Parallel()
		m := regexp.MustCompile(`(?m)^\s*timeout server (\S+)`).FindSubmatch(read(t, "deploy/haproxy/haproxy.cfg"))
		if m == nil {
			t.Fatal("no timeout server")
		}
		patience, err := time.ParseDuration(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		for _, flag := range []string{"push.timeout", "scrape.timeout"} {
			if d := durationOf(t, nil, flag); patience <= d {
				t.Errorf("timeout server is %v, --%s %v", patience, flag, d)
			}
		}
	})
}
