package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// load is pushes of clients that send the next as soon as the last one is
// answered.
type load struct {
	traffic traffic
	clients int
	pushes  int           // end after so many, if it is not 0
	time    time.Duration // end after so long, if it is not 0
	first   int           // number of the first push
	pace    float64       // pushes per second of all clients together, if it is not 0
}

// pushed is what a load measured.
type pushed struct {
	count    int
	rate     float64 // per second
	p50, p99 time.Duration
	cost     costs
	shares   shares

	perCommit float64 // pushes for each transaction that wrote something, if known
}

// costs is CPU time per push.
type costs struct{ gateways, database, clients time.Duration }

// system is the cost without that of the clients.
func (c costs) system() time.Duration { return c.gateways + c.database }

// shares is who used how much of all cores.
type shares struct{ gateways, database, clients, others, idle float64 }

// run puts the load on a system.
func (l load) run(ctx context.Context, s *system) (pushed, error) {
	before, err := s.usage()
	if err != nil {
		return pushed{}, err
	}
	began := time.Now()
	latencies, err := l.push(ctx, s.gateways)
	took := time.Since(began)
	if err != nil {
		return pushed{}, err
	}
	if len(latencies) == 0 {
		return pushed{}, fmt.Errorf("no push was answered in %v", took)
	}
	after, err := s.usage()
	if err != nil {
		return pushed{}, err
	}
	slices.Sort(latencies)
	used, n := after.since(before), time.Duration(len(latencies))
	return pushed{
		count: len(latencies),
		rate:  float64(n) / took.Seconds(),
		p50:   quantile(latencies, 0.5), p99: quantile(latencies, 0.99),
		cost:   costs{used.gateways / n, used.database / n, used.clients / n},
		shares: used.shares(),
	}, nil
}

func (u usage) shares() shares {
	share := func(d time.Duration) float64 { return float64(d) / float64(max(u.all, 1)) }
	return shares{
		gateways: share(u.gateways), database: share(u.database), clients: share(u.clients),
		others: share(max(0, u.all-u.idle-u.gateways-u.database-u.clients)), idle: share(u.idle),
	}
}

// warm runs the load for a while, or for as many pushes, without measuring.
func (l load) warm(ctx context.Context, s *system, duration time.Duration) error {
	l.time, l.first = duration, newValues()
	_, err := l.push(ctx, s.gateways)
	return err
}

// push returns how long each push took.
func (l load) push(ctx context.Context, gateways []*process) ([]time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now()
	var number atomic.Int64
	next := func(now time.Time) (int, bool) {
		n := int(number.Add(1)) - 1
		if l.pace > 0 {
			time.Sleep(time.Duration(float64(n)/l.pace*1e9) - now.Sub(began))
		}
		done := l.pushes > 0 && n >= l.pushes || l.time > 0 && now.Sub(began) > l.time
		return l.first + n, !done && ctx.Err() == nil
	}
	var wait sync.WaitGroup
	latencies := make([][]time.Duration, l.clients)
	for i := range l.clients {
		wait.Go(func() {
			var err error
			if latencies[i], err = pushAll(ctx, gateways[i%len(gateways)], l.traffic, next); err != nil {
				cancel(err)
			}
		})
	}
	wait.Wait()
	return slices.Concat(latencies...), context.Cause(ctx)
}

// pushAll is one client.
func pushAll(ctx context.Context, g *process, t traffic, next func(time.Time) (int, bool)) ([]time.Duration, error) {
	c, err := dial(ctx, g.address)
	if err != nil {
		return nil, err
	}
	defer c.close()
	latencies := make([]time.Duration, 0, 1000)
	for n, ok := next(time.Now()); ok; {
		began := time.Now()
		if err := c.push(t, n); err != nil {
			return nil, fmt.Errorf("push: %w", err)
		}
		ended := time.Now()
		latencies = append(latencies, ended.Sub(began))
		n, ok = next(ended)
	}
	return latencies, nil
}

// pushOnce pushes once to each of so many groups.
func pushOnce(ctx context.Context, gateways []*process, t traffic, groups, first int) error {
	_, err := load{traffic: t, clients: min(64, groups), pushes: groups, first: first}.push(ctx, gateways)
	return err
}

// quantile expects sorted values, at least one.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

var runs atomic.Int64

// newValues returns a number from which pushes have values that no push had
// before.
func newValues() int { return int(runs.Add(1)) * 12_345_677 }

// median takes the median of each figure by itself.
func median(rounds []pushed) pushed {
	if len(rounds) == 0 {
		return pushed{}
	}
	duration := func(value func(pushed) time.Duration) time.Duration { return middle(rounds, value) }
	number := func(value func(pushed) float64) float64 { return middle(rounds, value) }
	return pushed{
		count: middle(rounds, func(p pushed) int { return p.count }),
		rate:  number(func(p pushed) float64 { return p.rate }),
		p50:   duration(func(p pushed) time.Duration { return p.p50 }),
		p99:   duration(func(p pushed) time.Duration { return p.p99 }),
		cost: costs{
			gateways: duration(func(p pushed) time.Duration { return p.cost.gateways }),
			database: duration(func(p pushed) time.Duration { return p.cost.database }),
			clients:  duration(func(p pushed) time.Duration { return p.cost.clients }),
		},
		perCommit: number(func(p pushed) float64 { return p.perCommit }),
		shares: shares{
			gateways: number(func(p pushed) float64 { return p.shares.gateways }),
			database: number(func(p pushed) float64 { return p.shares.database }),
			clients:  number(func(p pushed) float64 { return p.shares.clients }),
			others:   number(func(p pushed) float64 { return p.shares.others }),
			idle:     number(func(p pushed) float64 { return p.shares.idle }),
		},
	}
}

// middle returns the median of what value returns for each; all is not empty.
func middle[T any, V cmp.Ordered](all []T, value func(T) V) V {
	values := make([]V, len(all))
	for i := range all {
		values[i] = value(all[i])
	}
	slices.Sort(values)
	return values[len(values)/2]
}
