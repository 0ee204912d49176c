//go:build unix

package sqlite_test

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/repository/sqlite"
)

// inFolder names the folder in which the process opens a file.
const inFolder = "SQLITE_TEST_FOLDER"

// nobody is a user who may nothing.
const nobody = 65534

// TestReadOnlyFolder protects who starts a gateway that may write its files,
// but not make those that SQLite has beside them.
func TestReadOnlyFolder(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv(inFolder); dir != "" {
		if os.Geteuid() == 0 {
			if err := syscall.Setuid(nobody); err != nil {
				t.Fatal(err)
			}
		}
		s, err := sqlite.Open(t.Context(), sqlite.Options{Path: dir + "/x.db", Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			s.Close()
		}
		fmt.Printf("<<%v>>\n", err)
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	if got := openIn(t, dir, nil); got != "<nil>" {
		t.Fatalf("where everything is allowed: %s", got)
	}
	for _, lock := range []string{"with", "without"} {
		if lock == "without" {
			if err := os.Remove(path + ".lock"); err != nil {
				t.Fatal(err)
			}
		}
		got := openIn(t, dir, func() {
			if err := os.Chmod(dir, 0o555); err != nil {
				t.Fatal(err)
			}
		})
		if !strings.Contains(got, "folder "+dir+" is dr-xr-xr-x") || strings.Contains(got, "\n") {
			t.Errorf("%s a lock file: %s", lock, got)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// openIn returns how opening a file in the folder fails for its owner, who is
// not root.
func openIn(t *testing.T, dir string, prepare func()) string {
	t.Helper()
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if prepare != nil {
		prepare()
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestReadOnlyFolder$")
	cmd.Env = append(os.Environ(), inFolder+"="+dir)
	out, err := cmd.CombinedOutput()
	found := regexp.MustCompile(`(?s)<<(.*)>>`).FindSubmatch(out)
	if found == nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(found[1])
}
