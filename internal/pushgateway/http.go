package pushgateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"
)

// Limits of what is believed of a server.
const (
	maxAnswer  = 4 << 30 // bytes
	maxMessage = 1 << 30 // bytes of one family in a scrape
	maxReads   = 5       // of a Pushgateway that changes while it is read
	// patience is for how long it may send nothing while it is waited for.
	patience = 30 * time.Second
)

// ReadURL reads the groups of the Pushgateway at a URL like
// http://pushgateway:9091, with its route prefix, if there is one.
//
// The API tells the groups; a scrape tells what the API leaves out: native
// histograms, exemplars and created timestamps. Both are read until no group has
// been pushed to in between. What still changes after some attempts, or cannot
// be scraped, is taken from the API alone, of which warn is told, and an error if
// that is not enough.
func ReadURL(ctx context.Context, client *http.Client, base *url.URL, warn func(error)) ([]Group, error) {
	return server{client, base, patience, warn}.read(ctx)
}

// server is a running Pushgateway.
type server struct {
	client   *http.Client
	base     *url.URL
	patience time.Duration
	warn     func(error)
}

func (s server) read(ctx context.Context) ([]Group, error) {
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
		if err == nil && !changed || len(series) == 0 {
			return groups, err
		}
		if attempt == maxReads {
			if err == nil {
				s.warn(fmt.Errorf("%s is pushed to all the time: of some groups, %s", s.base.Redacted(), lost))
			}
			return groups, err
		}
		before = after
	}
}

// lost is what becomes of that which only a scrape tells.
const lost = "exemplars and created timestamps are lost"

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

// get returns an answer, which the caller closes.
func (s server) get(ctx context.Context, path, accept string) (*answer, error) {
	u := s.base.JoinPath(path)
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	req.Header.Set("Accept", accept)
	a := &answer{ctx: ctx, cancel: cancel, patience: s.patience}
	a.timer = time.AfterFunc(s.patience, func() { cancel(fmt.Errorf("it has sent nothing for %v", s.patience)) })
	resp, err := s.client.Do(req)
	a.timer.Stop()
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%s: %w", u.Redacted(), cause)
		}
		cancel(nil)
		return nil, err
	}
	a.mediaType, a.body, a.rest = resp.Header.Get("Content-Type"), resp.Body, io.LimitReader(resp.Body, maxAnswer)
	if resp.StatusCode != http.StatusOK {
		line, _ := bufio.NewReader(io.LimitReader(a, 1024)).ReadString('\n')
		a.Close()
		return nil, &statusError{resp.StatusCode, fmt.Sprintf("%s answers %s: %s", u.Redacted(), resp.Status, strings.TrimSpace(line))}
	}
	return a, nil
}

// answer is the body of an answer. A server that falls silent is an error.
type answer struct {
	ctx       context.Context // of the request
	cancel    context.CancelCauseFunc
	mediaType string
	body      io.Closer
	rest      io.Reader
	timer     *time.Timer // ends ctx
	patience  time.Duration
}

func (a *answer) Read(p []byte) (int, error) {
	a.timer.Reset(a.patience)
	n, err := a.rest.Read(p)
	a.timer.Stop()
	if cause := context.Cause(a.ctx); err != nil && err != io.EOF && cause != nil {
		err = cause
	}
	return n, err
}

func (a *answer) Close() error {
	a.cancel(nil)
	return a.body.Close()
}

// statusError is an answer other than 200.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string { return e.text }

// series are those of a scrape, by seriesKey.
type series map[string]*dto.Metric

const (
	protobuf  = "application/vnd.google.protobuf"
	delimited = protobuf + "; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)

// series scrapes the server. It is nil for one that exposes its metrics at
// another path, and for one whose scrapes fail, as they do when clashing groups
// were pushed without the consistency check.
func (s server) series(ctx context.Context) (series, error) {
	body, err := s.get(ctx, "metrics", delimited+"; escaping=allow-utf-8")
	var failed *statusError
	if errors.As(err, &failed) && (failed.code == http.StatusNotFound || failed.code == http.StatusInternalServerError) {
		s.warn(fmt.Errorf("%w: %s", failed, lost))
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if mediaType, _, _ := mime.ParseMediaType(body.mediaType); mediaType != protobuf {
		return nil, fmt.Errorf("%s answers with %q, not with metrics as protobuf", s.base.JoinPath("metrics").Redacted(), body.mediaType)
	}
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
