package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// trustNginx is the flag of gateways behind a proxy of startProxy.
const trustNginx = "--web.trusted-proxies=127.0.0.1/32"

// behindNginx are the flags of gateways behind a proxy that is under load. They
// are as patient as a proxy's timeouts allow.
var behindNginx = []string{trustNginx, "--push.timeout=12s", "--scrape.timeout=12s", "--shutdown.delay=5s", "--web.enable-admin-api"}

// proxy is a running nginx with the configuration that is shipped.
type proxy struct {
	t   testing.TB
	url string // http://127.0.0.1:port
	dir string // of its configuration
	cmd *exec.Cmd
	log *syncBuffer
}

// startProxy starts nginx in front of the replicas, waits until it answers, and
// ends it at the end of the test.
func startProxy(t testing.TB, replicas ...*replica) *proxy {
	t.Helper()
	return startProxyTo(t, urlsOf(replicas)...)
}

// urlsOf returns the addresses of the replicas.
func urlsOf(replicas []*replica) []string {
	urls := make([]string, len(replicas))
	for i, r := range replicas {
		urls[i] = r.url
	}
	return urls
}

// startProxyTo is startProxy for URLs like http://127.0.0.1:port.
func startProxyTo(t testing.TB, urls ...string) *proxy {
	t.Helper()
	p := &proxy{t: t, dir: t.TempDir(), log: &syncBuffer{}}
	p.configure()
	p.balance(urls...)
	p.start()
	return p
}

// configure copies what is shipped. Only the main file is changed: the address
// that it listens on, and the place for its files.
func (p *proxy) configure() {
	p.t.Helper()
	address := freeAddress(p.t)
	p.url = "http://" + address
	main := p.shipped("nginx.conf")
	main = p.replace(main, "listen 9091;", "listen "+address+";")
	main = p.replace(main, " /tmp/", " "+p.dir+"/")
	p.write("nginx.conf", main)
	p.write("gateway.conf", p.shipped("gateway.conf"))
}

// balance makes these the replicas that the next reload finds. They get the
// parameters of the one that is shipped.
func (p *proxy) balance(urls ...string) {
	p.t.Helper()
	shipped := p.shipped("upstream.conf")
	server := regexp.MustCompile(`(?m)^.*server gateway:9091.*\n`).FindString(shipped)
	var servers strings.Builder
	for _, url := range urls {
		servers.WriteString(p.replace(server, "gateway:9091", strings.TrimPrefix(url, "http://")))
	}
	p.write("upstream.conf", p.replace(shipped, server, servers.String()))
}

func (p *proxy) shipped(name string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deploy/nginx", name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

func (p *proxy) replace(text, old, with string) string {
	p.t.Helper()
	if old == "" || !strings.Contains(text, old) {
		p.t.Fatalf("the configuration that is shipped does not have %q", old)
	}
	return strings.ReplaceAll(text, old, with)
}

func (p *proxy) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// command returns nginx with these arguments, as its user would call it.
func (p *proxy) command(args ...string) *exec.Cmd {
	p.t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // where Debian has it, which is not in everybody's path
	}
	global := "daemon off;"
	if os.Geteuid() == 0 {
		global += " user root;" // the test's folder is nobody else's
	}
	cmd := exec.Command(program, append([]string{"-e", "stderr", "-c", filepath.Join(p.dir, "nginx.conf"), "-g", global}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // by which it ends its own processes
	return cmd
}

func (p *proxy) start() {
	p.t.Helper()
	p.cmd = p.command()
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("%v: install nginx (Debian: apt-get install nginx-light)", err)
	}
	done := make(chan struct{})
	go func() {
		p.cmd.Wait()
		close(done)
	}()
	p.t.Cleanup(func() {
		p.stop(done)
		if p.t.Failed() {
			p.t.Logf("log of nginx:\n%s", p.log.String())
		}
	})
	eventually(p.t, func() error {
		select {
		case <-done:
			p.t.Fatalf("nginx ended at once:\n%s", p.log.String())
		default:
		}
		resp, err := http.Get(p.url + "/-/healthy")
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
}

// stop ends nginx: politely, and if that takes too long at once.
func (p *proxy) stop(done <-chan struct{}) {
	p.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		p.cmd.Process.Signal(syscall.SIGTERM)
		<-done
	}
}

// reload makes nginx read its configuration again, and waits until only
// processes that have read it take connections.
func (p *proxy) reload() {
	p.t.Helper()
	started := strings.Count(p.log.String(), "start worker process ")
	if out, err := p.command("-s", "reload").CombinedOutput(); err != nil {
		p.t.Fatalf("nginx -s reload: %v\n%s", err, out)
	}
	eventually(p.t, func() error {
		log := p.log.String()
		if left := strings.Count(log, "gracefully shutting down"); left < started {
			return fmt.Errorf("%d of %d old processes of nginx have stopped to take connections:\n%s", left, started, log)
		}
		return nil
	})
}

// syncBuffer collects what a process writes.
type syncBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String returns what was written so far.
func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// freeAddress returns an address that nothing listens on, and that the kernel
// gives to nobody who asks for any.
func freeAddress(t testing.TB) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
}
