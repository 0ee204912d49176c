package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// serveVariable makes this program a server of the file that it names, and of
// nothing else: the limit for a scrape whose bytes are ready.
const serveVariable = "BENCH_SERVE_FILE"

// listenFlag is what [start] tells a process to listen on.
const listenFlag = "--web.listen-address="

// serveReady answers all requests with the bytes of a file.
func serveReady(path string, args []string) error {
	ready, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if len(args) != 1 {
		return fmt.Errorf("%s is set: unset it", serveVariable)
	}
	l, err := net.Listen("tcp", strings.TrimPrefix(args[0], listenFlag))
	if err != nil {
		return err
	}
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			return // it is ready
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Write(ready)
	}))
}

// startReady starts a process that serves what the gateway answers.
func (b *bench) startReady(ctx context.Context, g *process, groups int) (*process, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", text.accept)
	request.Header.Set("Accept-Encoding", text.encoding)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	path := filepath.Join(b.ours.dir, fmt.Sprintf("ready-%d", groups))
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if _, err := io.Copy(file, response.Body); err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(ctx, []string{serveVariable + "=" + path}, program)
}

// scrapeReady compares scrapes, after which nothing has changed, with what a
// process of its own needs that has nothing to do but write the same bytes.
func (b *bench) scrapeReady(ctx context.Context, replica *process, c *client, t *table, groups int) error {
	ready, err := b.startReady(ctx, replica, groups)
	if err != nil {
		return err
	}
	defer ready.kill()
	other, err := dial(ctx, ready.address)
	if err != nil {
		return err
	}
	defer other.close()
	var limits, ours []scraped
	for range 10 * b.plan.rounds {
		limit, err := measureScrape(ready, other, text)
		if err != nil {
			return err
		}
		result, err := measureScrape(replica, c, text)
		if err != nil {
			return err
		}
		if result.bytes != limit.bytes {
			return fmt.Errorf("a scrape has %d bytes after which nothing has changed, and had %d", result.bytes, limit.bytes)
		}
		limits, ours = append(limits, limit), append(ours, result)
	}
	limit, m := medianScrape(limits).latency, medianScrape(ours).latency
	t.add(thousands(groups), text.name, millis(limit), millis(m), ratio(float64(m), float64(limit)))
	b.atMost(1.3, float64(m), float64(limit), fmt.Sprintf("time of a text scrape of %s groups, and of writing the same bytes", thousands(groups)),
		millis(m)+" ms", millis(limit)+" ms")
	return nil
}
