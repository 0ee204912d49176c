package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// load is pushes of clients that send the next as soon as the last one is
// answered, to a number of groups in turn.
type load struct {
	clients int
	groups  int
	first   int // number of the first push, which its group and its values depend on
	pushes  int // end after so many, if it is not 0
	time    time.Duration
}

// pushed is what a load measured.
type pushed struct {
	rate         float64 // per second
	p50, p99     time.Duration
	gateway      time.Duration // CPU time of the gateways per push
	database     time.Duration // and of the database
	acknowledged int
}

// stride scatters consecutive pushes over the groups.
const stride = 7919

// run puts the load on a system.
func (l load) run(ctx context.Context, s *system) (pushed, error) {
	gatewayBefore, databaseBefore, err := s.cpu()
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
	gateway, database, err := s.cpu()
	if err != nil {
		return pushed{}, err
	}
	slices.Sort(latencies)
	n := time.Duration(len(latencies))
	return pushed{
		rate: float64(n) / took.Seconds(),
		p50:  quantile(latencies, 0.5), p99: quantile(latencies, 0.99),
		gateway: (gateway - gatewayBefore) / n, database: (database - databaseBefore) / n,
		acknowledged: len(latencies),
	}, nil
}

// cpu returns the CPU times of the gateways and of the database so far.
func (s *system) cpu() (gateways, database time.Duration, err error) {
	if gateways, err = cpuTime(s.pids()...); err == nil && s.database != 0 {
		database, err = cpuTime(s.database)
	}
	return gateways, database, err
}

// push returns how long each push took.
func (l load) push(ctx context.Context, gateways []*process) ([]time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var number atomic.Int64
	var wait sync.WaitGroup
	var mu sync.Mutex
	var all []time.Duration
	end := time.Now().Add(l.time)
	next := func() (int, bool) {
		n := int(number.Add(1)) - 1
		done := l.pushes > 0 && n >= l.pushes || l.time > 0 && time.Now().After(end)
		return l.first + n, !done && ctx.Err() == nil
	}
	for i := range l.clients {
		wait.Go(func() {
			latencies, err := pushAll(ctx, gateways[i%len(gateways)], l.groups, next)
			if err != nil {
				cancel(err)
			}
			mu.Lock()
			all = append(all, latencies...)
			mu.Unlock()
		})
	}
	wait.Wait()
	return all, context.Cause(ctx)
}

// pushAll is one client.
func pushAll(ctx context.Context, g *process, groups int, next func() (int, bool)) ([]time.Duration, error) {
	c, err := dial(ctx, g.address)
	if err != nil {
		return nil, err
	}
	defer c.close()
	var latencies []time.Duration
	var body []byte
	for n, ok := next(); ok; n, ok = next() {
		body = appendBody(body[:0], n)
		began := time.Now()
		if err := c.push(n*stride%groups, body); err != nil {
			return nil, fmt.Errorf("push: %w", err)
		}
		latencies = append(latencies, time.Since(began))
	}
	return latencies, nil
}

// seed pushes so many groups once.
func seed(ctx context.Context, gateways []*process, groups int) error {
	_, err := load{clients: min(64, groups), groups: groups, pushes: groups}.push(ctx, gateways)
	return err
}

// quantile expects sorted values, at least one.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

var runs atomic.Int64

// newValues returns a number from which pushes have values that no push had
// before.
func newValues() int { return int(runs.Add(1)) * 1_234_577 }
