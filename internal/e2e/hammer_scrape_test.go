package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// format is how a scraper wants the exposition.
type format int

const (
	asText format = iota
	asGzip
	asProtobuf
)

var formats = []format{asText, asGzip, asProtobuf}

func (f format) String() string { return []string{"text", "gzip", "protobuf"}[f] }

// get scrapes, and returns the exposition uncompressed.
func (f format) get(ctx context.Context, client *http.Client, url string) (code int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Accept-Encoding", "identity")
	switch f {
	case asGzip:
		req.Header.Set("Accept-Encoding", "gzip")
	case asProtobuf:
		req.Header.Set("Accept", string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	reader := io.Reader(resp.Body)
	if f == asGzip && resp.StatusCode == http.StatusOK {
		if reader, err = gzip.NewReader(resp.Body); err != nil {
			return 0, nil, err
		}
	}
	body, err = io.ReadAll(reader)
	return resp.StatusCode, body, err
}

// scrapeLoop scrapes the i-th replica until the traffic ends, and checks what
// every scrape shows of all own series.
func (h *hammer) scrapeLoop(i int) {
	for n := 0; h.ctx.Err() == nil; n++ {
		r, f := h.replica(i), formats[n%len(formats)]
		scrape := span{start: h.now()}
		code, body, err := f.get(h.t.Context(), h.client, r.url)
		scrape.end = h.now()
		if h.lossy && (err != nil || code == http.StatusServiceUnavailable) {
			h.pause()
			continue
		}
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("%d %s", code, body)
		}
		if err == nil {
			err = h.checkOwns(f, scrape, body)
		}
		if err != nil {
			h.fail("scrape of %s as %s: %v", r.url, f, err)
		}
	}
}

func (h *hammer) checkOwns(f format, scrape span, body []byte) error {
	read := ownsInText
	if f == asProtobuf {
		read = ownsInProtobuf
	}
	shown, err := read(body)
	if err != nil {
		return err
	}
	h.mu.Lock()
	wipes := make([]span, len(h.wiped))
	for i, w := range h.wiped {
		wipes[i] = *w
	}
	h.mu.Unlock()
	for w, o := range h.owns {
		if err := o.check(scrape, shown[w], wipes); err != nil {
			return fmt.Errorf("series of worker %d: %w", w, err)
		}
	}
	return nil
}

var ownLine = regexp.MustCompile(`(?m)^own_value\{instance="",job="own(\d+)"(?:,x="1")?\} (\S+)$`)

// ownsInText returns the values of own series by worker.
func ownsInText(body []byte) (map[int]int, error) {
	shown := map[int]int{}
	for _, m := range ownLine.FindAllSubmatch(body, -1) {
		if err := addOwn(shown, string(m[1]), string(m[2])); err != nil {
			return nil, err
		}
	}
	return shown, nil
}

func addOwn(shown map[int]int, worker, value string) error {
	w, err := strconv.Atoi(worker)
	if err != nil {
		return err
	}
	v, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return err
	}
	if _, ok := shown[w]; ok {
		return fmt.Errorf("the series of worker %d is there twice", w)
	}
	shown[w] = int(v)
	return nil
}

func ownsInProtobuf(body []byte) (map[int]int, error) {
	families, err := decodeProtobuf(body)
	shown := map[int]int{}
	for _, f := range families {
		if f.GetName() != "own_value" {
			continue
		}
		for _, m := range f.GetMetric() {
			worker := ""
			for _, l := range m.GetLabel() {
				if l.GetName() == "job" {
					worker = l.GetValue()[len("own"):]
				}
			}
			if err := addOwn(shown, worker, fmt.Sprint(m.GetUntyped().GetValue())); err != nil {
				return nil, err
			}
		}
	}
	return shown, err
}

// decodeProtobuf returns the families of a delimited exposition.
func decodeProtobuf(body []byte) ([]*dto.MetricFamily, error) {
	decoder := expfmt.NewDecoder(bytes.NewReader(body), expfmt.NewFormat(expfmt.TypeProtoDelim))
	var families []*dto.MetricFamily
	for {
		var f dto.MetricFamily
		switch err := decoder.Decode(&f); {
		case errors.Is(err, io.EOF):
			return families, nil
		case err != nil:
			return nil, err
		}
		families = append(families, &f)
	}
}
