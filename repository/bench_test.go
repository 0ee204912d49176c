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
// acknowledgement, on a database that does not wait for its disk.
func BenchmarkPush(b *testing.B) {
	for _, groups := range []int{1, 1000} {
		b.Run(fmt.Sprintf("groups=%d", groups), func(b *testing.B) {
			replicas, _ := newReplicas(b, 1)
			var n atomic.Int64
			b.SetParallelism(32)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := int(n.Add(1))
					if err := push(b, replicas[0], repository.Put, fmt.Sprintf("job/bench/instance/%d", i%groups), body20(i)); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
