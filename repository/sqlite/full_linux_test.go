package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/sqlite"
)

// onSmallDisk names the folder at which the process may mount a small disk.
const onSmallDisk = "SQLITE_TEST_SMALL_DISK"

// inNamespace runs the test once more in a process that may mount what nobody
// else sees and what ends with it. Root may do so at once, others as the root
// of their own namespace.
func inNamespace(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), onSmallDisk+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v (this test mounts a tmpfs: run it as root with CAP_SYS_ADMIN, or allow user namespaces to all)\n%s", err, out)
	}
	t.Logf("%s", out)
}

// mount mounts a disk of 16 MB.
func mount(t *testing.T, dir string) {
	t.Helper()
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatalf("keep mounts to this process: %v", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Fatalf("mount a tmpfs: %v", err)
	}
}

// TestFullDisk protects what was acknowledged from a disk that fills up: pushes
// are refused as long as it is full, scrapes go on, and so do pushes once
// there is room, without anybody's help.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := os.Getenv(onSmallDisk)
	if dir == "" {
		inNamespace(t)
		return
	}
	mount(t, dir)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "x.db")
	r := newRepository(t, path)
	body := strings.Repeat("x", 20_000)
	acknowledged, unknown := map[string]bool{}, map[string]bool{}
	for round := range 3 {
		for i, refused := 0, 0; refused < 3; i++ {
			if i > 10_000 {
				t.Fatal("the disk does not fill up")
			}
			job := fmt.Sprintf("job-%d-%d", round, i)
			err := pushHelp(t, r, job, body)
			switch {
			case err == nil:
				acknowledged[job] = true
			case errors.Is(err, repository.ErrUnavailable):
				refused++
				unknown[job] = errors.Is(err, repository.ErrUnknown) // on a slow machine
			default:
				t.Fatalf("a push to a full disk: %v", err)
			}
		}
		expectJobs(t, r, acknowledged, unknown)
		if err := r.Ready(t.Context()); !errors.Is(err, repository.ErrUnavailable) || !strings.Contains(err.Error(), "full") {
			t.Errorf("on a full disk it is ready: %v", err)
		}
		if round == 2 {
			break
		}
		if err := os.Truncate(ballast, int64(4-4*round)<<20); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error { return r.Ready(t.Context()) })
		if err := pushHelp(t, r, "after", body); err != nil {
			t.Errorf("a push once there is room: %v", err)
		}
		acknowledged["after"] = true
		expectJobs(t, r, acknowledged, unknown)
	}
	r.Close() // and what is on the disk is what was said
	os.Remove(ballast)
	if got := sqlGet[string](t, path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("the file is not sound: %s", got)
	}
	expectJobs(t, newRepository(t, path), acknowledged, unknown)
}

// TestReadOnlyDisk protects who starts a gateway where it cannot write.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	dir := os.Getenv(onSmallDisk)
	if dir == "" {
		inNamespace(t)
		return
	}
	mount(t, dir)
	path := filepath.Join(dir, "x.db")
	newRepository(t, path).Close()
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=16m"); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "read-only file system") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one line that says so", err)
	}
}

// TestNewFoldersAreSynced protects the first pushes from a power cut: it must
// not take away a folder that they are in.
func TestNewFoldersAreSynced(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv(inFolder); dir != "" {
		open(t, dir+"/a/b/x.db")
		return
	}
	dir := t.TempDir()
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.CommandContext(t.Context(), "strace", "-f", "-qq", "-y", "-e", "trace=fsync", "-o", trace, os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), inFolder+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v (this test needs Debian's package strace, and CAP_SYS_PTRACE)\n%s", err, out)
	}
	calls, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{dir, dir + "/a", dir + "/a/b"} {
		if !regexp.MustCompile(`fsync\(\d+<` + regexp.QuoteMeta(folder) + `>`).Match(calls) {
			t.Errorf("%s is not synced:\n%s", folder, calls)
		}
	}
}

func newRepository(t *testing.T, path string) *repository.Repository {
	t.Helper()
	r := repository.New(open(t, path), repository.Options{Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	t.Cleanup(r.Close)
	eventually(t, func() error { return r.Ready(t.Context()) })
	return r
}

// pushHelp pushes a metric with a long help.
func pushHelp(t *testing.T, r *repository.Repository, job, help string) error {
	t.Helper()
	key, err := exposition.NewGroupingKey(map[string]string{"job": job}, exposition.LegacyNames)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	return r.Push(ctx, repository.Push{Request: repository.Request{Method: repository.Put}, Key: key,
		Families: []exposition.Family{{Name: "m", Help: help, Metrics: []exposition.Metric{{Value: 1}}}}})
}

// expectJobs compares what a scrape shows with what must and what may be there.
func expectJobs(t *testing.T, r *repository.Repository, want, may map[string]bool) {
	t.Helper()
	s, err := r.Snapshot(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	text := model.Text(s)
	for _, m := range regexp.MustCompile(`(?m)^m\{instance="",job="(.*)"\} 1$`).FindAllStringSubmatch(text, -1) {
		if job := m[1]; !want[job] && !may[job] {
			t.Errorf("a push of %s that was refused is exposed", job)
		}
	}
	for job := range want {
		if !strings.Contains(text, fmt.Sprintf("m{instance=\"\",job=%q} 1\n", job)) {
			t.Errorf("an acknowledged push of %s is missing", job)
		}
	}
}

func eventually(t *testing.T, f func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
