package main

import (
	"bytes"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

func TestErrorsOfDemoAreOneLine(t *testing.T) {
	t.Parallel()
	file := "--database.url=sqlite:" + filepath.Join(t.TempDir(), "test.db")
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"too few days", []string{file, "--days=13"}, "--days=13: must be from 14 to 366"},
		{"too many days", []string{file, "--days=367"}, "--days=367: must be from 14 to 366"},
		{"days that are no number", []string{file, "--days=many"}, "--days"},
		{"a time that is none", []string{file, "--until=yesterday"}, "--until=yesterday: must be a time like 2026-01-31T12:00:00Z"},
		{"a time before all databases", []string{file, "--until=0001-01-01T00:00:00Z"}, "--until=0001-01-01T00:00:00Z: must be a time like"},
		{"a seed that is none", []string{file, "--seed=-1"}, "--seed"},
		{"nothing that lasts", []string{"--database.url=sqlite::memory:"}, "--database.url=sqlite::memory:: would end with this command"},
		{"a URL that is none", []string{"--database.url=mysql://alice:hunter2@h/d"}, "--database.url: the database's URL must look like"},
		{"too few connections", []string{file, "--database.max-connections=1"}, "--database.max-connections"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), append([]string{"demo"}, c.args...), &stdout, &stderr)
			if code != 1 || stdout.Len() > 0 || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), c.want) || strings.Contains(stderr.String(), "hunter2") {
				t.Errorf("got exit code %d, %q and %q, want an error with %q", code, stdout.String(), stderr.String(), c.want)
			}
		})
	}
}

func TestDemoFillsOnlyAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "new", "demo.db")
	args := []string{"demo", "--database.url=" + url, "--days=14", "--until=2026-01-31T12:00:00+01:00"}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), args, &stdout, &stderr); code != 0 || stderr.Len() > 0 || !strings.HasSuffix(stdout.String(), " rows of history until 2026-01-31T11:00:00Z, and 18 groups\n") {
		t.Fatalf("got exit code %d, %q and %q", code, stdout.String(), stderr.String())
	}
	if code := run(t.Context(), args, &stdout, &stderr); code != 1 || !strings.HasSuffix(stderr.String(), ": is not empty: name a database in which there is nothing\n") {
		t.Errorf("the second time got exit code %d and %q", code, stderr.String())
	}
	a := startApp(t, url)
	waitUntil(t, a.url+"/-/ready", http.StatusOK)
	if got := mustAsk(t, http.MethodGet, a.url+"/metrics", ""); !strings.Contains(got.body, `job_success{instance="",job="nightly_export"} `) {
		t.Errorf("a gateway exposes %q", got.body)
	}
}
