package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

const (
	lastPage      = 1000 // the farthest that is measured
	lastPages     = 11   // how many pages up to that
	pageRequests  = 55   // for each figure
	pageTimeLimit = 50 * time.Millisecond
)

// queryPaths are the queries that are measured.
func queryPaths(now time.Time) []string {
	day := func(n int) string { return now.AddDate(0, 0, -n).UTC().Format(time.RFC3339) }
	with := func(path string, pairs ...string) string {
		values := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			values.Add(pairs[i], pairs[i+1])
		}
		return "/api/v1/" + path + "?" + values.Encode()
	}
	return []string{
		with("history", "limit", "100"),
		with("history", "limit", "100", "job", "job-0000"),
		with("history", "limit", "100", "job", "job-0123"),
		with("history", "limit", "100", "since", day(16), "until", day(14)),
		with("history", "limit", "100", "job", "job-0000", "since", day(16), "until", day(14)),
		with("history", "limit", "100", "match[]", `{instance="host-0042"}`),
		with("history", "limit", "100", "match[]", `{job="job-0000",instance="host-0042"}`),
		with("history", "limit", "100", "method", "POST"),
		with("history", "limit", "100", "method", "DELETE"),
		with("history", "limit", "100", "outcome", "rejected"),
		with("groups", "limit", "100"),
		with("groups", "limit", "100", "sort", "-pushed_at"),
		with("groups", "limit", "100", "q", "host-0042"),
		with("groups", "limit", "100", "q", "nowhere"),
		with("groups", "limit", "100", "match[]", `{instance="host-0042"}`),
		with("groups", "limit", "100", "match[]", `batch_queue_length`),
		with("jobs", "limit", "100"),
		with("runs/series", "metric", "batch_duration_seconds", "job", "job-0000", "limit", "100"),
		with("runs/series", "metric", "batch_duration_seconds", "job", "job-0123"),
		with("runs/series", "metric", "batch_duration_seconds", "match[]", `{instance="host-0042"}`),
	}
}

// queries measures the first and the last pages of queries.
func (b *bench) queries(ctx context.Context, database string) error {
	s, err := b.ours.startAsIs(ctx, database, 1)
	if err != nil {
		return err
	}
	defer s.release()
	t := table{{"query", "rows of a page", "first page: p50 ms", "p95 ms", "page", "rows of a page", "p50 ms", "p95 ms"}}
	var slowest time.Duration
	for _, path := range queryPaths(time.Now()) {
		name, err := url.QueryUnescape(path)
		if err != nil {
			return err
		}
		progress("%s", name)
		first, last, err := browse(ctx, "http://"+s.gateways[0].address+path)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		t.add("`"+name+"`", fmt.Sprint(first.rows), millis(first.p50), millis(first.p95), thousands(last.number), fmt.Sprint(last.rows), millis(last.p50), millis(last.p95))
		for _, p := range []pages{first, last} {
			b.atMost(1, float64(p.p95), float64(pageTimeLimit), fmt.Sprintf("p95 of page %s of `%s`", thousands(p.number), name), millis(p.p95)+" ms", millis(pageTimeLimit)+" ms")
		}
		slowest = max(slowest, first.p95, last.p95)
	}
	t.print()
	fmt.Printf("\nThe slowest p95 is %s ms.\n", millis(slowest))
	return nil
}

// pages is what one page, or some that follow each other, measured.
type pages struct {
	number   int // of the last
	rows     int // the median
	p50, p95 time.Duration
}

// browse measures the first page, follows the cursors, and measures the last
// pages that it gets to.
func browse(ctx context.Context, address string) (first, last pages, err error) {
	if first, err = measurePages(ctx, []string{address}); err != nil {
		return first, last, err
	}
	first.number = 1
	places := []string{address}
	number := 1
	for ; number < lastPage; number++ {
		answer, _, err := getPage(ctx, places[len(places)-1])
		if err != nil {
			return first, last, err
		}
		if answer.NextCursor == "" {
			break
		}
		places = append(places, address+"&cursor="+url.QueryEscape(answer.NextCursor))
		places = places[max(0, len(places)-lastPages):]
	}
	last, err = measurePages(ctx, places)
	last.number = number
	return first, last, err
}

func measurePages(ctx context.Context, addresses []string) (pages, error) {
	var times []time.Duration
	var rows []int
	for len(times) < pageRequests {
		for _, address := range addresses {
			answer, took, err := getPage(ctx, address)
			if err != nil {
				return pages{}, err
			}
			times, rows = append(times, took), append(rows, len(answer.Data))
		}
	}
	slices.Sort(times)
	return pages{rows: middle(rows, func(n int) int { return n }), p50: quantile(times, 0.5), p95: quantile(times, 0.95)}, nil
}

// page is an answer, as far as it matters here.
type page struct {
	Data       []json.RawMessage `json:"data"`
	NextCursor string            `json:"next_cursor"`
}

// getPage returns an answer and how long it took until all of it was there.
func getPage(ctx context.Context, address string) (p page, took time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return p, 0, err
	}
	began := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return p, 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	took = time.Since(began)
	if err != nil {
		return p, took, err
	}
	if response.StatusCode != http.StatusOK {
		return p, took, fmt.Errorf("answer %s: %s", response.Status, body)
	}
	return p, took, json.Unmarshal(body, &p)
}
