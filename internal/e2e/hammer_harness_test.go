package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	prom "github.com/prometheus/common/model"

	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// hammer is traffic on replicas from many clients at once. It remembers every
// answer, and checks every scrape while it goes on.
type hammer struct {
	t        *testing.T
	database string
	// lossy says that requests may fail, because processes are killed.
	lossy bool
	// unchecked says that some replicas store pushes without a check, and
	// answer them with 202.
	unchecked bool
	// wipes is how many of 1000 random requests are wipes.
	wipes  int
	began  time.Time
	client *http.Client
	owns   []*own

	acknowledged atomic.Int64
	stop         context.CancelFunc
	ctx          context.Context
	clients      sync.WaitGroup
	scrapers     sync.WaitGroup

	mu       sync.Mutex
	replicas []*replica
	replies  map[string]reply // by User-Agent, which is in the history, too
	wiped    []*span
}

// reply is what a request got.
type reply struct {
	request model.Request
	code    int // 0 if there was no answer
	body    string
}

func newHammer(t *testing.T, database string, replicas []*replica) *hammer {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 50}
	t.Cleanup(transport.CloseIdleConnections)
	h := &hammer{
		t: t, database: database, replicas: replicas, began: time.Now(),
		client: &http.Client{Transport: transport}, replies: map[string]reply{},
	}
	h.ctx, h.stop = context.WithCancel(t.Context())
	return h
}

// start begins the traffic: each of the workers sends so many random requests
// and as many to a series of its own (with rounds 0: until finish), and there
// is a scraper for each replica.
func (h *hammer) start(workers, rounds int) {
	h.owns = make([]*own, workers)
	for w := range workers {
		h.owns[w] = newOwn()
		h.clients.Go(func() {
			traffic := model.NewTraffic(uint64(w))
			for i := 0; (rounds == 0 || i < rounds) && h.ctx.Err() == nil; i++ {
				h.random(traffic, fmt.Sprintf("random/%d/%d", w, i))
				h.writeOwn(traffic, w)
			}
		})
	}
	for i := range h.replicas {
		h.scrapers.Go(func() { h.scrapeLoop(i) })
	}
}

// wait returns when all rounds are over.
func (h *hammer) wait() {
	h.clients.Wait()
	h.finish()
}

// finish ends the traffic.
func (h *hammer) finish() {
	h.stop()
	h.clients.Wait()
	h.scrapers.Wait()
}

// fail ends the traffic with an error.
func (h *hammer) fail(format string, args ...any) {
	h.t.Helper()
	if h.ctx.Err() == nil {
		h.stop()
		h.t.Errorf(format, args...)
	}
}

// progress waits until so many more requests have been acknowledged.
func (h *hammer) progress(n int64) {
	h.t.Helper()
	target := h.acknowledged.Load() + n
	eventually(h.t, func() error {
		if now := h.acknowledged.Load(); now < target && h.ctx.Err() == nil {
			return fmt.Errorf("%d requests are acknowledged and no more, want %d", now, target)
		}
		return nil
	})
}

// replica returns the i-th replica of now.
func (h *hammer) replica(i int) *replica {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.replicas[i%len(h.replicas)]
}

// replace puts another process in the place of the i-th replica.
func (h *hammer) replace(i int, r *replica) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.replicas[i] = r
}

// pause keeps clients of something that is down from taking the processor.
func (h *hammer) pause() {
	select {
	case <-h.ctx.Done():
	case <-time.After(20 * time.Millisecond):
	}
}

func (h *hammer) now() time.Duration { return time.Since(h.began) }

// random sends a random request.
func (h *hammer) random(traffic model.Traffic, id string) {
	request := traffic.Next()
	wipe := traffic.IntN(1000) < h.wipes
	var s *span
	if wipe {
		request = model.Request{Method: repository.Wipe}
		s = &span{h.now(), never}
		h.mu.Lock()
		h.wiped = append(h.wiped, s)
		h.mu.Unlock()
	}
	ok := h.send(traffic, id, request)
	if wipe && ok {
		h.mu.Lock()
		s.end = h.now()
		h.mu.Unlock()
	}
}

// writeOwn pushes the next value of the worker's own series, or sometimes
// deletes it.
func (h *hammer) writeOwn(traffic model.Traffic, w int) {
	o := h.owns[w]
	request := model.Request{Method: model.Pick(traffic, repository.Put, repository.Post), Path: ownPath(w)}
	if traffic.IntN(8) == 0 {
		request.Method = repository.Delete
		request.Recursive = traffic.IntN(2) == 0
	} else {
		request.Body = fmt.Sprintf("own_value %d\n", o.next())
	}
	value := o.begin(h.now(), request.Method == repository.Delete)
	ok := h.send(traffic, fmt.Sprintf("own/%d/%d", w, value), request)
	o.end(value, h.now(), ok)
}

func ownPath(w int) string {
	path := fmt.Sprintf("job/own%d", w)
	if w%3 == 0 {
		path += "/x/1"
	}
	return path
}

// send sends the request to any replica, remembers the reply, and reports
// whether it was acknowledged.
func (h *hammer) send(traffic model.Traffic, id string, request model.Request) bool {
	r := h.replica(traffic.IntN(1 << 16))
	req, err := httpRequest(h.t.Context(), r.url, request, traffic.IntN(3) == 0)
	if err != nil {
		h.fail("%v", err)
		return false
	}
	req.Header.Set("User-Agent", id)
	resp, err := h.client.Do(req)
	answer := reply{request: request}
	if err == nil {
		var body []byte
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		answer.code, answer.body = resp.StatusCode, string(body)
	}
	h.mu.Lock()
	h.replies[id] = answer
	h.mu.Unlock()
	want := map[repository.Method]int{
		repository.Put: http.StatusOK, repository.Post: http.StatusOK,
		repository.Delete: http.StatusAccepted, repository.Wipe: http.StatusAccepted,
	}[request.Method]
	isPush := request.Method == repository.Put || request.Method == repository.Post
	random := strings.HasPrefix(id, "random")
	if h.unchecked && answer.code == http.StatusAccepted {
		want = answer.code
	}
	switch {
	case h.lossy && (err != nil || answer.code == http.StatusServiceUnavailable):
		h.pause()
		return false
	case err != nil:
		h.fail("%s: %v", request, err)
		return false
	case answer.code != want && !(random && isPush && answer.code == http.StatusBadRequest):
		h.fail("%s: %d %s", request, answer.code, answer.body)
		return false
	}
	h.acknowledged.Add(1)
	return true
}

// httpRequest makes a request of HTTP, with the body as text or protobuf.
func httpRequest(ctx context.Context, url string, request model.Request, protobuf bool) (*http.Request, error) {
	method, url := string(request.Method), url+"/metrics/"+request.Path
	if request.Method == repository.Wipe {
		method, url = http.MethodPut, strings.TrimSuffix(url, "/metrics/")+"/api/v1/admin/wipe"
	}
	if request.Recursive {
		url += "?recursive=true"
	}
	body := []byte(request.Body)
	if protobuf {
		var err error
		if body, err = toProtobuf(request.Body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err == nil && protobuf {
		req.Header.Set("Content-Type", string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
	}
	return req, err
}

func toProtobuf(text string) ([]byte, error) {
	parser := expfmt.NewTextParser(prom.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	encoder := expfmt.NewEncoder(&b, expfmt.NewFormat(expfmt.TypeProtoDelim))
	for _, f := range families {
		if err := encoder.Encode(f); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}
