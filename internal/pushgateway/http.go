package pushgateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"
)

// Limits of what is believed of a server.
const (
	maxAnswer  = 4 << 30 // bytes
	maxMessage = 1 << 30 // bytes of one family in a scrape
	maxReads   = 5       // of a Pushgateway that changes while it is read
)

// ReadURL reads the groups of the Pushgateway at a URL like
// http://pushgateway:9091, with its route prefix, if there is one.
//
// The API tells the groups; a scrape tells what the API leaves out: native
// histograms, exemplars and created timestamps. Both are read until no group has
// been pushed to in between. What still changes after some attempts, or cannot
// be scraped, is taken from the API alone, and an error if that is not enough.
func ReadURL(ctx context.Context, client *http.Client, base *url.URL) ([]Group, error) {
	s := server{client, base}
	before, err := s.groups(ctx)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		series, err := s.series(ctx)
		if err != nil {
			return nil, err
		}
		after, err := s.groups(ctx)
		if err != nil {
			return nil, err
		}
		groups, changed, err := combine(before, after, series)
		if err == nil && !changed || len(series) == 0 || attempt == maxReads {
			return groups, err
		}
		before = after
	}
}

// combine makes groups of what the API told before and after a scrape. It
// reports whether any group has changed meanwhile.
func combine(before, after map[string]apiGroup, scraped series) (groups []Group, changed bool, err error) {
	for key, g := range after {
		of := scraped
		if earlier, ok := before[key]; !ok || !g.equal(earlier) {
			changed, of = true, nil
		}
		group, err := g.group(of)
		if err != nil {
			return nil, changed, err
		}
		groups = append(groups, group)
	}
	sortGroups(groups)
	return groups, changed, nil
}

// server is a running Pushgateway.
type server struct {
	client *http.Client
	base   *url.URL
}

// get returns the body of an answer, which the caller closes.
func (s server) get(ctx context.Context, path, accept string) (io.ReadCloser, error) {
	u := s.base.JoinPath(path)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		line, _ := bufio.NewReader(io.LimitReader(resp.Body, 1024)).ReadString('\n')
		resp.Body.Close()
		return nil, &statusError{fmt.Sprintf("%s answers %s: %s", u.Redacted(), resp.Status, strings.TrimSpace(line))}
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}, nil
}

// statusError is an answer other than 200.
type statusError struct{ text string }

func (e *statusError) Error() string { return e.text }

// series are those of a scrape, by seriesKey.
type series map[string]*dto.Metric

const delimited = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

// series scrapes the server. It is nil for one whose scrapes fail, as they do
// when clashing groups were pushed without the consistency check.
func (s server) series(ctx context.Context) (series, error) {
	body, err := s.get(ctx, "metrics", delimited+"; escaping=allow-utf-8")
	var failed *statusError
	if errors.As(err, &failed) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	scraped := series{}
	reader := bufio.NewReader(body)
	for {
		family := &dto.MetricFamily{}
		err := protodelim.UnmarshalOptions{MaxSize: maxMessage}.UnmarshalFrom(reader, family)
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return scraped, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read a scrape of %s: %w", s.base.Redacted(), err)
		}
		for _, m := range family.GetMetric() {
			scraped[seriesKey(family.GetName(), labelMap(m))] = m
		}
	}
}

func labelMap(m *dto.Metric) map[string]string {
	labels := make(map[string]string, len(m.GetLabel()))
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	return labels
}
