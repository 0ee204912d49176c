package check

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/unit"
)

// TestSystemdUnits lets systemd read the units, and checks what only we know.
func TestSystemdUnits(t *testing.T) {
	t.Parallel()
	service := parseUnit(t, "sqlpushgateway.service")
	command := strings.Fields(service["Service"]["ExecStart"])
	args := command[1 : len(command)-1] // the last one is $ARGS

	t.Run("systemd finds nothing to say against them", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		paths := []string{}
		for _, name := range []string{"sqlpushgateway.service", "sqlpushgateway.socket"} {
			text := strings.ReplaceAll(string(read(t, "deploy/systemd", name)), command[0], gateway)
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, path)
		}
		program, err := exec.LookPath("systemd-analyze")
		if err != nil {
			t.Fatal("no systemd-analyze found: install it (Debian: apt-get install systemd)")
		}
		out, err := exec.CommandContext(t.Context(), program, append([]string{"verify", "--man=no"}, paths...)...).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%v\n%s", err, out)
		}
	})

	t.Run("the gateway starts with the unit's arguments", func(t *testing.T) {
		t.Parallel()
		if command[len(command)-1] != "$ARGS" {
			t.Errorf("the command does not end with $ARGS: %q", command)
		}
		startGateway(t, args...)
	})

	t.Run("it may take its time to end", func(t *testing.T) {
		t.Parallel()
		patience, err := time.ParseDuration(service["Service"]["TimeoutStopSec"])
		if err != nil {
			t.Fatal(err)
		}
		checkEnd(t, args, patience)
	})

	t.Run("it has no rights and nowhere to write to", func(t *testing.T) {
		t.Parallel()
		for key, want := range map[string]string{
			"DynamicUser": "yes", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes",
			"CapabilityBoundingSet": "", "AmbientCapabilities": "", "UMask": "0077",
		} {
			if got, ok := service["Service"][key]; !ok || got != want {
				t.Errorf("%s=%s, want %q", key, got, want)
			}
		}
	})

	t.Run("the password is in the environment file alone", func(t *testing.T) {
		t.Parallel()
		if bytes.Contains(read(t, "deploy/systemd/sqlpushgateway.service"), []byte("postgres://")) {
			t.Error("the unit, which everybody can read, has a database URL")
		}
		env := string(read(t, "deploy/systemd/sqlpushgateway.env"))
		if !strings.Contains(env, "DATABASE_URL=postgres://") || !strings.Contains(env, "\nARGS=") {
			t.Errorf("the environment file lacks DATABASE_URL or ARGS:\n%s", env)
		}
		if file, _, _ := strings.Cut(env, ":"); strings.TrimPrefix(file, "# ") != service["Service"]["EnvironmentFile"] {
			t.Errorf("the unit reads %s, the file is meant for %s", service["Service"]["EnvironmentFile"], file)
		}
	})

	t.Run("the socket has the gateway's port", func(t *testing.T) {
		t.Parallel()
		socket := parseUnit(t, "sqlpushgateway.socket")
		if got, want := ":"+socket["Socket"]["ListenStream"], flags(t)["web.listen-address"]; got != want {
			t.Errorf("the socket listens on %s, the gateway on %s", got, want)
		}
	})
}

// parseUnit returns the options of a unit by section and name; of those given
// several times, the last.
func parseUnit(t *testing.T, name string) map[string]map[string]string {
	t.Helper()
	options, err := unit.DeserializeOptions(bytes.NewReader(read(t, "deploy/systemd", name)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	sections := map[string]map[string]string{}
	for _, o := range options {
		if sections[o.Section] == nil {
			sections[o.Section] = map[string]string{}
		}
		sections[o.Section][o.Name] = o.Value
	}
	return sections
}
