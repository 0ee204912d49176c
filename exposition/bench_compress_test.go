package exposition

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// batchGroup is a group as a batch job pushes it: gauges, counters with a label
// of their own and a histogram, all with values that compress badly.
func batchGroup(t testing.TB, i int, r *rand.Rand) Group {
	t.Helper()
	var b strings.Builder
	for _, name := range []string{"last_success_timestamp_seconds", "duration_seconds", "peak_memory_bytes", "queue_length", "input_age_seconds"} {
		fmt.Fprintf(&b, "# TYPE batch_%s gauge\nbatch_%s %v\n", name, name, float64(r.IntN(1e6))/float64(1+r.IntN(9)))
	}
	for _, name := range []string{"items_processed", "bytes", "requests", "retries"} {
		fmt.Fprintf(&b, "# TYPE batch_%s_total counter\n", name)
		for _, kind := range []string{"internal", "external"} {
			fmt.Fprintf(&b, "batch_%s_total{kind=%q} %d\n", name, kind, r.IntN(1e6))
		}
	}
	b.WriteString("# TYPE batch_item_duration_seconds histogram\n")
	count := 0
	for _, bound := range []string{"0.01", "0.1", "1", "10", "+Inf"} {
		count += r.IntN(1e6)
		fmt.Fprintf(&b, "batch_item_duration_seconds_bucket{le=%q} %d\n", bound, count)
	}
	fmt.Fprintf(&b, "batch_item_duration_seconds_sum %v\nbatch_item_duration_seconds_count %d\n", float64(count)*1.7, count)
	families, err := ParseText(strings.NewReader(b.String()), LegacyNames)
	if err != nil {
		t.Fatal(err)
	}
	key := testKey(t, "job", "batch", "instance", fmt.Sprintf("host-%04d", i))
	return Group{Key: key, PushTime: time.Unix(1.7e9, r.Int64N(1e12)), Families: families}
}

// BenchmarkCompress compresses an exposition of 10,000 groups of which nothing
// is compressed yet, or all but a hundred groups.
func BenchmarkCompress(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	change := func(groups int) (c Change) {
		for i := range groups {
			if groups < 10_000 {
				i = r.IntN(10_000)
			}
			c.Groups = append(c.Groups, batchGroup(b, i, r))
		}
		return c
	}
	s := NewState()
	s.EnableProtobuf()
	all := change(10_000)
	all.Reset = true
	s.Apply(all)
	for _, enc := range []Encoding{{Gzip: true}, {Gzip: true, Protobuf: true}} {
		leaves := func() sequence { return s.Snapshot().leaves(enc) }
		name := map[bool]string{false: "text", true: "protobuf"}[enc.Protobuf]
		size := 0
		b.Run(name+", all", func(b *testing.B) {
			q, length := leaves(), 0
			for _, l := range q {
				length += len(l.text)
			}
			b.SetBytes(int64(length))
			b.ReportAllocs()
			for b.Loop() {
				for _, l := range q {
					l.packed.Store(nil)
				}
				size = len(q.gzip(enc.deflateCode()))
			}
			b.ReportMetric(float64(size), "wire-bytes")
		})
		b.Run(name+", 100 groups", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				s.Apply(change(100))
				q := leaves()
				b.StartTimer()
				size = len(q.gzip(enc.deflateCode()))
			}
			b.ReportMetric(float64(size), "wire-bytes")
		})
	}
}
