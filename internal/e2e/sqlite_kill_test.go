package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestKilledOnSQLite protects what was acknowledged from kill -9 in the middle
// of a stream of pushes: after each of 50 the exposition and the history have
// all of it, and of what was in flight all or nothing.
func TestKilledOnSQLite(t *testing.T) {
	t.Parallel()
	database := newFile(t)
	db := openFile(t, database)
	counters := make([]*counter, 8)
	for i := range counters {
		counters[i] = &counter{t: t, job: fmt.Sprintf("counter%d", i), stored: map[string]int{}}
	}
	for range 50 {
		r := startReplica(t, database, patient...)
		checkCounters(t, r, db, counters)
		killUnderLoad(t, r, counters)
	}
	checkCounters(t, startReplica(t, database), db, counters)
	total := 0
	for _, c := range counters {
		total += c.acknowledged
	}
	t.Logf("%d requests were acknowledged", total)
}

// killUnderLoad kills the gateway when it has acknowledged some requests and is
// at work on more.
func killUnderLoad(t *testing.T, r *replica, counters []*counter) {
	t.Helper()
	var acknowledged atomic.Int64
	var clients sync.WaitGroup
	for _, c := range counters {
		clients.Go(func() { c.run(t.Context(), r.url, &acknowledged) })
	}
	enough := 16 + rand.Int64N(48)
	eventually(t, func() error {
		if n := acknowledged.Load(); n < enough {
			return fmt.Errorf("%d requests are acknowledged and no more, want %d", n, enough)
		}
		return nil
	})
	r.kill()
	clients.Wait()
}

// counter is a client with a group of its own. Its n-th request sets all
// metrics of the group to n; each seventh deletes it.
type counter struct {
	t            *testing.T
	job          string
	acknowledged int            // requests so far
	sent         int            // one more, if one was not answered
	stored       map[string]int // rows of the history by User-Agent
}

// metricsPerCounter is how many a group has, each of a family of its own.
const metricsPerCounter = 3

// shows is the value of all metrics after the n-th request; 0 is none.
func (c *counter) shows(n int) int {
	if n%7 == 0 {
		return 0
	}
	return n
}

func (c *counter) agent(n int) string { return fmt.Sprintf("%s/%d", c.job, n) }

// run sends requests until one is not answered.
func (c *counter) run(ctx context.Context, url string, acknowledged *atomic.Int64) {
	for {
		c.sent = c.acknowledged + 1
		method, want := http.MethodPut, http.StatusOK
		var body strings.Builder
		if c.shows(c.sent) == 0 {
			method, want = http.MethodDelete, http.StatusAccepted
		} else {
			for i := range metricsPerCounter {
				fmt.Fprintf(&body, "part%d %d\n", i, c.sent)
			}
		}
		code, answer, err := request(ctx, method, url+"/metrics/job/"+c.job, body.String(), "User-Agent", c.agent(c.sent))
		if err != nil {
			return
		}
		if code != want {
			c.t.Errorf("request %d of %s: %d %s", c.sent, c.job, code, answer)
			return
		}
		c.acknowledged = c.sent
		acknowledged.Add(1)
	}
}

var counterLine = regexp.MustCompile(`(?m)^part\d\{instance="",job="(counter\d)"\} (\d+)$`)

// checkCounters compares what is exposed and stored with what was answered.
func checkCounters(t *testing.T, r *replica, db *sql.DB, counters []*counter) {
	t.Helper()
	checkSound(t, db)
	exposed := map[string][]string{}
	for _, m := range counterLine.FindAllStringSubmatch(r.scrape(), -1) {
		exposed[m[1]] = append(exposed[m[1]], m[2])
	}
	rows := historyByJob(t, db)
	for _, c := range counters {
		if err := c.check(exposed[c.job], rows[c.job]); err != nil {
			t.Fatalf("%s, of which %d requests were acknowledged and %d sent: %v", c.job, c.acknowledged, c.sent, err)
		}
	}
	var differ int
	if err := db.QueryRow(groupsDifferSQL).Scan(&differ); err != nil || differ > 0 {
		t.Fatalf("%d groups are not what their last rows in the history say: %v", differ, err)
	}
}

const groupsDifferSQL = `SELECT count(*) FROM push_group g
	LEFT JOIN push_history h ON h.seq = (SELECT max(seq) FROM push_history WHERE key = g.key)
	WHERE h.method IS NOT 'PUT' OR h.families IS NOT g.families OR h.at IS NOT g.pushed_at`

// historyByJob returns how many rows each job has of each User-Agent.
func historyByJob(t *testing.T, db *sql.DB) map[string]map[string]int {
	t.Helper()
	found, err := db.Query(`SELECT job, user_agent FROM push_history`)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	rows := map[string]map[string]int{}
	for found.Next() {
		var job, agent string
		if err := found.Scan(&job, &agent); err != nil {
			t.Fatal(err)
		}
		if rows[job] == nil {
			rows[job] = map[string]int{}
		}
		rows[job][agent]++
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// check returns an error if not all that was acknowledged is there. The request
// that was not answered becomes an acknowledged one if it was made.
func (c *counter) check(exposed []string, rows map[string]int) error {
	if c.sent > c.acknowledged && rows[c.agent(c.sent)] > 0 {
		c.acknowledged = c.sent
	}
	for n := len(c.stored) + 1; n <= c.acknowledged; n++ {
		c.stored[c.agent(n)] = 1
	}
	c.sent = c.acknowledged
	if !maps.Equal(rows, c.stored) {
		return fmt.Errorf("the history has %d requests, %v", len(rows), rows)
	}
	var want []string
	if n := c.shows(c.acknowledged); n > 0 {
		for range metricsPerCounter {
			want = append(want, fmt.Sprint(n))
		}
	}
	if fmt.Sprint(exposed) != fmt.Sprint(want) {
		return fmt.Errorf("exposed are %s, want %s", exposed, want)
	}
	return nil
}
