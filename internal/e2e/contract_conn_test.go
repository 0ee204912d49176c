package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"syscall"
	"testing"
)

const terminate = syscall.SIGTERM

var errStillReady = errors.New("the replica still takes requests")

// slowPush is a push whose body has not been sent yet.
type slowPush struct {
	conn net.Conn
	in   *textproto.Reader
}

// beginPush sends the headers of a PUT, and returns when the gateway asks for
// the body.
func beginPush(t *testing.T, url, path string, size int) *slowPush {
	t.Helper()
	address := strings.TrimPrefix(url, "http://")
	conn, err := net.Dial("tcp", address)
	check(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", path, address, size)
	check(t, err)
	p := &slowPush{conn, textproto.NewReader(bufio.NewReader(conn))}
	if line := p.line(t); line != "HTTP/1.1 100 Continue" {
		t.Fatalf("the gateway says %q", line)
	}
	p.line(t)
	return p
}

// finish sends the body and returns the status line of the answer.
func (p *slowPush) finish(t *testing.T, body string) string {
	t.Helper()
	_, err := p.conn.Write([]byte(body))
	check(t, err)
	return p.line(t)
}

func (p *slowPush) line(t *testing.T) string {
	t.Helper()
	line, err := p.in.ReadLine()
	check(t, err)
	return line
}
