package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestErrorsOfCopyAreOneLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing, there, link := filepath.Join(dir, "test.db"), filepath.Join(dir, "there.db"), filepath.Join(dir, "link.db")
	if err := errors.Join(os.WriteFile(there, nil, 0o600), os.Symlink(there, link)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing to copy from", []string{"--to=sqlite:" + missing}, "required flag(s) '--from' not provided (see --help)"},
		{"nothing to copy to", []string{"--from=sqlite:" + missing}, "required flag(s) '--to' not provided (see --help)"},
		{"no such file", []string{"--from=sqlite:" + missing, "--to=sqlite::memory:"}, "--from=sqlite:" + missing + ": there is no such file"},
		{"nothing that could be copied", []string{"--from=sqlite::memory:", "--to=sqlite:" + missing}, "--from=sqlite::memory:: is empty"},
		{"nothing that lasts", []string{"--from=sqlite:" + there, "--to=sqlite::memory:"}, "--to=sqlite::memory:: would end with this command"},
		{"the same", []string{"--from=sqlite:" + there, "--to=sqlite:" + there}, "--from and --to are the same database"},
		{"the same by another path", []string{"--from=sqlite:" + there, "--to=sqlite:" + dir + "/./there.db"}, "--from and --to are the same database"},
		{"the same by a link", []string{"--from=sqlite:" + link, "--to=sqlite:" + there}, "--from and --to are the same database"},
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
