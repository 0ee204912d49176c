package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// requestTimeout ends a run that is stuck.
const requestTimeout = 2 * time.Minute

// client sends requests over one connection that it keeps. It does little
// itself, as it shares the cores with what it measures.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
}

func dial(ctx context.Context, address string) (*client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}, nil
}

func (c *client) close() { c.conn.Close() }

// push replaces a group by the body.
func (c *client) push(group int, body []byte) error {
	c.out = fmt.Appendf(c.out[:0], "PUT %s HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n", groupPath(group), len(body))
	c.out = append(c.out, body...)
	_, err := c.roundTrip()
	return err
}

// scrape returns the size of the answer's body as it was sent.
func (c *client) scrape(accept, encoding string) (int64, error) {
	c.out = fmt.Appendf(c.out[:0], "GET /metrics HTTP/1.1\r\nHost: bench\r\nAccept: %s\r\nAccept-Encoding: %s\r\n\r\n", accept, encoding)
	return c.roundTrip()
}

func (c *client) roundTrip() (int64, error) {
	if err := c.conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return 0, err
	}
	if _, err := c.conn.Write(c.out); err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		return 0, fmt.Errorf("answer %s: %s", response.Status, text)
	}
	return io.Copy(io.Discard, response.Body)
}

func groupPath(group int) string {
	return fmt.Sprintf("/metrics/job/bench/instance/host-%05d", group)
}
