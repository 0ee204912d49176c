package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// historyChange is the index of the change before the scrapes, 1 %.
const historyChange = 1

// scrapesPerRound is how many are measured in each round.
const scrapesPerRound = 10

// lengths are those of the histories that are compared: the last is long.
var lengths = []string{"almost empty", "long"}

// historySection compares pushes and scrapes with a long history and without,
// and measures the queries with it.
func (b *bench) historySection(ctx context.Context) (err error) {
	var databases []string
	defer func() { err = errors.Join(err, b.ours.drop(context.WithoutCancel(ctx), databases)) }()
	for range lengths {
		database, err := b.ours.empty(ctx)
		if err != nil {
			return err
		}
		databases = append(databases, database)
		if err := b.ours.seed(ctx, database, plain(b.plan.groups), b.plan.groups); err != nil {
			return err
		}
	}
	long := databases[len(databases)-1]
	groups, err := historyGroups(b.plan.history.groups - b.plan.groups)
	if err != nil {
		return err
	}
	if err := b.ours.fillHistory(ctx, long, b.plan.history.rows, groups); err != nil {
		return err
	}
	if err := b.besideHistories(ctx, databases); err != nil {
		return err
	}
	if err := b.ours.query(ctx, long, func(conn *pgx.Conn) error { return addGroups(ctx, conn) }); err != nil {
		return err
	}
	fmt.Println()
	return b.queries(ctx, long)
}

// drop drops databases, which would fill the disk of sections that follow.
func (o *ours) drop(ctx context.Context, databases []string) error {
	return o.query(ctx, o.cluster.URL("postgres"), func(conn *pgx.Conn) error {
		for _, url := range databases {
			config, err := pgx.ParseConfig(url)
			if err != nil {
				return err
			}
			if _, err := conn.Exec(ctx, `DROP DATABASE `+config.Database+` WITH (FORCE)`); err != nil {
				return err
			}
		}
		return nil
	})
}

// besideHistories measures pushes and scrapes on databases in turns.
func (b *bench) besideHistories(ctx context.Context, databases []string) error {
	systems, contenders := make([]*system, len(databases)), make([]contender, len(databases))
	for i, database := range databases {
		s, err := b.ours.startAsIs(ctx, database, 2)
		if err != nil {
			return err
		}
		defer s.release()
		systems[i], contenders[i] = s, contender{pushedReplica(s), load{traffic: plain(b.plan.groups), clients: b.plan.most()}}
	}
	pushes, err := b.inTurns(ctx, contenders)
	if err != nil {
		return err
	}
	scrapes := make([][]scraped, len(databases))
	for round := range b.plan.rounds {
		progress("round %d of %d", round+1, b.plan.rounds)
		for n := range systems {
			i := (round + n) % len(systems) // neither is always first
			some, err := b.scrapesBesideHistory(ctx, systems[i])
			if err != nil {
				return err
			}
			scrapes[i] = append(scrapes[i], some...)
		}
	}
	return b.reportHistories(ctx, databases, pushes, scrapes)
}

// pushedReplica is the second replica, to which is pushed. The first one is scraped.
func pushedReplica(s *system) *system {
	return &system{gateways: s.gateways[1:], database: s.database}
}

// scrapesBesideHistory measures one round.
func (b *bench) scrapesBesideHistory(ctx context.Context, s *system) (all []scraped, err error) {
	other := pushedReplica(s)
	l := load{traffic: plain(b.plan.groups), clients: b.plan.most()}
	if err := l.warm(ctx, other, b.plan.warmUp); err != nil {
		return nil, err
	}
	c, err := dial(ctx, s.gateways[0].address)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if _, err := c.scrape(textGzip); err != nil { // all that the load has changed
		return nil, err
	}
	for range scrapesPerRound {
		if err := pause(ctx, scrapePause); err != nil {
			return nil, err
		}
		scrape, err := scrapeChanged(ctx, s.gateways[0], c, other.gateways, textGzip, b.plan.groups, historyChange)
		if err != nil {
			return nil, err
		}
		all = append(all, scrape)
	}
	return all, nil
}

func (b *bench) reportHistories(ctx context.Context, databases []string, pushes [][]pushed, scrapes [][]scraped) error {
	fmt.Printf("Pushes of %d clients: %s. Scrapes: %d of each.\n\n", b.plan.most(), b.turns(), scrapesPerRound*b.plan.rounds)
	t := table{{"history", "GB", "pushes/s", "p50 ms", "p99 ms", "CPU ms per push", "PostgreSQL's", "scrape ms", "scrape CPU ms"}}
	for i, length := range lengths {
		size, err := b.ours.historyBytes(ctx, databases[i])
		if err != nil {
			return err
		}
		m, s := median(pushes[i]), medianScrape(scrapes[i])
		t.add(length, fmt.Sprintf("%.2f", float64(size)/1e9), perSecond(m.rate), millis(m.p50), millis(m.p99), millis(m.cost.system()), millis(m.cost.database),
			millis(s.latency), millis(s.cpu))
	}
	t.print()
	few, many := median(pushes[0]), median(pushes[1])
	beside := " with " + thousands(b.plan.history.rows) + " rows of history, and with few"
	b.atLeast(0.95, many.rate, few.rate, "rate of pushes"+beside, perSecond(many.rate)+"/s", perSecond(few.rate)+"/s")
	b.atMost(1/0.95, float64(many.cost.system()), float64(few.cost.system()), "CPU per push"+beside, millis(many.cost.system())+" ms", millis(few.cost.system())+" ms")
	fewScrapes, manyScrapes := medianScrape(scrapes[0]), medianScrape(scrapes[1])
	b.atMost(1/0.95, float64(manyScrapes.latency), float64(fewScrapes.latency), "time of a gzip scrape, "+changes[historyChange].name+" changed,"+beside,
		millis(manyScrapes.latency)+" ms", millis(fewScrapes.latency)+" ms")
	b.atMost(1/0.95, float64(manyScrapes.cpu), float64(fewScrapes.cpu), "CPU of a gzip scrape, "+changes[historyChange].name+" changed,"+beside,
		millis(manyScrapes.cpu)+" ms", millis(fewScrapes.cpu)+" ms")
	return nil
}

// historyBytes returns the size of the history with its indexes.
func (o *ours) historyBytes(ctx context.Context, database string) (n int64, err error) {
	err = o.query(ctx, database, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_partition_tree('push_history')`).Scan(&n)
	})
	return n, err
}
