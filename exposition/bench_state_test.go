package exposition

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"
	"time"
)

// benchmarkGroups is 10,000 groups of 20 series in 10 families.
func benchmarkGroups(b *testing.B) []Group {
	groups := make([]Group, 10_000)
	for i := range groups {
		groups[i] = largeGroup(b, i, 1)
	}
	return groups
}

func benchmarkState(b *testing.B) *State {
	s := NewState()
	s.Apply(Change{Groups: benchmarkGroups(b)})
	if err := s.Snapshot().WriteExposition(io.Discard, Encoding{Gzip: true}); err != nil {
		b.Fatal(err)
	}
	return s
}

// changed returns n groups spread over jobs and hosts, with the values and times of a
// push.
func changed(b *testing.B, n, round int) Change {
	var c Change
	for i := range n {
		g := largeGroup(b, (i*101+round*37)%10_000, 1+float64(round)/8)
		g.PushTime = g.PushTime.Add(time.Duration(round+1) * time.Second)
		c.Groups = append(c.Groups, g)
	}
	return c
}

func BenchmarkApply(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("%d of 10000 groups", n), func(b *testing.B) {
			s := benchmarkState(b)
			b.ReportAllocs()
			round := 0
			for b.Loop() {
				b.StopTimer()
				c := changed(b, n, round)
				round++
				b.StartTimer()
				s.Apply(c)
				s.Snapshot()
			}
		})
	}
	b.Run("load of 10000 groups", func(b *testing.B) {
		groups := benchmarkGroups(b)
		b.ReportAllocs()
		for b.Loop() {
			s := NewState()
			for part := range slices.Chunk(groups, 100) {
				s.Apply(Change{Groups: part})
			}
			s.Snapshot()
		}
	})
}

func BenchmarkWriteExposition(b *testing.B) {
	s := benchmarkState(b)
	stats := s.Snapshot().Stats()
	for _, enc := range []Encoding{{}, {Gzip: true}} {
		b.Run(fmt.Sprintf("gzip=%t, nothing changed", enc.Gzip), func(b *testing.B) {
			var written counter
			b.ReportAllocs()
			b.SetBytes(int64(stats.Bytes))
			for b.Loop() {
				written = 0
				if err := s.Snapshot().WriteExposition(&written, enc); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(written), "wire-bytes")
		})
	}
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("gzip=true, %d groups changed", n), func(b *testing.B) {
			b.ReportAllocs()
			round := 0
			for b.Loop() {
				b.StopTimer()
				s.Apply(changed(b, n, round))
				round++
				b.StartTimer()
				if err := s.Snapshot().WriteExposition(io.Discard, Encoding{Gzip: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRender renders a group of 20 series.
func BenchmarkRender(b *testing.B) {
	g := largeGroup(b, 1, 1)
	for name, render := range map[string]func([]byte, *Family, *GroupingKey) []byte{"text": appendText, "protobuf": appendProto} {
		b.Run(name, func(b *testing.B) {
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = dst[:0]
				for i := range g.Families {
					dst = render(dst, &g.Families[i], &g.Key)
				}
			}
			b.SetBytes(int64(len(dst)))
		})
	}
}

// BenchmarkCheckNames checks a push beside 10,000 groups.
func BenchmarkCheckNames(b *testing.B) {
	s, g := benchmarkState(b), largeGroup(b, 1, 2)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.CheckNames(g.Key, true, g.Families); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemory reports what a state of 10,000 groups holds, compressed form
// included.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := benchmarkState(b)
		runtime.GC()
		runtime.GC() // empties the pools too
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc), "heap-bytes")
		b.ReportMetric(float64(s.Snapshot().Stats().Bytes), "text-bytes")
		b.ReportMetric(float64(len(s.text.shown)), "leaves")
		runtime.KeepAlive(s)
	}
}

// counter counts what is written.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
