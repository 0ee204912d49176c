package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorded is the persistence file of a Pushgateway 1.11.3.
const recorded = "../../internal/pushgateway/testdata/1.11.3/persistence.gob"

func TestErrorsOfImportAreOneLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("m 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	file := "--database.url=sqlite:" + filepath.Join(dir, "new", "test.db")
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing to import from", []string{file}, "required flag(s) '--from' not provided (see --help)"},
		{"no such file", []string{file, "--from=" + dir + "/nope"}, "--from: open " + dir + "/nope: no such file or directory"},
		{"a URL without its scheme", []string{file, "--from=pushgateway.example:9091/prefix"}, "no such file or directory (did you mean http://pushgateway.example:9091/prefix?)"},
		{"a URL with a loud scheme", []string{file, "--from=HTTP://" + nobody}, "connection refused"},
		{"a folder", []string{file, "--from=" + dir}, "--from: " + dir + " is no persistence file of a Pushgateway: "},
		{"another kind of file", []string{file, "--from=" + text}, "--from: " + text + " is no persistence file of a Pushgateway: "},
		{"no such host", []string{file, "--from=http://nobody.invalid:9091"}, "--from: Get \"http://nobody.invalid:9091/api/v1/metrics\": "},
		{"nobody at home", []string{file, "--from=http://alice:hunter2@" + nobody}, "connection refused"},
		{"a URL that is none", []string{file, "--from=http://alice:hunter2@a b"}, "--from: must look like http://user:password@pushgateway:9091"},
		{"a database that is away", []string{"--database.url=postgres://alice:hunter2@" + nobody + "/d", "--from=" + recorded},
			"postgres://alice:xxxxx@" + nobody + "/d: it does not answer: database unavailable: "},
		{"one that is away, without changing it", []string{"--database.url=postgres://alice:hunter2@" + nobody + "/d", "--dry-run", "--from=" + recorded}, "it does not answer"},
		{"a database that cannot be one", []string{"--database.url=sqlite:" + text, "--from=" + recorded}, "another kind of file, not an SQLite database"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), append([]string{"import"}, c.args...), &stdout, &stderr)
			if code != 1 || stdout.Len() > 0 || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), c.want) {
				t.Errorf("got exit code %d, %q and %q, want an error with %q", code, stdout.String(), stderr.String(), c.want)
			}
			if strings.Contains(stderr.String(), "hunter2") {
				t.Errorf("%q shows the password", stderr.String())
			}
			if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
				t.Error("there is a database now")
			}
		})
	}
}

// TestADryRunSaysWhenItCannotTell protects from predictions for a database that
// a copy with checks cannot hold.
func TestADryRunSaysWhenItCannotTell(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	a := startApp(t, url, "--push.disable-consistency-check")
	waitUntil(t, a.url+"/-/ready", 200)
	mustAsk(t, "PUT", a.url+"/metrics/job/a", "# TYPE m gauge\nm 1\n")
	mustAsk(t, "PUT", a.url+"/metrics/job/b", "# TYPE m counter\nm 1\n")
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		flags  []string
		code   int
		stdout string
		stderr string
	}{
		{nil, 1, "", "what would happen cannot be told, since groups that exist contradict others, like {job="},
		{[]string{"--push.disable-consistency-check"}, 0, "of 9 groups 9 would be stored", ""},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"import", "--dry-run", "--from=" + recorded, "--database.url=" + url}, c.flags...), &stdout, &stderr)
		if code != c.code || !strings.HasPrefix(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
			t.Errorf("with %v: got exit code %d, %q and %q, want %d, %q and %q", c.flags, code, stdout.String(), stderr.String(), c.code, c.stdout, c.stderr)
		}
	}
}
