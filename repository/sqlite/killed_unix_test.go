//go:build unix

package sqlite_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// inFile names the file on which the process commits until it is killed.
const inFile = "SQLITE_TEST_FILE"

// TestKilled protects what was acknowledged from the death of the process in
// the middle of commits.
func TestKilled(t *testing.T) {
	t.Parallel()
	if path := os.Getenv(inFile); path != "" {
		commitForever(t, path)
	}
	path := filepath.Join(t.TempDir(), "x.db")
	for round := range 5 {
		last := commitUntilKilled(t, path, 20*(round+1))
		s := open(t, path)
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Close()
		// The commit that was under way may have landed.
		stored := sqlGet[string](t, path, `SELECT m.value ->> 'value' FROM push_group, json_each(families -> 'm' -> 'metrics') m`)
		if stored != fmt.Sprint(last) && stored != fmt.Sprint(last+1) {
			t.Errorf("the value is %s, acknowledged was %d", stored, last)
		}
		if got := sqlGet[string](t, path, "PRAGMA integrity_check"); got != "ok" {
			t.Errorf("the file is not sound: %s", got)
		}
	}
	if rows, seqs := sqlGet[int](t, path, "SELECT count(*) FROM push_history"), sqlGet[int](t, path, "SELECT count(DISTINCT seq) FROM push_history"); rows < 300 || rows != seqs {
		t.Errorf("the history has %d rows with %d numbers", rows, seqs)
	}
}

// commitForever prints each value once it is stored.
func commitForever(t *testing.T, path string) {
	s := open(t, path)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := 1; ; i++ {
		put(t, s, "job/a", fmt.Sprintf("m %d\n", i))
		fmt.Println(i)
	}
}

// commitUntilKilled kills a process of commitForever after some values, and
// returns the last that it acknowledged.
func commitUntilKilled(t *testing.T, path string, values int) (last int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), inFile+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		value, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Errorf("it says: %s", lines.Text())
			continue
		}
		if last = value; last == values {
			cmd.Process.Kill()
		}
	}
	_ = cmd.Wait()
	return last
}
