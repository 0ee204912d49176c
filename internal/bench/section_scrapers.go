package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	scraperCount    = 50
	scraperInterval = 15 * time.Second
)

// beside is what a load measured beside scrapers or without them, with the
// replica's memory meanwhile.
type beside struct {
	pushed  pushed
	mean    int64
	peak    int64
	scrapes int
}

// scrapersSection measures what many scrapers, and one that reads very slowly,
// cost those who push, and what those cost that stop reading.
func (b *bench) scrapersSection(ctx context.Context) error {
	if err := b.besideScrapers(ctx); err != nil {
		return err
	}
	fmt.Println()
	return b.stalledScrapers(ctx)
}

func (b *bench) besideScrapers(ctx context.Context) error {
	database, err := b.ours.postgres(ctx, b.plan.groups)
	if err != nil {
		return err
	}
	all := map[bool][]beside{}
	for round := range b.plan.rounds {
		s, err := b.ours.start(ctx, database, 1)
		if err != nil {
			return err
		}
		for i := range 2 { // in turn, so that neither always comes first
			with := (round+i)%2 == 1
			result, err := b.beside(ctx, s, with)
			if err != nil {
				s.release()
				return err
			}
			progress("scrapers: %v, %s/s, %s MB", with, perSecond(result.pushed.rate), megabytes(result.mean))
			all[with] = append(all[with], result)
		}
		s.release()
	}
	t := table{{clientsText(b.plan.most()) + ", " + thousands(b.plan.groups) + " groups", "scrapes", "pushes/s", "ratio", "p50 ms", "p99 ms", "CPU ms per push", "resident MB, mean", "highest"}}
	rate := func(with bool) float64 { return middle(all[with], func(r beside) float64 { return r.pushed.rate }) }
	for _, with := range []bool{false, true} {
		name, compared := "nobody scrapes", ""
		if with {
			name = fmt.Sprintf("%d scrapers every %v, one reads 1 kB/s", scraperCount, scraperInterval)
			compared = ratio(rate(true), rate(false))
		}
		var loads []pushed
		for _, r := range all[with] {
			loads = append(loads, r.pushed)
		}
		m := median(loads)
		t.add(name, fmt.Sprint(middle(all[with], func(r beside) int { return r.scrapes })), perSecond(m.rate), compared, millis(m.p50), millis(m.p99),
			millis(m.cost.system()), megabytes(middle(all[with], func(r beside) int64 { return r.mean })),
			megabytes(middle(all[with], func(r beside) int64 { return r.peak })))
	}
	t.print()
	b.atLeast(0.9, rate(true), rate(false), fmt.Sprintf("rate beside %d scrapers and a slow one, and without", scraperCount),
		perSecond(rate(true))+"/s", perSecond(rate(false))+"/s")
	return nil
}

// beside pushes for a while with or without scrapers.
func (b *bench) beside(ctx context.Context, s *system, scrapers bool) (result beside, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := load{traffic: plain(b.plan.groups), clients: b.plan.most()}
	if err := l.warm(ctx, s, b.plan.warmUp); err != nil {
		return result, err
	}
	var wait sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	report := func(scrapes int, err error) {
		mu.Lock()
		defer mu.Unlock()
		result.scrapes += scrapes
		errs = append(errs, err)
	}
	scraping, stop := context.WithCancel(ctx)
	defer stop()
	if scrapers {
		for i := range scraperCount {
			wait.Go(func() {
				report(scrapeEvery(scraping, s.gateways[0], scraperInterval*time.Duration(i)/scraperCount))
			})
		}
		wait.Go(func() { report(0, readSlowly(scraping, s.gateways[0])) })
	}
	samples := watch(s.gateways[0].pid(), 100*time.Millisecond)
	l.time, l.first = b.plan.besideScrapers, newValues()
	loaded, err := l.run(ctx, s)
	memory, failed := samples()
	stop()
	wait.Wait()
	if err := errors.Join(append(errs, err, failed)...); err != nil {
		return result, err
	}
	result.pushed, result.mean, result.peak = loaded, mean(memory), slices.Max(memory)
	return result, nil
}

// scrapeEvery scrapes, first after a delay, until the context ends. It returns
// how many scrapes there were.
func scrapeEvery(ctx context.Context, g *process, delay time.Duration) (int, error) {
	var c *client
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return n, nil
		case <-time.After(delay):
		}
		if c == nil { // not before: gateways close connections over which nothing comes
			var err error
			if c, err = dial(ctx, g.address); err != nil {
				return n, err
			}
			defer c.close()
		}
		if size, err := c.scrape(textGzip); err != nil {
			return n, fmt.Errorf("scrape %d, after %d bytes: %w", n+1, size, err)
		}
		delay = scraperInterval
	}
}

// readSlowly reads 1 kB of a scrape each second until the context ends, and
// begins anew when the gateway has had enough of that.
func readSlowly(ctx context.Context, g *process) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		c, err := dialNarrow(ctx, g.address)
		if err != nil {
			return ignoreEnd(ctx, err)
		}
		response, err := c.startScrape(textGzip)
		for err == nil {
			select {
			case <-ctx.Done():
				err = ctx.Err()
			case <-tick.C:
				_, err = io.CopyN(nowhere{}, response.Body, 1000)
			}
		}
		c.close()
	}
	return nil
}

func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// dialNarrow is dial with little room between the gateway and the reader.
func dialNarrow(ctx context.Context, address string) (*client, error) {
	c, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := c.conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		c.close()
		return nil, err
	}
	c.in = bufio.NewReaderSize(c.conn, 4096)
	return c, nil
}

// stalledScrapers compares the memory of replicas with and without scrapers that
// have stopped reading, after all groups have changed twice: those scrapers
// still need what was stored when they came, but all of them the same.
func (b *bench) stalledScrapers(ctx context.Context) error {
	database, err := b.ours.postgres(ctx, b.plan.groups)
	if err != nil {
		return err
	}
	counts := []int{0, 1, scraperCount}
	all := map[int][]int64{}
	var exposition int64
	for range b.plan.rounds {
		for _, count := range counts {
			memory, size, err := b.stalled(ctx, database, count)
			if err != nil {
				return err
			}
			progress("%d stalled scrapers: %s MB", count, megabytes(memory))
			all[count], exposition = append(all[count], memory), size
		}
	}
	memory := func(count int) int64 { return middle(all[count], func(n int64) int64 { return n }) }
	t := table{{"scrapers that have stopped reading", "resident MB", "exposition MB"}}
	for _, count := range counts {
		t.add(fmt.Sprint(count), megabytes(memory(count)), megabytes(exposition))
	}
	t.print()
	b.atMost(1.1, float64(memory(scraperCount)), float64(memory(1)), fmt.Sprintf("memory with %d scrapers that have stopped reading, and with one", scraperCount),
		megabytes(memory(scraperCount))+" MB", megabytes(memory(1))+" MB")
	return nil
}

// stalled returns the memory of a replica, and the size of its exposition.
func (b *bench) stalled(ctx context.Context, database string, scrapers int) (memory, size int64, err error) {
	s, err := b.ours.start(ctx, database, 1)
	if err != nil {
		return 0, 0, err
	}
	defer s.release()
	replica := s.gateways[0]
	if size, err = scrapeOnce(ctx, replica, text); err != nil {
		return 0, 0, err
	}
	for range scrapers {
		c, err := dialNarrow(ctx, replica.address)
		if err != nil {
			return 0, 0, err
		}
		defer c.close()
		if _, err := c.startScrape(text); err != nil {
			return 0, 0, err
		}
	}
	for range 2 {
		if err := pushOnce(ctx, s.gateways, plain(b.plan.groups), b.plan.groups, newValues()); err != nil {
			return 0, 0, err
		}
		if _, err := scrapeOnce(ctx, replica, textGzip); err != nil {
			return 0, 0, err
		}
	}
	r, err := residentMemory(replica.pid())
	return r.now, size, err
}
