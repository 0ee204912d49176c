package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// upsertScript writes as many bytes as a push has, which differ at both ends:
// what an update leaves as it was at either is not in PostgreSQL's log.
const upsertScript = `\set id random(1, %d)
\set value random(100000000, 999999999)
INSERT INTO upsert VALUES (:id, :value::text || :body::text || :value::text)
ON CONFLICT (id) DO UPDATE SET body = excluded.body;
`

// pgbenchSection compares pushes of one client with what PostgreSQL's own
// benchmark needs for the simplest statement that could store them.
func (b *bench) pgbenchSection(ctx context.Context) error {
	database, err := b.ours.postgres(ctx, b.plan.groups)
	if err != nil {
		return err
	}
	upserts, err := b.ours.upsertTable(ctx, b.plan.groups)
	if err != nil {
		return err
	}
	var pushes, limit []pushed
	for range b.plan.rounds {
		p, err := b.loadOne(ctx, database, load{traffic: plain(b.plan.groups), clients: 1})
		if err != nil {
			return err
		}
		u, err := b.ours.pgbench(ctx, upserts, b.plan.groups, b.plan.time)
		if err != nil {
			return err
		}
		progress("push p50 %s ms, upsert p50 %s ms", millis(p.p50), millis(u.p50))
		pushes, limit = append(pushes, p), append(limit, u)
	}
	push, upsert := median(pushes), median(limit)
	t := table{{"1 client, " + thousands(b.plan.groups) + " groups or rows", "per second", "p50 ms", "p99 ms", "CPU ms of PostgreSQL"}}
	t.add("pushes to 1 replica", perSecond(push.rate), millis(push.p50), millis(push.p99), millis(push.cost.database))
	t.add("upserts by pgbench", perSecond(upsert.rate), millis(upsert.p50), millis(upsert.p99), millis(upsert.cost.database))
	t.print()
	b.atMost(4, float64(push.p50), float64(upsert.p50), "1 client: p50 of a push, and of a pgbench upsert of as many bytes", millis(push.p50)+" ms", millis(upsert.p50)+" ms")
	return nil
}

// upsertTable makes a database with the table that pgbench works on.
func (o *ours) upsertTable(ctx context.Context, rows int) (string, error) {
	url, err := o.empty(ctx)
	if err != nil {
		return "", err
	}
	return url, o.query(ctx, url, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `CREATE TABLE upsert (id integer PRIMARY KEY, body text NOT NULL) WITH (fillfactor = 60)`)
		if err == nil {
			_, err = conn.Exec(ctx, `INSERT INTO upsert SELECT id, $1 FROM generate_series(1, $2::integer) id`, string(body(0)), rows)
		}
		return err
	})
}

// pgbench runs upserts of one client.
func (o *ours) pgbench(ctx context.Context, url string, rows int, duration time.Duration) (pushed, error) {
	dir, err := os.MkdirTemp(o.dir, "pgbench")
	if err != nil {
		return pushed{}, err
	}
	script := filepath.Join(dir, "upsert.sql")
	if err := os.WriteFile(script, fmt.Appendf(nil, upsertScript, rows), 0o600); err != nil {
		return pushed{}, err
	}
	length := int(math.Ceil(duration.Seconds()))
	cmd := exec.CommandContext(ctx, o.cluster.Program("pgbench"), "-n", "-M", "prepared", "-c", "1", "-T", strconv.Itoa(length),
		"-l", "-f", script, "-D", "body="+string(body(0)[2*len("123456789"):]), url)
	cmd.Dir = dir
	before, err := treeTime(o.cluster.PID())
	if err != nil {
		return pushed{}, err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return pushed{}, fmt.Errorf("pgbench, of PostgreSQL's contributed programs: %w\n%s", err, out)
	}
	after, err := treeTime(o.cluster.PID())
	if err != nil {
		return pushed{}, err
	}
	latencies, err := pgbenchLatencies(dir)
	if err != nil {
		return pushed{}, err
	}
	n := len(latencies)
	return pushed{
		count: n, rate: float64(n) / float64(length), p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99),
		cost: costs{database: (after - before) / time.Duration(n)},
	}, nil
}

// pgbenchLatencies reads, sorted, how long each transaction took, in
// microseconds the third field of a line of the log.
func pgbenchLatencies(dir string) ([]time.Duration, error) {
	logs, err := filepath.Glob(filepath.Join(dir, "pgbench_log.*"))
	if err != nil {
		return nil, err
	}
	var latencies []time.Duration
	for _, log := range logs {
		text, err := os.ReadFile(log)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) < 3 {
				return nil, fmt.Errorf("pgbench logged %q", line)
			}
			n, err := strconv.Atoi(fields[2])
			if err != nil {
				return nil, fmt.Errorf("pgbench logged %q", line)
			}
			latencies = append(latencies, time.Duration(n)*time.Microsecond)
		}
	}
	if len(latencies) == 0 {
		return nil, errors.New("pgbench logged nothing")
	}
	slices.Sort(latencies)
	return latencies, nil
}
