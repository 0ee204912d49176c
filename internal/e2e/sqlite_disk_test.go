package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// smallDisk is a disk of 16 MB that only programs see that are started on it.
// It ends with the test.
type smallDisk struct {
	t      *testing.T
	dir    string
	holder *exec.Cmd // a process that is there as long as the disk
}

// newSmallDisk mounts a disk. Root may do so at once, others as the root of
// their own namespace.
func newSmallDisk(t *testing.T) *smallDisk {
	t.Helper()
	d := &smallDisk{t: t, dir: t.TempDir()}
	args := []string{"--mount", "sh", "-c", `mount -t tmpfs -o size=16m tmpfs "$0" && echo mounted && exec cat`, d.dir}
	if os.Geteuid() != 0 {
		args = append([]string{"--map-root-user"}, args...)
	}
	d.holder = exec.Command("unshare", args...)
	d.holder.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	d.holder.Stderr = os.Stderr
	stdin, err := d.holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := d.holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		d.holder.Wait()
	})
	if line, _ := bufio.NewReader(stdout).ReadString('\n'); line != "mounted\n" {
		t.Fatal("no tmpfs can be mounted: run this test as root with CAP_SYS_ADMIN, or allow user namespaces to all")
	}
	return d
}

// command is a program that sees the disk.
func (d *smallDisk) command(name string, args ...string) *exec.Cmd {
	enter := []string{"--mount", "--target", strconv.Itoa(d.holder.Process.Pid)}
	if os.Geteuid() != 0 {
		enter = append(enter, "--user", "--preserve-credentials")
	}
	return exec.Command("nsenter", append(append(enter, "--", name), args...)...)
}

// database is the URL of a file on the disk.
func (d *smallDisk) database() string { return "sqlite:" + filepath.Join(d.dir, "gateway.db") }

// start starts a gateway with its file on the disk.
func (d *smallDisk) start() *replica {
	d.t.Helper()
	return launchCommand(d.t, d.database(),
		d.command(program, "--web.listen-address=127.0.0.1:0", "--log.format=json", "--push.timeout=1s"))
}

// remount makes the disk ro or rw.
func (d *smallDisk) remount(mode string) {
	d.t.Helper()
	if out, err := d.command("mount", "-o", "remount,"+mode, d.dir).CombinedOutput(); err != nil {
		d.t.Fatalf("remount: %v\n%s", err, out)
	}
}

// ballast makes everything else on the disk so large.
func (d *smallDisk) ballast(size int) {
	d.t.Helper()
	path := fmt.Sprintf("/proc/%d/root%s", d.holder.Process.Pid, filepath.Join(d.dir, "ballast"))
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// ledger knows which pushes were acknowledged, each to a group of its own.
type ledger struct {
	t            *testing.T
	acknowledged []string
	// unknown says that the gateway does not know about the next one.
	unknown bool
}

// fill pushes until that is refused several times in a row, on a line that
// contains text.
func (l *ledger) fill(r *replica, text string) {
	l.t.Helper()
	for refused := 0; refused < 3; {
		if len(l.acknowledged) > 10_000 {
			l.t.Fatal("pushes do not fail")
		}
		if l.push(r, text) {
			refused = 0
		} else {
			refused++
		}
	}
}

// push pushes to the next group, and reports whether that was acknowledged.
func (l *ledger) push(r *replica, text string) bool {
	l.t.Helper()
	job := fmt.Sprintf("job-%d", len(l.acknowledged))
	a := ask(l.t, http.MethodPut, r.url+"/metrics/job/"+job, "# HELP m "+strings.Repeat("x", 20_000)+"\nm 1\n")
	switch {
	case a.code == http.StatusOK:
		l.acknowledged, l.unknown = append(l.acknowledged, job), false
		return true
	case a.code == http.StatusServiceUnavailable && strings.Contains(a.body, "send it again"):
		l.unknown = true
	case a.code != http.StatusServiceUnavailable || !strings.Contains(a.body, text) || a.header.Get("Retry-After") == "":
		l.t.Fatalf("a push is answered with %d %s", a.code, a.body)
	}
	checkErrorLine(l.t, "a push", a)
	return false
}

var ledgerLine = regexp.MustCompile(`(?m)^m\{instance="",job="(.*)"\} 1$`)

// check compares what is exposed with what was acknowledged.
func (l *ledger) check(r *replica) {
	l.t.Helper()
	exposed := map[string]bool{}
	for _, m := range ledgerLine.FindAllStringSubmatch(r.scrape(), -1) {
		exposed[m[1]] = true
	}
	for _, job := range l.acknowledged {
		if !exposed[job] {
			l.t.Errorf("%s was acknowledged and is not exposed", job)
		}
	}
	if more := len(exposed) - len(l.acknowledged); more > 1 || more == 1 && !l.unknown {
		l.t.Errorf("%d groups are exposed, and %d were acknowledged", len(exposed), len(l.acknowledged))
	}
}

// checkStuck checks that the gateway says what keeps it from working, and lives.
func checkStuck(t *testing.T, r *replica, text string) {
	t.Helper()
	if a := ask(t, http.MethodGet, r.url+"/-/ready", ""); a.code != http.StatusServiceUnavailable || !strings.Contains(a.body, text) {
		t.Errorf("/-/ready: %d %s, want 503 and %q", a.code, a.body, text)
	}
	if code, body := do(t, http.MethodGet, r.url+"/-/healthy", ""); code != http.StatusOK {
		t.Errorf("/-/healthy: %d %s", code, body)
	}
}

// TestFullDiskOnSQLite protects what was acknowledged from a disk that fills
// up: pushes are refused as long as it is full, scrapes go on, and so do pushes
// once there is room, without anybody's help. Nor does a kill while it is full
// do harm.
func TestFullDiskOnSQLite(t *testing.T) {
	t.Parallel()
	const full = "disk is full"
	disk, l := newSmallDisk(t), &ledger{t: t}
	disk.ballast(8 << 20) // the rest is less than the log may have
	r := disk.start()
	r.awaitReady()
	for room := 8; room > 4; room -= 2 {
		l.fill(r, full)
		l.check(r)
		checkStuck(t, r, full)
		if room == 6 {
			r.kill()
			r = disk.start()
			eventually(t, func() error {
				code, body, err := request(t.Context(), http.MethodGet, r.url+"/metrics", "")
				if err == nil && code != http.StatusOK {
					err = fmt.Errorf("%d %s", code, body)
				}
				return err
			})
			l.check(r)
		}
		disk.ballast((room - 2) << 20)
		r.awaitReady()
		l.check(r)
		if !l.push(r, "") {
			t.Error("it is ready and refuses a push")
		}
	}
	l.check(r)
	r.kill()
	r = disk.start()
	r.awaitReady()
	l.check(r)
}

// TestReadOnlyDiskOnSQLite protects who starts a gateway where it cannot write:
// it ends at once and says why, on one line.
func TestReadOnlyDiskOnSQLite(t *testing.T) {
	t.Parallel()
	disk, l := newSmallDisk(t), &ledger{t: t}
	r := disk.start()
	r.awaitReady()
	l.push(r, "")
	r.terminate()
	disk.remount("ro")
	cmd := disk.command(program, "--web.listen-address=127.0.0.1:0", "--log.level=error", "--database.url="+disk.database())
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 1 || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), "read-only file system") {
		t.Errorf("it ends with %d, %v and writes %s", code, err, out)
	}
	disk.remount("rw")
	r = disk.start()
	r.awaitReady()
	l.check(r)
}

// TestDiskFailsOnSQLite protects what was acknowledged from a disk that turns
// read-only, as ext4 makes one that has errors, or that does not confirm what
// was written: pushes are refused and scrapes go on, and so do pushes when it
// works again. Nor does a kill in between do harm.
func TestDiskFailsOnSQLite(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, fault, text string }{
		{"read-only", "pwrite64,ftruncate:error=EROFS", "read-only or fails"},
		{"failing", "fsync,fdatasync:error=EIO", "read-only or fails"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			database, l := newFile(t), &ledger{t: t}
			r := startReplica(t, database, "--push.timeout=1s")
			for range 3 {
				if !l.push(r, "") {
					t.Error("a push is refused before the fault")
				}
			}
			end := inject(t, r, tt.fault)
			l.fill(r, tt.text)
			l.check(r)
			checkStuck(t, r, "")
			end()
			r.awaitReady()
			l.check(r)
			if !l.push(r, "") {
				t.Error("it is ready and refuses a push")
			}
			inject(t, r, tt.fault)
			l.fill(r, tt.text)
			r.kill()
			r = startReplica(t, database)
			l.check(r)
			checkSound(t, openFile(t, database))
		})
	}
}

// inject makes system calls of the gateway fail, until the end of the test, or
// until the function that it returns is called.
func inject(t *testing.T, r *replica, fault string) (end func()) {
	t.Helper()
	trace := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject="+fault, "-p", strconv.Itoa(r.cmd.Process.Pid))
	var stderr syncBuffer
	trace.Stderr = &stderr
	trace.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := trace.Start(); err != nil {
		t.Fatalf("install Debian's package strace, or run `make deps`: %v", err)
	}
	end = sync.OnceFunc(func() {
		trace.Process.Signal(syscall.SIGTERM) // it lets go of the gateway
		trace.Wait()
	})
	t.Cleanup(end)
	eventually(t, func() error {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
		if err == nil && strings.Contains(string(status), "TracerPid:\t0\n") {
			err = fmt.Errorf("strace does not get hold of the gateway: run this test as root with CAP_SYS_PTRACE: %s", stderr.String())
		}
		return err
	})
	return end
}
