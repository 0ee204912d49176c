package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
	"github.com/sqlpushgateway/sqlpushgateway/repository/storetest"
)

// benchmarkBody is a push of 20 series in ten families.
func benchmarkBody(round int) string {
	var b strings.Builder
	for i := range 10 {
		name := fmt.Sprintf("backup_table_%d_rows_total", i)
		fmt.Fprintf(&b, "# HELP %s Rows that the last backup wrote.\n# TYPE %s gauge\n", name, name)
		for j := range 2 {
			fmt.Fprintf(&b, "%s{table=\"t%d\"} %d.5\n", name, j, 1000*i+j+round)
		}
	}
	return b.String()
}

// BenchmarkCatchUp reads groups back and renders them, of 2,000 that are stored.
// PostgreSQL's own time is in it.
func BenchmarkCatchUp(b *testing.B) {
	r := newReplica(b, pgtest.New(b, postgres.Migrate))
	const stored = 2000
	put := func(round, groups int) {
		var paths []string
		for i := range groups {
			paths = append(paths, fmt.Sprintf("job/backup-%d/instance/host-%05d", i%10, (i+round*37)%stored))
		}
		commit := storetest.NewCommit(b, r.epoch, time.Now().Add(time.Minute), repository.Put, benchmarkBody(round), paths...)
		if err := r.Commit(b.Context(), commit); err != nil {
			b.Fatal(err)
		}
	}
	for i := range stored / 100 {
		put(i, 100)
	}
	for _, changed := range []int{0, 1, 100, stored} {
		b.Run(fmt.Sprintf("%d of %d groups", changed, stored), func(b *testing.B) {
			state := exposition.NewState()
			var cursor repository.Cursor
			catchUp := func() {
				position, err := r.CatchUp(b.Context(), cursor, state.Key, state.Apply)
				if err != nil {
					b.Fatal(err)
				}
				state.Snapshot()
				cursor = position.Cursor
			}
			catchUp()
			b.ReportAllocs()
			for round := 0; b.Loop(); round++ {
				b.StopTimer()
				switch changed {
				case 0:
				case stored:
					cursor = nil // as a replica that has just started
				default:
					put(round, changed)
				}
				b.StartTimer()
				catchUp()
			}
		})
	}
}
