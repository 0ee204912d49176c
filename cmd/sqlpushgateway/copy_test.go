package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

func TestErrorsOfCopyAreOneLine(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "test.db")
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing to copy from", []string{"--to=sqlite:" + missing}, "required flag(s) '--from' not provided (see --help)"},
		{"nothing to copy to", []string{"--from=sqlite:" + missing}, "required flag(s) '--to' not provided (see --help)"},
		{"no such file", []string{"--from=sqlite:" + missing, "--to=sqlite::memory:"}, "--from=sqlite:" + missing + ": there is no such file"},
		{"the same", []string{"--from=sqlite::memory:", "--to=sqlite::memory:"}, "--from and --to are the same database"},
		{"a URL that is none", []string{"--from=mysql://alice:hunter2@h/d", "--to=sqlite::memory:"}, "--from: the database's URL must look like"},
		{"too few connections", []string{"--from=sqlite::memory:", "--to=postgres://h/d", "--database.max-connections=1"}, "--database.max-connections"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), append([]string{"copy"}, c.args...), &stdout, &stderr)
			if code != 1 || stdout.Len() > 0 || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), c.want) || strings.Contains(stderr.String(), "hunter2") {
				t.Errorf("got exit code %d, %q and %q, want an error with %q", code, stdout.String(), stderr.String(), c.want)
			}
		})
	}
}
