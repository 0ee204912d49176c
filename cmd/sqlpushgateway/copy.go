package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/prometheus/common/model"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

const copyHelp = `Copy the groups and the history from one database to another, such as from an SQLite file to PostgreSQL.

The other database is empty, or holds what an earlier copy from the same database has left, which is brought up to date then: groups that are gone are deleted there, too, but no history. Nothing should be pushed to either meanwhile: at the end both are compared.`

// What is copied of the history at once.
const (
	historyPage      = 1000    // rows
	historyPageBytes = 8 << 20 // of families, which end a page
)

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
	case from.databaseURL.isInMemory():
		return fmt.Errorf("--from=%s: is empty", &from.databaseURL)
	case to.databaseURL.isInMemory():
		return fmt.Errorf("--to=%s: would end with this command", &to.databaseURL)
	case from.databaseURL.isSameFile(&to.databaseURL):
		return errSame
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
	if same, err := source.isSame(ctx, target); err != nil || same {
		return cmp.Or(err, errSame)
	}
	c := &copier{from: source.Repository, to: target.Repository, stdout: stdout, stderr: stderr}
	for _, step := range []func(context.Context) error{c.examine, c.copyHistory, c.deleteStale, c.copyGroups, c.compare} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

var (
	errSame      = errors.New("--from and --to are the same database")
	errForeign   = errors.New("--to has a history of its own: copy to an empty database")
	errForgotten = errors.New("--from has dropped the history that would show whether --to is a copy of it: copy to an empty database")
)

// copier copies from one database to another.
type copier struct {
	from, to       *repository.Repository
	stdout, stderr io.Writer

	// What examine finds in the database to copy to.
	rows, reached int64                    // the size of its history, and the last Seq
	stale         []exposition.GroupingKey // its groups that are not as they are to be
}

// examine finds out what is to be done. It returns an error unless the database
// to copy to is empty or an earlier copy: then both have the last row in common,
// or, if that was dropped, all of its groups.
func (c *copier) examine(ctx context.Context) error {
	_, last, err := c.from.HistorySize(ctx)
	if err != nil {
		return err
	}
	if c.rows, c.reached, err = c.to.HistorySize(ctx); err != nil {
		return err
	}
	if c.reached > last && last > 0 {
		return errForeign
	}
	groups, err := c.findStale(ctx)
	if err != nil {
		return err
	}
	if c.rows == 0 {
		if len(c.stale) > 0 {
			return errForeign
		}
		return nil
	}
	common, err := firstRow(ctx, c.from, c.reached-1)
	switch {
	case err != nil:
		return err
	case common.Seq == c.reached:
		return c.addHistory(ctx, []repository.HistoryRow{common}) // is there, unless it is another one
	case groups > 0 && len(c.stale) == 0:
		return nil
	}
	first, err := firstRow(ctx, c.from, 0)
	if err == nil && first.Seq > 0 && first.Seq < c.reached {
		err = errForeign
	}
	return cmp.Or(err, errForgotten)
}

// findStale finds the groups that have to be deleted first: some were deleted,
// and of some only the time of their last failure has changed. It returns how
// many groups there are.
func (c *copier) findStale(ctx context.Context) (groups int, err error) {
	type group struct {
		key     exposition.GroupingKey
		content [sha256.Size]byte
	}
	there := map[exposition.Digest]group{}
	err = c.to.Groups(ctx, func(g exposition.Group) error {
		there[g.Key.Digest()] = group{g.Key, contentOf(g)}
		return nil
	})
	groups = len(there)
	if err != nil || groups == 0 {
		return groups, err
	}
	err = c.from.Groups(ctx, func(g exposition.Group) error {
		if digest := g.Key.Digest(); there[digest].content == contentOf(g) {
			delete(there, digest)
		}
		return nil
	})
	for _, g := range there {
		c.stale = append(c.stale, g.key)
	}
	return groups, err
}

// contentOf tells what groups with the same key hold, and since when.
func contentOf(g exposition.Group) (digest [sha256.Size]byte) {
	h := sha256.New()
	fmt.Fprintln(h, g.PushTime.UnixMicro(), g.PushFailureTime.UnixMicro())
	for _, name := range slices.Sorted(maps.Keys(g.FamilyTimes)) {
		fmt.Fprintf(h, "%q %d\n", name, g.FamilyTimes[name].UnixMicro())
	}
	h.Write(exposition.AppendFamilies(nil, g.Families))
	h.Sum(digest[:0])
	return digest
}

// copyHistory copies the rows that are not there yet.
func (c *copier) copyHistory(ctx context.Context) error {
	total, _, err := c.from.HistorySize(ctx)
	if err != nil {
		return err
	}
	p := newProgress(c.stderr, "rows of the history", int(total))
	p.add(int(min(c.rows, total)))
	var page []repository.HistoryRow
	size := 0
	flush := func() error {
		err := c.addHistory(ctx, page)
		p.add(len(page))
		clear(page)
		page, size = page[:0], 0
		return err
	}
	err = c.from.History(ctx, c.reached, func(row repository.HistoryRow) error {
		row.Families = bytes.Clone(row.Families)
		page, size = append(page, row), size+len(row.Families)
		if len(page) < historyPage && size < historyPageBytes {
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

func (c *copier) addHistory(ctx context.Context, rows []repository.HistoryRow) error {
	err := c.to.AddHistory(ctx, rows)
	if errors.Is(err, repository.ErrData) {
		return fmt.Errorf("%w: %w", errForeign, err)
	}
	return err
}

// deleteStale deletes the groups that are stale. The history that was copied
// tells why.
func (c *copier) deleteStale(ctx context.Context) error {
	p := newProgress(c.stderr, "groups deleted", len(c.stale))
	err := eachAtOnce(ctx, func(yield func(exposition.GroupingKey) error) error {
		for _, key := range c.stale {
			if err := yield(key); err != nil {
				return err
			}
		}
		return nil
	}, func(ctx context.Context, key exposition.GroupingKey) error {
		ctx, cancel := context.WithTimeout(ctx, transferTimeout)
		defer cancel()
		err := c.to.Delete(ctx, repository.Deletion{Request: repository.Request{Method: repository.Delete}, Key: key, Silent: true})
		if err != nil {
			return fmt.Errorf("group %s: %w", key, err)
		}
		p.add(1)
		return nil
	})
	p.end()
	return err
}

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

// compare compares both databases, and their history from where it begins in
// both.
func (c *copier) compare(ctx context.Context) error {
	first := int64(1)
	for _, r := range []*repository.Repository{c.from, c.to} {
		row, err := firstRow(ctx, r, 0)
		if err != nil {
			return err
		}
		if row.Seq == 0 { // it is empty
			row.Seq = math.MaxInt64
		}
		first = max(first, row.Seq)
	}
	from, err := summarize(ctx, c.from, first)
	if err != nil {
		return err
	}
	to, err := summarize(ctx, c.to, first)
	if err != nil {
		return err
	}
	if from != to {
		return fmt.Errorf("the databases differ: %s in the one, %s in the other; was anything pushed meanwhile? Repeat the copy", from, to)
	}
	fmt.Fprintf(c.stdout, "both databases have %s\n", to)
	return nil
}

// firstRow returns the first row of the history after the one with that Seq; its
// Seq is 0 if there is none.
func firstRow(ctx context.Context, r *repository.Repository, after int64) (first repository.HistoryRow, err error) {
	err = readHistory(ctx, r, after, func(row repository.HistoryRow) (more bool) {
		first = row
		first.Families = bytes.Clone(row.Families)
		return false
	})
	return first, err
}

// rowsFrom returns how many rows the history has from that Seq on, and the Seq of
// the last of them.
func rowsFrom(ctx context.Context, r *repository.Repository, first int64) (rows, last int64, err error) {
	rows, last, err = r.HistorySize(ctx)
	if err != nil || last < first {
		return 0, 0, err
	}
	err = readHistory(ctx, r, 0, func(row repository.HistoryRow) (more bool) {
		if row.Seq < first {
			rows--
		}
		return row.Seq < first
	})
	return rows, last, err
}

// readHistory passes the history after that Seq to yield until that has enough.
func readHistory(ctx context.Context, r *repository.Repository, after int64, yield func(repository.HistoryRow) (more bool)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	enough := errors.New("no more rows are needed")
	err := r.History(ctx, after, func(row repository.HistoryRow) error {
		if yield(row) {
			return nil
		}
		cancel() // else PostgreSQL would send the rest, too
		return enough
	})
	if errors.Is(err, enough) {
		return nil
	}
	return err
}

// summarize looks at everything, and at the history from that Seq on.
func summarize(ctx context.Context, r *repository.Repository, first int64) (s summary, err error) {
	if s.rows, s.last, err = rowsFrom(ctx, r, first); err != nil {
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
