package main

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a gateway in a process of its own.
type process struct {
	cmd  *exec.Cmd
	url  string
	logs *logs
	done chan struct{} // closed when it has ended and cmd.ProcessState is set
}

// startProcess starts a gateway on a free port as a process, and kills it at
// the end of the test if it still runs. It may not be ready yet.
func startProcess(t *testing.T, databaseURL string, flags ...string) *process {
	t.Helper()
	return startCommand(t, databaseURL, exec.Command(os.Args[0], append([]string{"--web.listen-address=127.0.0.1:0"}, flags...)...))
}

func startCommand(t *testing.T, databaseURL string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, logs: &logs{}, done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), asProgram+"=1", "DATABASE_URL="+databaseURL)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			p.logs.Write(append(lines.Bytes(), '\n'))
			if _, a, ok := strings.Cut(lines.Text(), `msg="Listening on" address=`); ok {
				address <- a
			}
		}
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	select {
	case a := <-address:
		p.url = "http://" + a
	case <-p.done:
		t.Fatalf("the gateway ended at its start:\n%s", p.logs)
	}
	return p
}

// wait waits until the process has ended. One that does not is made to show
// what it is doing.
func (p *process) wait(t *testing.T) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		p.signal(t, syscall.SIGQUIT)
		<-p.done
		t.Fatalf("the gateway did not end:\n%s", p.logs)
	}
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func TestAProcessEndsWithCodeZeroOnASignal(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			p := startProcess(t, newDatabase(t))
			waitUntil(t, p.url+"/-/ready", http.StatusOK)
			p.signal(t, signal)
			p.wait(t)
			if code := p.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("got exit code %d, want 0:\n%s", code, p.logs)
			}
		})
	}
}

func TestASecondSignalEndsTheProcessAtOnce(t *testing.T) {
	t.Parallel()
	p := startProcess(t, newDatabase(t), "--shutdown.delay=1h")
	waitUntil(t, p.url+"/-/ready", http.StatusOK)
	p.signal(t, syscall.SIGTERM)
	waitUntil(t, p.url+"/-/ready", http.StatusServiceUnavailable)
	p.signal(t, syscall.SIGTERM)
	p.wait(t)
	if code := p.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("got exit code %d, want 1, since requests may have been cut:\n%s", code, p.logs)
	}
}

func TestASocketOfSystemdIsServed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	// LISTEN_PID has to be the process's own, which only a shell can know.
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" --web.systemd-socket`, os.Args[0])
	cmd.ExtraFiles = []*os.File{socket} // becomes descriptor 3
	p := startCommand(t, newDatabase(t), cmd)
	if want := "http://" + l.Addr().String(); p.url != want {
		t.Errorf("got %s, want %s", p.url, want)
	}
	waitUntil(t, p.url+"/-/ready", http.StatusOK)
}
