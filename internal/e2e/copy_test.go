package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
	"github.com/sqlpushgateway/sqlpushgateway/repository/sqlite"
)

// openStore opens a database on which no gateway works, and migrates it.
func openStore(t testing.TB, database string) repository.Store {
	t.Helper()
	var store repository.Store
	var err error
	logger := slog.New(slog.DiscardHandler)
	if path, ok := strings.CutPrefix(database, "sqlite:"); ok {
		store, err = sqlite.Open(t.Context(), sqlite.Options{Path: path, Logger: logger})
	} else {
		store, err = postgres.Open(t.Context(), postgres.Options{URL: database, Logger: logger})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}

// contentOf returns all that is stored of each group, by its key, and the history.
func contentOf(t testing.TB, database string) (groups map[string]string, rows []repository.HistoryRow) {
	t.Helper()
	store := openStore(t, database)
	defer store.Close()
	groups = map[string]string{}
	err := store.Groups(t.Context(), func(g exposition.Group) error {
		text := fmt.Sprintf("pushed %v failed %v", g.PushTime.UTC(), g.PushFailureTime.UTC())
		for _, name := range slices.Sorted(maps.Keys(g.FamilyTimes)) {
			text += fmt.Sprintf(" %s %v", name, g.FamilyTimes[name].UTC())
		}
		groups[g.Key.String()] = text + " " + string(exposition.AppendFamilies(nil, g.Families))
		return nil
	})
	if err == nil {
		err = store.History(t.Context(), 0, func(row repository.HistoryRow) error {
			row.Families, row.At = slices.Clone(row.Families), row.At.UTC()
			rows = append(rows, row)
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return groups, rows
}

func equalContent(t testing.TB, got, want map[string]string) {
	t.Helper()
	for key, group := range want {
		if got[key] != group {
			t.Errorf("group %s is\n%s\nwant\n%s", key, got[key], group)
		}
	}
	if len(got) != len(want) {
		t.Errorf("there are %d groups, want %d", len(got), len(want))
	}
}

func equalHistory(t testing.TB, got, want []repository.HistoryRow) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("the history has %d rows, want %d", len(got), len(want))
	}
	for i := range want {
		a, b := got[i], want[i]
		families := string(a.Families) == string(b.Families)
		key := a.Key.Digest() == b.Key.Digest()
		rest := a.Request == b.Request && a.Seq == b.Seq && a.At.Equal(b.At) && a.Accepted == b.Accepted && a.Reason == b.Reason &&
			a.Affected == b.Affected && a.Series == b.Series && a.Commit == b.Commit && a.Replica == b.Replica
		if !families || !key || !rest {
			t.Fatalf("a row of the history is\n%+v\nwant\n%+v", a, b)
		}
	}
}

// equalDatabases fails the test unless both have the same content and show
// the same.
func equalDatabases(t testing.TB, got, want string, flags ...string) {
	t.Helper()
	gotGroups, gotRows := contentOf(t, got)
	wantGroups, wantRows := contentOf(t, want)
	equalContent(t, gotGroups, wantGroups)
	equalHistory(t, gotRows, wantRows)
	a, b := startReplica(t, got, flags...), startReplica(t, want, flags...)
	defer a.terminate()
	defer b.terminate()
	if x, y := a.scrape(), b.scrape(); x != y {
		t.Errorf("exposed are (+) and should be (-):\n%s", diff(y, x, nil))
	}
	show(t, a.url).equals(t, show(t, b.url))
}

// fill pushes, with a gateway that ends then, whatever comes to mind.
func fill(t testing.TB, database string, flags ...string) {
	t.Helper()
	runCommand(t, "import", "--from="+filepath.Join(recorded, "persistence.gob"), "--database.url="+database).succeeds(t, "9 were stored")
	r := startReplica(t, database, append(flags, "--web.enable-admin-api", "--push.disable-consistency-check")...)
	defer r.terminate()
	traffic := model.NewTraffic(7)
	for i := range 150 {
		req, err := httpRequest(t.Context(), r.url, traffic.Next(), i%3 == 0)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("User-Agent", fmt.Sprintf("Zürich \"%d\"", i))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode >= 500 {
			t.Fatalf("a push is answered with %s", resp.Status)
		}
	}
	do(t, http.MethodPut, r.url+"/metrics/job/refused", "m 1 1\n")
	do(t, http.MethodPost, r.url+"/metrics/job/classic/instance/a", "later 1\n")
}

// copies is the line with which a copy ends.
const copies = "both databases have "

// TestCopy protects what is copied from SQLite to PostgreSQL and back: nothing
// is missing, clashes are as they were, and life goes on there.
func TestCopy(t *testing.T) {
	t.Parallel()
	file, database, back := newFile(t), newDatabase(t), newFile(t)
	fill(t, file)
	for range 2 { // the second time, there is nothing to do
		runCommand(t, "copy", "--from="+file, "--to="+database).succeeds(t, copies)
	}
	equalDatabases(t, database, file, uncheckedFlag)
	runCommand(t, "copy", "--from="+database, "--to="+back).succeeds(t, copies)
	equalDatabases(t, back, file, uncheckedFlag)

	_, before := contentOf(t, file)
	last := before[len(before)-1].Seq
	for _, copied := range []string{database, back} {
		r := startReplica(t, copied)
		put("/metrics/job/afterwards", "afterwards 1\n").run(t, &fleet{urls: []string{r.url}})
		if !strings.Contains(r.scrape(), "\nafterwards{") {
			t.Errorf("what is pushed after a copy is not exposed:\n%s", r.scrape())
		}
		r.terminate()
		_, rows := contentOf(t, copied)
		if n := len(rows); n != len(before)+1 || rows[n-1].Seq <= last || rows[n-1].Key.Job() != "afterwards" {
			t.Errorf("after row %d comes %+v", last, rows[n-1])
		}
	}
}

// longHistory fills a database with rows of some days that are long over, and with groups.
func longHistory(t testing.TB, database string, rows, groups, days int) {
	t.Helper()
	store := openStore(t, database)
	defer store.Close()
	first := time.Now().UTC().Truncate(time.Microsecond).AddDate(0, 0, -days-7)
	page := make([]repository.HistoryRow, 0, 1000)
	for i := range rows {
		key, err := exposition.NewGroupingKey(map[string]string{"job": fmt.Sprint("job", i%10)}, exposition.LegacyNames)
		if err != nil {
			t.Fatal(err)
		}
		page = append(page, repository.HistoryRow{
			Request: repository.Request{Method: repository.Put, Client: "192.0.2.1", UserAgent: "curl/8", Bytes: 42},
			Seq:     int64(i + 1), At: first.Add(time.Duration(i) * time.Duration(days) * 24 * time.Hour / time.Duration(rows)),
			Key: key, Accepted: true, Affected: 1, Families: exposition.AppendFamilies(nil, []exposition.Family{{Name: "m", Metrics: []exposition.Metric{{Value: float64(i)}}}}),
			Series: 1, Commit: uuid.New(), Replica: "gateway:9091",
		})
		if len(page) == cap(page) || i == rows-1 {
			if err := store.AddHistory(t.Context(), page); err != nil {
				t.Fatal(err)
			}
			page = page[:0]
		}
	}
	store.Close()
	r := startReplica(t, database, "--history.retention=10y")
	defer r.terminate()
	pushMany(t, r.url, groups, func(i int) string { return fmt.Sprintf("m %d\nn{a=\"b\"} 1\n", i) })
}

// lastGroup returns the group that is the last to be copied.
func lastGroup(t testing.TB, database string) (key exposition.GroupingKey) {
	t.Helper()
	store := openStore(t, database)
	defer store.Close()
	if err := store.Groups(t.Context(), func(g exposition.Group) error { key = g.Key; return nil }); err != nil {
		t.Fatal(err)
	}
	return key
}

// TestCopyIsRestartable protects those whose copy is killed: it goes on where it
// was, in the history and in the groups.
func TestCopyIsRestartable(t *testing.T) {
	t.Parallel()
	const rows, groups, days = 2500, 400, 10
	file, database, back := newFile(t), newDatabase(t), newFile(t)
	longHistory(t, file, rows, groups, days)
	_, history := contentOf(t, file)

	// A row, or a group, that somebody else is about to write holds up the copy.
	conn := dial(t, database)
	count := func(table string) (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	killBehind := func(statement string, arguments ...any) {
		t.Helper()
		g := &gate{t: t, conn: dial(t, database), admin: dial(t, database)}
		g.exec("BEGIN")
		g.exec(statement, arguments...)
		c := startCommand(t, "copy", "--from="+file, "--to="+database)
		g.awaitBlocked()
		c.kill()
		g.open()
	}
	middle := history[rows/2]
	if _, err := conn.Exec(t.Context(), "SELECT make_history_partitions($1::text::date, $1::text::date)", middle.At.Format(time.DateOnly)); err != nil {
		t.Fatal(err)
	}
	killBehind(`INSERT INTO push_history (seq, at, method, outcome, affected, series, bytes, replica, commit_id)
		VALUES ($1, $2, 'PUT', 'accepted', 1, 1, 1, '', gen_random_uuid())`, middle.Seq, middle.At)
	eventually(t, func() error { return quiet(t.Context(), conn) })
	if n := count("push_history"); n == 0 || n >= rows {
		t.Errorf("after the kill the history has %d of %d rows", n, len(history))
	}
	digest := lastGroup(t, file).Digest()
	killBehind(`INSERT INTO push_group (key, labels, job, families) VALUES ($1, '{}', '', '{}')`, digest[:])
	eventually(t, func() error { return quiet(t.Context(), conn) })
	if n := count("push_history"); n != len(history) {
		t.Errorf("after the second kill the history has %d of %d rows", n, len(history))
	}
	if n := count("push_group"); n == 0 || n >= groups {
		t.Errorf("after the second kill there are %d of %d groups", n, groups)
	}

	runCommand(t, "copy", "--from="+file, "--to="+database).succeeds(t, copies)
	equalDatabases(t, database, file, "--history.retention=10y")
	if n := count("push_history_default"); n != 0 {
		t.Errorf("%d rows are in no partition of their day", n)
	}
	if n := count("(SELECT DISTINCT tableoid FROM push_history) p"); n < days {
		t.Errorf("%d days are in %d partitions", days, n)
	}

	// The other way, kills hit where they hit.
	for i := range 4 {
		c := startCommand(t, "copy", "--from="+database, "--to="+back)
		select {
		case <-c.done:
		case <-time.After(time.Duration(100*(i+1)) * time.Millisecond):
		}
		c.kill()
	}
	runCommand(t, "copy", "--from="+database, "--to="+back).succeeds(t, copies)
	equalDatabases(t, back, file, "--history.retention=10y")
}

// TestCopyAgain protects those who copy once more when the source has lived on:
// what was deleted and trimmed there, and pushes that were refused, keep nobody
// from that.
func TestCopyAgain(t *testing.T) {
	t.Parallel()
	for name, create := range map[string][2]func(testing.TB) string{
		"SQLite to PostgreSQL":     {newFile, newDatabase},
		"PostgreSQL to SQLite":     {newDatabase, newFile},
		"PostgreSQL to PostgreSQL": {newDatabase, newDatabase},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, target := create[0](t), create[1](t)
			longHistory(t, source, 30, 3, 2)
			live := func(retention string, steps ...step) {
				t.Helper()
				r := startReplica(t, source, "--history.retention="+retention)
				defer r.terminate()
				for _, s := range steps {
					s.run(t, &fleet{urls: []string{r.url}})
				}
				if retention == "1d" {
					eventually(t, func() error { return trimmed(t, source) })
				}
			}
			again := func() {
				t.Helper()
				runCommand(t, "copy", "--from="+source, "--to="+target).succeeds(t, copies)
			}
			live("10y", put("/metrics/job/gone", "m 1\n"), put("/metrics/job/again", "m 1\n"), put("/metrics/job/same", "m 1\n"), put("/metrics/job/refused", "m 1\n"))
			again()
			_, before := contentOf(t, target)
			live("10y", del("/metrics/job/gone"), put("/metrics/job/clash", "# TYPE again counter\nagain 1\n"),
				del("/metrics/job/again"), put("/metrics/job/again", "m 2\n"), put("/metrics/job/refused", "m 1 1\n").refused("timestamp"))
			again()
			equalDatabases(t, target, source, "--history.retention=10y")
			live("1d", put("/metrics/job/later", "m 1\n"), del("/metrics/job/same"))
			again()
			groups, rows := contentOf(t, source)
			copied, all := contentOf(t, target)
			equalContent(t, copied, groups)
			if len(rows) >= len(all) || len(all) <= len(before) {
				t.Fatalf("the source has %d rows, the target %d, of %d at first", len(rows), len(all), len(before))
			}
			equalHistory(t, all[len(all)-len(rows):], rows)
		})
	}
}

// trimmed returns nil when the history has no rows of days that are long over.
func trimmed(t testing.TB, database string) error {
	t.Helper()
	rows := model.History(t, database)
	if len(rows) == 0 || time.Since(rows[0].At) > 48*time.Hour {
		return fmt.Errorf("the history still has %d rows", len(rows))
	}
	return nil
}

// TestCopyWithoutHistory protects those whose source has dropped all history that
// a copy could be known by: what is the same as there is one, nothing else is.
func TestCopyWithoutHistory(t *testing.T) {
	t.Parallel()
	source := newFile(t)
	push := func(database, path string) {
		t.Helper()
		r := startReplica(t, database)
		defer r.terminate()
		put(path, "m 1\n").run(t, &fleet{urls: []string{r.url}})
	}
	forget := func(database string) {
		t.Helper()
		db, err := sql.Open("sqlite", strings.TrimPrefix(database, "sqlite:"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(t.Context(), "DELETE FROM push_history"); err != nil {
			t.Fatal(err)
		}
	}
	push(source, "/metrics/job/a")
	copied, other := newFile(t), newFile(t)
	runCommand(t, "copy", "--from="+source, "--to="+copied).succeeds(t, copies)
	forget(source)
	late := newFile(t)
	for range 2 {
		runCommand(t, "copy", "--from="+source, "--to="+copied).succeeds(t, "both databases have 1 groups, 0 rows of history")
		runCommand(t, "copy", "--from="+source, "--to="+late).succeeds(t, "both databases have 1 groups, 0 rows of history")
	}
	push(source, "/metrics/job/b") // the first of both pushes is as it was
	runCommand(t, "copy", "--from="+source, "--to="+copied).succeeds(t, "both databases have 2 groups, 1 rows of history")
	runCommand(t, "copy", "--from="+source, "--to="+late).succeeds(t, "both databases have 2 groups, 1 rows of history")

	push(other, "/metrics/job/a")
	runCommand(t, "copy", "--from="+source, "--to="+other).fails(t, "--from has dropped the history")
	forget(other)
	runCommand(t, "copy", "--from="+source, "--to="+other).fails(t, "--to has a history of its own")
	if groups, _ := contentOf(t, other); len(groups) != 1 {
		t.Errorf("there are %d groups, want the one that was there", len(groups))
	}
}

// quiet returns nil if nobody else has a transaction open.
func quiet(ctx context.Context, conn *pgx.Conn) error {
	var busy int
	err := conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'`).Scan(&busy)
	if err == nil && busy > 0 {
		err = fmt.Errorf("%d transactions are still open", busy)
	}
	return err
}

// TestCopyRefuses protects databases from being mixed up.
func TestCopyRefuses(t *testing.T) {
	t.Parallel()
	const foreign = "--to has a history of its own: copy to an empty database"
	push := func(t *testing.T, database string, n int) {
		r := startReplica(t, database)
		defer r.terminate()
		for i := range n {
			put("/metrics/job/j", fmt.Sprintf("m %d\n", i)).run(t, &fleet{urls: []string{r.url}})
		}
	}
	for name, create := range map[string]func(testing.TB) string{"SQLite": newFile, "PostgreSQL": newDatabase} {
		for what, n := range map[string]int{"a shorter history": 1, "a longer one": 4} {
			t.Run(name+" with "+what, func(t *testing.T) {
				t.Parallel()
				source, target := newFile(t), create(t)
				push(t, source, 3)
				push(t, target, n)
				groups, rows := contentOf(t, target)
				runCommand(t, "copy", "--from="+source, "--to="+target).fails(t, foreign)
				groupsAfter, rowsAfter := contentOf(t, target)
				equalContent(t, groupsAfter, groups)
				equalHistory(t, rowsAfter, rows)
			})
		}
		t.Run(name+" with a history that ends before the other begins", func(t *testing.T) {
			t.Parallel()
			source, target := newFile(t), create(t)
			longHistory(t, source, 10, 0, 2)
			r := startReplica(t, source, "--history.retention=1d") // drops all of that
			eventually(t, func() error {
				if rows := model.History(t, source); len(rows) > 0 {
					return fmt.Errorf("the history still has %d rows", len(rows))
				}
				return nil
			})
			r.terminate()
			push(t, source, 3)
			push(t, target, 2)
			runCommand(t, "copy", "--from="+source, "--to="+target).fails(t, "--from has dropped the history that would show whether --to is a copy of it")
			if _, rows := contentOf(t, target); len(rows) != 2 {
				t.Errorf("its history has %d rows, want 2", len(rows))
			}
		})
	}
	t.Run("what is not there or the same", func(t *testing.T) {
		t.Parallel()
		file := newFile(t)
		runCommand(t, "copy", "--from="+file, "--to="+newFile(t)).fails(t, "there is no such file")
		push(t, file, 1)
		runCommand(t, "copy", "--from="+file, "--to="+file).fails(t, "--from and --to are the same database")
		link := strings.Replace(file, "gateway.db", "../"+filepath.Base(filepath.Dir(file))+"/gateway.db", 1)
		runCommand(t, "copy", "--from="+file, "--to="+link).fails(t, "--from and --to are the same database")
	})
	t.Run("PostgreSQL by another name", func(t *testing.T) {
		t.Parallel()
		database := newDatabase(t)
		runCommand(t, "copy", "--from="+database, "--to="+strings.Replace(database, "postgres://", "postgresql://", 1)).
			fails(t, "--from and --to are the same database")
	})
	t.Run("what is in use", func(t *testing.T) {
		t.Parallel()
		file := newFile(t)
		startReplica(t, file)
		runCommand(t, "copy", "--from="+file, "--to="+newFile(t)).fails(t, "--from: ")
		other := newFile(t)
		push(t, other, 1)
		runCommand(t, "copy", "--from="+other, "--to="+file).fails(t, "another gateway is working on it")
	})
}
