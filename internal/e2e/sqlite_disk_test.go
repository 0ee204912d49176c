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

// start starts a gateway with its file on the disk.
func (d *smallDisk) start() *replica {
	d.t.Helper()
	return launchCommand(d.t, "sqlite:"+filepath.Join(d.dir, "gateway.db"),
		d.command(program, "--web.listen-address=127.0.0.1:0", "--log.format=json", "--push.timeout=1s"))
}

// ballast makes everything else on the disk so large.
func (d *smallDisk) ballast(size int) {
	d.t.Helper()
	path := fmt.Sprintf("/proc/%d/root%s", d.holder.Process.Pid, filepath.Join(d.dir, "ballast"))
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// ledger knows which pushes were acknowledged.
type ledger struct {
	t            *testing.T
	acknowledged []string
}

// fill pushes to new groups until that is refused several times in a row, with 503 and
// a line that contains text.
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

// push pushes to a new group, and reports whether that was acknowledged.
func (l *ledger) push(r *replica, text string) bool {
	l.t.Helper()
	job := fmt.Sprintf("job-%d", len(l.acknowledged))
	a := ask(l.t, http.MethodPut, r.url+"/metrics/job/"+job, "# HELP m "+strings.Repeat("x", 20_000)+"\nm 1\n")
	switch {
	case a.code == http.StatusOK:
		l.acknowledged = append(l.acknowledged, job)
		return true
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
	if len(exposed) != len(l.acknowledged) {
		l.t.Errorf("%d groups are exposed, want %d", len(exposed), len(l.acknowledged))
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
	disk.ballast(8 << 20)
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
