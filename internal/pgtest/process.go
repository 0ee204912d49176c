package pgtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const stopTimeout = 20 * time.Second

// process is a server that this process started, and that ends with it.
type process struct {
	cmd  *exec.Cmd
	log  string        // path of the file with its output
	done chan struct{} // closed when it has ended
}

// startProcess starts the program in dir, where its output is kept in a file.
func startProcess(dir, program string, args ...string) (*process, error) {
	p := &process{done: make(chan struct{}), log: filepath.Join(dir, filepath.Base(program)+".log")}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd, err = command(dir, program, args...)
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr.Setpgid = true // a ^C is for the tests, which then stop it
	dieWithParent(p.cmd.SysProcAttr)
	started := make(chan error)
	go func() {
		// The kernel takes the thread for the parent, so it must live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in the log
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w%s", program, err, unreachableHint(program))
	}
	return p, nil
}

// command prepares a program that runs in dir with a clean environment and, as
// servers refuse to run as root, as nobody if this process is root.
func command(dir, program string, args ...string) (*exec.Cmd, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		uid, gid, err := nobody()
		if err != nil {
			return nil, err
		}
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return cmd, nil
}

func nobody() (uid, gid int, err error) {
	u, err := user.Lookup("nobody")
	if err != nil {
		return 0, 0, err
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}

// unreachableHint explains why root's tests cannot start a program that is
// there.
func unreachableHint(program string) string {
	if os.Geteuid() != 0 {
		return ""
	}
	return ": as root, PostgreSQL runs as nobody, who must be able to read " + program
}

// stop asks with the signal and, when that does not help in time, with SIGKILL.
func (p *process) stop(signal syscall.Signal) {
	_ = p.cmd.Process.Signal(signal)
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		p.kill()
	}
}

// kill ends the process and its children at once, as a power failure would, and
// returns when all of them are gone.
func (p *process) kill() {
	pid := p.cmd.Process.Pid
	_ = p.cmd.Process.Signal(syscall.SIGSTOP) // no more children
	children := childrenOf(pid)
	_ = p.cmd.Process.Kill()
	for _, child := range children {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	<-p.done
	_ = waitFor(stopTimeout, func() error {
		for _, child := range children {
			if alive(child) {
				return fmt.Errorf("process %d is still there", child)
			}
		}
		return nil
	})
}

func childrenOf(pid int) []int {
	list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	var children []int
	for field := range strings.FieldsSeq(string(list)) {
		if child, err := strconv.Atoi(field); err == nil {
			children = append(children, child)
		}
	}
	return children
}

// alive reports whether the process runs; one that nobody has waited for does
// not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return !bytes.HasPrefix(state, []byte("Z")) && !bytes.HasPrefix(state, []byte("X"))
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// output returns the end of what the process wrote.
func (p *process) output() string {
	const most = 4000
	text, _ := os.ReadFile(p.log)
	return string(text[max(0, len(text)-most):])
}

// waitFor returns nil as soon as condition does, or its last error when the
// time is over.
func waitFor(timeout time.Duration, condition func() error) error {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return nil
		}
		select {
		case <-deadline.C:
			return err
		case <-tick.C:
		}
	}
}
