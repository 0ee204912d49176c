package main

import (
	"context"
	"fmt"
	"time"
)

// started is how long a gateway took from its start.
type started struct{ ready, scraped, protobuf time.Duration }

var starting = []int{unchecked, onSQLite, oneReplica}

// startSection measures how soon a new replica is of use, and shows Pushgateway
// with its file beside it.
func (b *bench) startSection(ctx context.Context) error {
	groups := b.plan.started
	all := map[int][]started{}
	for round := range b.plan.rounds {
		for _, which := range starting {
			if which == unchecked && round > 0 {
				continue // slow, and nothing is judged by it
			}
			r, err := b.startOne(ctx, which, groups)
			if err != nil {
				return err
			}
			progress("%s: ready after %v", names[which], r.ready.Round(time.Millisecond))
			all[which] = append(all[which], r)
		}
	}
	t := table{{"start with " + thousands(groups) + " groups", "ready after s", "first scrape answered after s", "then the first protobuf scrape takes s"}}
	for _, which := range starting {
		t.add(names[which],
			seconds(middle(all[which], func(r started) time.Duration { return r.ready })),
			seconds(middle(all[which], func(r started) time.Duration { return r.scraped })),
			seconds(middle(all[which], func(r started) time.Duration { return r.protobuf })))
	}
	t.print()
	ready := middle(all[oneReplica], func(r started) time.Duration { return r.ready })
	scraped := middle(all[oneReplica], func(r started) time.Duration { return r.scraped })
	what := fmt.Sprintf("a new replica on %s groups: ", thousands(groups))
	b.atMost(1, ready.Seconds(), 3, what+"ready", seconds(ready)+" s", "3 s")
	b.atMost(1, scraped.Seconds(), 3, what+"first scrape answered", seconds(scraped)+" s", "3 s")
	return nil
}

func (b *bench) startOne(ctx context.Context, which, groups int) (started, error) {
	s, err := b.startNew(ctx, which, groups)
	if err != nil {
		return started{}, err
	}
	defer s.release()
	r := started{ready: s.gateways[0].readied}
	began := time.Now()
	if _, err := scrapeOnce(ctx, s.gateways[0], textGzip); err != nil {
		return started{}, err
	}
	r.scraped = r.ready + time.Since(began)
	began = time.Now()
	_, err = scrapeOnce(ctx, s.gateways[0], protobufGzip)
	r.protobuf = time.Since(began)
	return r, err
}
