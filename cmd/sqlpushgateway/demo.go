package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/demo"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

const demoHelp = `Fill an empty database with invented job runs, to try out queries.

There are months of exports, backups and builds with failures, rejected pushes, deletions and a wipe: the queries of docs/sql-audit.md have something to find. A gateway that is started on the database drops what is older than its --history.retention.`

// demoConfig is what the command line of demo asks for.
type demoConfig struct {
	config
	days  int
	seed  uint64
	until string
}

// fillDemo fills an empty database with a demonstration.
func fillDemo(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := &demoConfig{}
	app := newApplication("demo", demoHelp)
	// Invented data only go where the command line says: neither into the
	// gateway's own file nor into DATABASE_URL.
	app.Flag("database.url", "The empty database: sqlite:PATH, or the URL of a PostgreSQL database.").
		Default("sqlite:demo.db").SetValue(&c.databaseURL)
	app.Flag("days", fmt.Sprintf("How many days of history to invent, from %d to %d.", demo.MinDays, demo.MaxDays)).
		Default("90").IntVar(&c.days)
	app.Flag("until", "When the history ends, like 2026-01-31T12:00:00Z. Now, unless it is given.").
		StringVar(&c.until)
	app.Flag("seed", "Another number gives other runs.").
		Default("1").Uint64Var(&c.seed)
	c.addPoolFlags(app)
	if err := parse(app, args, stdout); err != nil {
		return err
	}
	options, err := c.options()
	if err = cmp.Or(err, c.validateURL(), c.validatePool()); err != nil {
		return err
	}
	if c.databaseURL.isInMemory() {
		return fmt.Errorf("--database.url=%s: would end with this command", &c.databaseURL)
	}
	r, err := c.openRepository(ctx, stderr)
	if err != nil {
		return err
	}
	defer r.Close()
	d := &demonstration{to: r.Repository, progress: newProgress(stderr, "rows of the history", 0)}
	if err := d.refuseUsed(ctx); err != nil {
		return fmt.Errorf("--database.url=%s: %w", &c.databaseURL, err)
	}
	if err := d.fill(ctx, options); err != nil {
		return fmt.Errorf("%w (the database is filled in part: repeat the command with an empty one)", err)
	}
	_, err = fmt.Fprintf(stdout, "stored %d rows of history until %s, and %d groups\n", d.rows, options.Until.Format(time.RFC3339), d.groups)
	return err
}

// options returns what is to be invented, or what is wrong with the flags.
func (c *demoConfig) options() (demo.Options, error) {
	o := demo.Options{Until: time.Now().UTC().Truncate(time.Second), Days: c.days, Seed: c.seed}
	if c.days < demo.MinDays || c.days > demo.MaxDays {
		return o, fmt.Errorf("--days=%d: must be from %d to %d", c.days, demo.MinDays, demo.MaxDays)
	}
	if c.until == "" {
		return o, nil
	}
	until, err := time.Parse(time.RFC3339, c.until)
	if err != nil || until.Year() < 1980 || until.Year() > 2200 {
		return o, fmt.Errorf("--until=%s: must be a time like 2026-01-31T12:00:00Z", c.until)
	}
	o.Until = until.UTC()
	return o, nil
}

// demonstration is the filling of a database.
type demonstration struct {
	to           *repository.Repository
	progress     *progress
	rows, groups int
}

var errUsed = errors.New("is not empty: name a database in which there is nothing")

// refuseUsed returns an error unless the database is empty.
func (d *demonstration) refuseUsed(ctx context.Context) error {
	rows, _, err := d.to.HistorySize(ctx)
	if err != nil {
		return err
	}
	if rows > 0 {
		return errUsed
	}
	return d.to.Groups(ctx, func(exposition.Group) error { return errUsed })
}

// fill stores the history and the groups.
func (d *demonstration) fill(ctx context.Context, o demo.Options) error {
	page := make([]repository.HistoryRow, 0, historyPage)
	flush := func() error {
		err := d.to.AddHistory(ctx, page)
		d.rows += len(page)
		d.progress.add(len(page))
		page = page[:0]
		return err
	}
	groups, err := demo.Generate(o, func(row repository.HistoryRow) error {
		if page = append(page, row); len(page) < historyPage {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	d.progress.end()
	if err != nil {
		return err
	}
	t := &transfer{to: d.to, silent: true, progress: newProgress(io.Discard, "groups", 0)}
	err = t.run(ctx, func(yield func(exposition.Group) error) error {
		for _, g := range groups {
			if err := yield(g); err != nil {
				return err
			}
		}
		return nil
	})
	for _, r := range t.refused {
		return fmt.Errorf("group %s: %w", r.group, r.reason)
	}
	d.groups = t.stored
	return err
}
