package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// encoding is how a scraper wants its answer.
type encoding struct{ name, accept, encoding string }

const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

var encodings = []encoding{
	{"text", "text/plain;version=0.0.4", "identity"},
	{"text, gzip", "text/plain;version=0.0.4", "gzip"},
	{"protobuf, gzip", protobuf, "gzip"},
}

// scraped is what scrapes measured.
type scraped struct {
	latency time.Duration // median
	cpu     time.Duration // mean, of gateways and database
	bytes   int64         // of the last answer's body as it was sent
}

// scraper scrapes the first gateway of a system.
type scraper struct {
	system    *system
	client    *client
	encoding  encoding
	latencies []time.Duration
	cpu       time.Duration
	bytes     int64
}

// scrapeAll scrapes several times, each time after so many groups of all have
// changed.
func scrapeAll(ctx context.Context, s *system, e encoding, times, groups, changed int) (scraped, error) {
	c, err := dial(ctx, s.gateways[0].address)
	if err != nil {
		return scraped{}, err
	}
	defer c.close()
	r := scraper{system: s, client: c, encoding: e}
	if changed == 0 {
		err = r.scrape(times) // together, as CPU times are counted in coarse steps
	}
	for i := 0; i < times && changed > 0 && err == nil; i++ {
		l := load{clients: 64, groups: groups, pushes: changed, first: newValues()}
		if _, err = l.push(ctx, s.gateways); err == nil {
			err = r.scrape(1)
		}
	}
	if err != nil {
		return scraped{}, err
	}
	slices.Sort(r.latencies)
	return scraped{quantile(r.latencies, 0.5), r.cpu / time.Duration(times), r.bytes}, nil
}

func (r *scraper) scrape(times int) error {
	before, err := r.system.totalCPU()
	if err != nil {
		return err
	}
	for range times {
		began := time.Now()
		if r.bytes, err = r.client.scrape(r.encoding.accept, r.encoding.encoding); err != nil {
			return fmt.Errorf("scrape: %w", err)
		}
		r.latencies = append(r.latencies, time.Since(began))
	}
	after, err := r.system.totalCPU()
	r.cpu += after - before
	return err
}

func (s *system) totalCPU() (time.Duration, error) {
	gateways, database, err := s.cpu()
	return gateways + database, err
}
