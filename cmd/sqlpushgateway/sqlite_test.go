package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestWithoutADatabaseThereIsAFile(t *testing.T) {
	t.Parallel()
	c, err := parseFlags(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if path, ok := c.databaseURL.sqlitePath(); !ok || path != "./data/sqlpushgateway.db" {
		t.Errorf("got %q, want the default", path)
	}
	if got := c.shown["database.url"]; got != "sqlite:./data/sqlpushgateway.db" {
		t.Errorf("the status shows %q", got)
	}
}

func TestAPushSurvivesARestartOnSQLite(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "new", "odd ?#%41.db")
	a := startApp(t, url)
	waitUntil(t, a.url+"/-/ready", http.StatusOK)
	if got := mustAsk(t, http.MethodPut, a.url+"/metrics/job/backup", "size_bytes 42\n"); got.code != http.StatusOK {
		t.Fatalf("got %+v for the push, want 200", got)
	}
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	a = startApp(t, url)
	waitUntil(t, a.url+"/-/ready", http.StatusOK)
	if got := mustAsk(t, http.MethodGet, a.url+"/metrics", ""); !strings.Contains(got.body, `size_bytes{instance="",job="backup"} 42`) {
		t.Errorf("got %+v after the restart", got)
	}
}

func TestASecondGatewayOnAnSQLiteFileIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	first := startProcess(t, "sqlite:"+path)
	waitUntil(t, first.url+"/-/ready", http.StatusOK)
	second := exec.Command(os.Args[0], "--web.listen-address=127.0.0.1:0", "--log.level=error")
	second.Env = append(os.Environ(), asProgram+"=1", "DATABASE_URL=sqlite:"+path)
	out, err := second.CombinedOutput()
	if err == nil || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), "another gateway is working on it") {
		t.Errorf("got %v and %q, want a refusal on one line", err, out)
	}
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.wait(t)
	third := startProcess(t, "sqlite:"+path)
	waitUntil(t, third.url+"/-/ready", http.StatusOK)
}
