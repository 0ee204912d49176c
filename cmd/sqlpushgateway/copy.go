package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/prometheus/common/model"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

const copyHelp = `Copy the groups and the history from one database to another, such as from an SQLite file to PostgreSQL.

The other database is empty, or holds what an earlier copy from the same database has left, which is then completed. Nothing should be pushed to either meanwhile: at the end both are compared.`

// historyPage is how many rows of the history are copied at once.
const historyPage = 1000

// copyDatabase copies everything from one database to another.
func copyDatabase(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var from, to config
	app := newApplication("copy", copyHelp)
	app.Flag("from", "URL of the database to copy: sqlite:PATH or postgres://...").
		Required().PlaceHolder("URL").SetValue(&from.databaseURL)
	app.Flag("to", "URL of the database to copy to.").
		Required().PlaceHolder("URL").SetValue(&to.databaseURL)
	from.addPoolFlags(app)
	if err := parse(app, args, stdout); err != nil {
		return err
	}
	if err := from.validatePool(); err != nil {
		return err
	}
	switch {
	case from.databaseURL.isMissing():
		return fmt.Errorf("--from=%s: there is no such file", &from.databaseURL)
	case from.databaseURL == to.databaseURL:
		return errors.New("--from and --to are the same database")
	}
	// What is stored is to be copied, whatever it is.
	to.maxConnections, to.connectTimeout, to.committers, to.unchecked = from.maxConnections, from.connectTimeout, from.committers, true
	source, err := from.openRepository(ctx, stderr)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	defer source.Close()
	target, err := to.openRepository(ctx, stderr)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	defer target.Close()
	c := &copier{from: source, to: target, stdout: stdout, stderr: stderr}
	for _, step := range []func(context.Context) error{c.copyHistory, c.copyGroups, c.compare} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// copier copies from one database to another.
type copier struct {
	from, to       *repository.Repository
	stdout, stderr io.Writer
}

// copyHistory copies the rows that are not there yet. The last of those that are
// comes again, so that a history of another origin is noticed.
func (c *copier) copyHistory(ctx context.Context) error {
	total, last, err := c.from.HistorySize(ctx)
	if err != nil {
		return err
	}
	there, reached, err := c.to.HistorySize(ctx)
	if err != nil {
		return err
	}
	if reached > last {
		return errForeign
	}
	p := newProgress(c.stderr, "rows of the history", int(total))
	p.add(int(max(there-1, 0)))
	page := make([]repository.HistoryRow, 0, historyPage)
	flush := func() error {
		err := c.to.AddHistory(ctx, page)
		if errors.Is(err, repository.ErrData) {
			return fmt.Errorf("%w: %w", errForeign, err)
		}
		p.add(len(page))
		page = page[:0]
		return err
	}
	expected := there > 0 // the row that was reached
	err = c.from.History(ctx, reached-1, func(row repository.HistoryRow) error {
		if expected && row.Seq != reached {
			return errForeign
		}
		expected = false
		row.Families = append([]byte(nil), row.Families...)
		if page = append(page, row); len(page) < historyPage {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	p.end()
	return err
}

var errForeign = errors.New("--to has a history of its own: copy to an empty database")

func (c *copier) copyGroups(ctx context.Context) error {
	t := &transfer{to: c.to, silent: true, progress: newProgress(c.stderr, "groups", 0)}
	err := t.run(ctx, func(yield func(exposition.Group) error) error { return c.from.Groups(ctx, yield) })
	if err != nil {
		return err
	}
	for _, r := range t.refused {
		return fmt.Errorf("group %s: %w", r.group, r.reason)
	}
	return nil
}

// summary is what two databases with the same content have in common.
type summary struct {
	groups         int
	rows, last     int64
	text, protobuf string
}

func (s summary) String() string {
	return fmt.Sprintf("%d groups, %d rows of history, exposition %.16s", s.groups, s.rows, s.text)
}

// compare compares both databases.
func (c *copier) compare(ctx context.Context) error {
	from, err := summarize(ctx, c.from)
	if err != nil {
		return err
	}
	to, err := summarize(ctx, c.to)
	if err != nil {
		return err
	}
	if from != to {
		return fmt.Errorf("the databases differ: %s in the one, %s in the other; was anything pushed meanwhile? Repeat the copy", from, to)
	}
	fmt.Fprintf(c.stdout, "both databases have %s\n", to)
	return nil
}

func summarize(ctx context.Context, r *repository.Repository) (s summary, err error) {
	if s.rows, s.last, err = r.HistorySize(ctx); err != nil {
		return s, err
	}
	if err := r.Groups(ctx, func(exposition.Group) error { s.groups++; return nil }); err != nil {
		return s, err
	}
	snapshot, err := r.Snapshot(ctx, true)
	if err != nil {
		return s, err
	}
	text, protobuf := sha256.New(), sha256.New()
	err = errors.Join(
		snapshot.WriteExposition(text, exposition.Encoding{Escaping: model.NoEscaping}),
		snapshot.WriteExposition(protobuf, exposition.Encoding{Escaping: model.NoEscaping, Protobuf: true}),
	)
	s.text, s.protobuf = fmt.Sprintf("%x", text.Sum(nil)), fmt.Sprintf("%x", protobuf.Sum(nil))
	return s, err
}
