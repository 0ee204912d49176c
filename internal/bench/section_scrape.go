package main

import (
	"context"
	"fmt"
	"time"
)

// scraped is what one scrape measured.
type scraped struct {
	latency time.Duration
	cpu     time.Duration // of the scraped process
	bytes   int64         // of the body as it was sent
}

// scrapeCell is one place in the table of scrapes.
type scrapeCell struct {
	groups   int
	encoding encoding
	change   int // index of changes, or -1 for Pushgateway
}

// changes are the shares of the groups that change before a scrape, what a gzip
// scrape may cost then, as a share of Pushgateway's, and how many scrapes there are
// in a round: more of those that take a millisecond, which vary most.
var changes = []struct {
	name    string
	share   float64
	limit   float64
	scrapes int
}{
	{"nothing", 0, 1.0 / 1000, 3},
	{"1%", 0.01, 1.0 / 30, 1},
	{"all", 1, 1.0 / 5, 1},
}

const theirScrape = -1

// scrapePause is how long a replica that has worked for a scrape comes to rest
// before the next one.
const scrapePause = 500 * time.Millisecond

// judgedGroups is how many groups the targets of scrapes are for.
const judgedGroups = 10_000

// scrapeSection measures scrapes of a replica after groups have changed by
// pushes to another one. What the pushes cost the scraped replica counts. It
// ends with scrapes beside a server that only writes bytes that are there.
func (b *bench) scrapeSection(ctx context.Context) error {
	all := map[scrapeCell][]scraped{}
	limits := table{{"groups", "encoding", "a server of ready bytes, ms", "ours ms", "ratio"}}
	var idle []string
	for _, groups := range b.plan.scraped {
		if err := b.scrapeGroups(ctx, all, &limits, &idle, groups); err != nil {
			return err
		}
	}
	b.printScrapes(all)
	fmt.Println()
	limits.print()
	fmt.Printf("\nCPU of a replica that nobody asks for anything, ms per second: ")
	for i, groups := range b.plan.scraped {
		fmt.Printf("%s with %s groups; ", idle[i], thousands(groups))
	}
	fmt.Println("what it does every 30 seconds not included.")
	b.judgeScrapes(all)
	b.charts = append(b.charts, b.chartScrapes(all))
	return nil
}

func (b *bench) scrapeGroups(ctx context.Context, all map[scrapeCell][]scraped, limits *table, idle *[]string, groups int) error {
	database, err := b.ours.postgres(ctx, groups)
	if err != nil {
		return err
	}
	s, err := b.ours.start(ctx, database, 2)
	if err != nil {
		return err
	}
	defer s.release()
	replica, other := s.gateways[0], s.gateways[1:]
	c, err := dial(ctx, replica.address)
	if err != nil {
		return err
	}
	defer c.close()
	if _, err := c.scrape(textGzip); err != nil { // or the gateway would not wait for more
		return err
	}
	// Protobuf comes last: from the first time on that somebody asks for it, a
	// replica keeps it beside the text, and all changes cost more.
	for _, e := range []encoding{textGzip, text, protobufGzip} {
		for round := range b.plan.rounds {
			progress("scrapes of %s groups, %s, round %d of %d", thousands(groups), e.name, round+1, b.plan.rounds)
			original, err := b.scrapeOriginal(ctx, groups, e)
			if err != nil {
				return err
			}
			cell := scrapeCell{groups, e, theirScrape}
			// What has changed since the last one with this encoding is read, too.
			if original.bytes, err = c.standardSize(e); err != nil {
				return err
			}
			all[cell] = append(all[cell], original)
			for cell.change = range changes {
				for range changes[cell.change].scrapes {
					if err := pause(ctx, scrapePause); err != nil {
						return err
					}
					result, err := scrapeChanged(ctx, replica, c, other, e, groups, cell.change)
					if err != nil {
						return err
					}
					all[cell] = append(all[cell], result)
				}
			}
		}
	}
	quiet, err := quietTime(replica)
	if err != nil {
		return err
	}
	*idle = append(*idle, millis(quiet))
	return b.scrapeReady(ctx, replica, c, limits, groups)
}

// pause waits so long, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// scrapeChanged scrapes after groups have changed. CPU time counts from before
// the first of the pushes.
func scrapeChanged(ctx context.Context, replica *process, c *client, other []*process, e encoding, groups, change int) (scraped, error) {
	before, err := processTime(replica.pid())
	if err != nil {
		return scraped{}, err
	}
	if n := int(changes[change].share * float64(groups)); n > 0 {
		l := load{traffic: plain(groups), clients: min(64, n), pushes: n, first: newValues()}
		if _, err := l.push(ctx, other); err != nil {
			return scraped{}, err
		}
	}
	result, err := measureScrape(replica, c, e)
	if err != nil {
		return scraped{}, err
	}
	after, err := processTime(replica.pid())
	result.cpu = after - before
	return result, err
}

func (b *bench) scrapeOriginal(ctx context.Context, groups int, e encoding) (scraped, error) {
	s, err := b.start(ctx, unchecked, groups)
	if err != nil {
		return scraped{}, err
	}
	defer s.release()
	c, err := dial(ctx, s.gateways[0].address)
	if err != nil {
		return scraped{}, err
	}
	defer c.close()
	return measureScrape(s.gateways[0], c, e)
}

func measureScrape(g *process, c *client, e encoding) (scraped, error) {
	before, err := processTime(g.pid())
	if err != nil {
		return scraped{}, err
	}
	began := time.Now()
	bytes, err := c.scrape(e)
	took := time.Since(began)
	if err != nil {
		return scraped{}, err
	}
	after, err := processTime(g.pid())
	return scraped{took, after - before, bytes}, err
}

// quietTime returns what a process uses in a second when nobody asks it for
// anything.
func quietTime(g *process) (time.Duration, error) {
	before, err := processTime(g.pid())
	if err != nil {
		return 0, err
	}
	began := time.Now()
	time.Sleep(time.Second)
	after, err := processTime(g.pid())
	return time.Duration(float64(after-before) / time.Since(began).Seconds()), err
}

func medianScrape(rounds []scraped) scraped {
	return scraped{
		latency: middle(rounds, func(s scraped) time.Duration { return s.latency }),
		cpu:     middle(rounds, func(s scraped) time.Duration { return s.cpu }),
		bytes:   middle(rounds, func(s scraped) int64 { return s.bytes }),
	}
}

func (b *bench) printScrapes(all map[scrapeCell][]scraped) {
	t := table{{"groups", "encoding", "changed", "Pushgateway ms", "ours ms", "Pushgateway CPU ms", "ours CPU ms", "ratio",
		"µs per changed group", "compress/gzip kB", "ours kB", "ratio"}}
	for _, groups := range b.plan.scraped {
		for _, e := range []encoding{textGzip, protobufGzip, text} {
			theirs := medianScrape(all[scrapeCell{groups, e, theirScrape}])
			for i, change := range changes {
				m := medianScrape(all[scrapeCell{groups, e, i}])
				perGroup := ""
				if n := int(change.share * float64(groups)); n > 0 {
					perGroup = thousands(int(m.cpu / time.Microsecond / time.Duration(n)))
				}
				t.add(thousands(groups), e.name, change.name, millis(theirs.latency), millis(m.latency),
					millis(theirs.cpu), millis(m.cpu), ratio(float64(m.cpu), float64(theirs.cpu)), perGroup,
					thousands(int(theirs.bytes/1000)), thousands(int(m.bytes/1000)), ratio(float64(m.bytes), float64(theirs.bytes)))
			}
		}
	}
	t.print()
}

// judgeScrapes judges those of judgedGroups. What fewer and more cost is for the
// reader to compare: by what has changed and what is sent, not by all there is.
func (b *bench) judgeScrapes(all map[scrapeCell][]scraped) {
	for _, groups := range b.plan.scraped {
		if groups != judgedGroups {
			continue
		}
		theirs := medianScrape(all[scrapeCell{groups, textGzip, theirScrape}])
		for i, change := range changes {
			m := medianScrape(all[scrapeCell{groups, textGzip, i}])
			b.atMost(change.limit, float64(m.cpu), float64(theirs.cpu), fmt.Sprintf("CPU of a gzip scrape of %s groups, %s changed", thousands(groups), change.name),
				millis(m.cpu)+" ms", millis(theirs.cpu)+" ms")
		}
		for _, e := range []encoding{textGzip, protobufGzip} {
			theirs, m := medianScrape(all[scrapeCell{groups, e, theirScrape}]), medianScrape(all[scrapeCell{groups, e, 0}])
			b.atMost(1.25, float64(m.bytes), float64(theirs.bytes), fmt.Sprintf("bytes of a scrape of %s groups, %s", thousands(groups), e.name),
				thousands(int(m.bytes/1000))+" kB", thousands(int(theirs.bytes/1000))+" kB")
		}
	}
}

func (b *bench) chartScrapes(all map[scrapeCell][]scraped) chart {
	c := chart{file: "scrapes.svg", title: "CPU time of a compressed scrape", x: "groups stored", y: "milliseconds"}
	for i := theirScrape; i < len(changes); i++ {
		l := line{name: "Pushgateway"}
		if i != theirScrape {
			l = line{name: "ours, " + changes[i].name + " changed", ours: true}
		}
		for _, groups := range b.plan.scraped {
			l.add(groups, float64(medianScrape(all[scrapeCell{groups, textGzip, i}]).cpu)/1e6)
		}
		c.lines = append(c.lines, l)
	}
	return c
}
