package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// requestTimeout ends a run that is stuck.
const requestTimeout = 2 * time.Minute

// client sends requests over one connection that it keeps. It does little
// itself, as it shares the cores with what it measures.
type client struct {
	conn    net.Conn
	in      *bufio.Reader
	out     []byte
	timeout time.Time // when a request that is sent now may have failed
}

// dial connects. The first request has to follow soon: gateways do not wait long
// for it, but do for the next ones.
func dial(ctx context.Context, address string) (*client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}, nil
}

func (c *client) close() { c.conn.Close() }

// push sends the request of the traffic that has the number.
func (c *client) push(t traffic, n int) error {
	c.out = t(c.out[:0], n)
	if err := c.send(); err != nil {
		return err
	}
	return c.readAnswer()
}

// send sends what is in out.
func (c *client) send() error {
	// A deadline is a timer of the runtime's, so it is not moved for each push.
	if now := time.Now(); c.timeout.Sub(now) < requestTimeout/2 {
		c.timeout = now.Add(requestTimeout)
		if err := c.conn.SetDeadline(c.timeout); err != nil {
			return err
		}
	}
	_, err := c.conn.Write(c.out)
	return err
}

// readAnswer reads the answer to a push, without what [http.ReadResponse]
// allocates.
func (c *client) readAnswer() error {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	status := string(bytes.TrimSpace(line[min(len(line), len("HTTP/1.1 ")):]))
	size := -1
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return err
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found {
			break
		}
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if size, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if size < 0 {
		return errors.New("an answer to a push without a length")
	}
	if status != "" && status[0] == '2' {
		_, err = c.in.Discard(size)
		return err
	}
	text, err := io.ReadAll(io.LimitReader(c.in, int64(size)))
	return errors.Join(fmt.Errorf("answer %s: %s", status, bytes.TrimSpace(text)), err)
}

// scrape returns the size of the answer's body as it was sent.
func (c *client) scrape(e encoding) (int64, error) {
	response, err := c.startScrape(e)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	return io.CopyBuffer(nowhere{}, response.Body, make([]byte, 256<<10))
}

// standardSize returns how large Pushgateway would send what the gateway answers:
// it compresses with compress/gzip. What it holds itself was pushed at another
// time, and other values are longer or shorter.
func (c *client) standardSize(e encoding) (int64, error) {
	response, err := c.startScrape(e)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if e.encoding != "gzip" {
		return io.Copy(io.Discard, response.Body)
	}
	exposition, err := gzip.NewReader(response.Body)
	if err != nil {
		return 0, err
	}
	var size counter
	w := gzip.NewWriter(&size)
	if _, err := io.Copy(w, exposition); err != nil {
		return 0, err
	}
	err = w.Close()
	return int64(size), err
}

// counter counts what is written to it.
type counter int64

func (n *counter) Write(p []byte) (int, error) {
	*n += counter(len(p))
	return len(p), nil
}

// startScrape returns the answer as soon as it begins.
func (c *client) startScrape(e encoding) (*http.Response, error) {
	c.out = fmt.Appendf(c.out[:0], "GET /metrics HTTP/1.1\r\nHost: bench\r\nAccept: %s\r\nAccept-Encoding: %s\r\n\r\n", e.accept, e.encoding)
	if err := c.send(); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		response.Body.Close()
		return nil, fmt.Errorf("scrape: answer %s: %s", response.Status, text)
	}
	return response, nil
}

// nowhere is io.Discard, but takes pieces of any size.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// encoding is how a scraper wants its answer.
type encoding struct{ name, accept, encoding string }

const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

var (
	text         = encoding{"text", "text/plain;version=0.0.4", "identity"}
	textGzip     = encoding{"text, gzip", "text/plain;version=0.0.4", "gzip"}
	protobufGzip = encoding{"protobuf, gzip", protobuf, "gzip"}
)
