package repository_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// body20 is a push of 20 series, whose values depend on i.
func body20(i int) string {
	var b strings.Builder
	for f := range 10 {
		fmt.Fprintf(&b, "# HELP batch_metric_%d Some help for the metric.\n# TYPE batch_metric_%d gauge\n", f, f)
		for s := range 2 {
			fmt.Fprintf(&b, "batch_metric_%d{stage=\"stage_%d\"} %d.5\n", f, s, i+f)
		}
	}
	return b.String()
}

// BenchmarkPush measures pushes of 64 clients, from parsed families to their
// acknowledgement. PostgreSQL does not wait for its disk here, SQLite does.
func BenchmarkPush(b *testing.B) {
	for name, create := range databases {
		for _, groups := range []int{1, 1000} {
			b.Run(fmt.Sprintf("%s/groups=%d", name, groups), func(b *testing.B) { benchmarkPush(b, create(b), groups) })
		}
	}
}

func benchmarkPush(b *testing.B, d database, groups int) {
	replica := start(b, d.open(b))
	var n atomic.Int64
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := int(n.Add(1))
			if err := push(b, replica, repository.Put, fmt.Sprintf("job/bench/instance/%d", i%groups), body20(i)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
