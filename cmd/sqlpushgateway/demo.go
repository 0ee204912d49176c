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
	p := newProgress(stderr, "rows of the history", 0)
	rows, groups, err := demo.Fill(ctx, r.Repository, func(yield func(repository.HistoryRow) error) ([]exposition.Group, error) {
		return demo.Generate(options, yield)
	}, p.add)
	p.end()
	switch {
	case errors.Is(err, demo.ErrUsed):
		return fmt.Errorf("--database.url=%s: %w", &c.databaseURL, err)
	case err != nil:
		return fmt.Errorf("%w (the database is filled in part: repeat the command with an empty one)", err)
	}
	_, err = fmt.Fprintf(stdout, "stored %d rows of history until %s, and %d groups\n", rows, options.Until.Format(time.RFC3339), groups)
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
