package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// healthcheckConfig is what the command line of healthcheck asks for.
type healthcheckConfig struct {
	url      *url.URL
	timeout  time.Duration
	insecure bool
}

// healthcheck asks a running gateway whether it is ready. It is for containers,
// which may hold no other program that could ask. What is wrong is its error.
func healthcheck(ctx context.Context, args []string, stdout, _ io.Writer) error {
	c := &healthcheckConfig{}
	app := newApplication("healthcheck", "Ask a running gateway whether it is ready to serve. The exit code is 0 if it is.")
	app.Flag("timeout", "How long to wait for the answer.").
		Default("4s").DurationVar(&c.timeout)
	app.Flag("insecure", "Accept any certificate, such as one for another name than the address asked.").
		BoolVar(&c.insecure)
	app.Arg("url", "What to ask. It may hold a user and a password.").
		Default("http://127.0.0.1:9091/-/ready").URLVar(&c.url)
	if err := parse(app, args, stdout); err != nil {
		return err
	}
	return c.ask(ctx)
}

// ask returns an error unless the gateway answers 200 in time.
func (c *healthcheckConfig) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url.String(), nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: c.insecure}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err // names the URL, without its password
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		line, _ := bufio.NewReader(io.LimitReader(resp.Body, 1024)).ReadString('\n')
		return fmt.Errorf("%s answers %s: %s", c.url.Redacted(), resp.Status, strings.TrimSpace(line))
	}
	return nil
}
