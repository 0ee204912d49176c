package postgres

import (
	"math"
	"testing"
)

// Of a server's transactions those between the store's own are of others.
func TestShareOfTransactions(t *testing.T) {
	t.Parallel()
	every := func(step int64) func(i int64) int64 { return func(i int64) int64 { return 1000 + i*step } }
	tests := []struct {
		name   string
		number func(i int64) int64 // of the commit i
		want   float64
	}{
		{"who is alone has all", every(1), 1},
		{"one of two has half", every(2), 1.0 / 2},
		{"one of six has a sixth", every(6), 1.0 / 6},
		{"one of many has a little", every(1_000_000), 1.0 / maxStep},
		{"answers may come in another order", func(i int64) int64 { return 1000 + i ^ 1 }, 1},
		{"a server whose numbers begin anew is as good as the one before", func(i int64) int64 { return 1 + (i*3+900_000)%1_000_000 }, 1.0 / 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var s share
			if got := s.share(); got != 1 {
				t.Errorf("before the first commit the share is %v, want 1", got)
			}
			for i := range int64(50_000) {
				s.committed(test.number(i))
			}
			if got := s.share(); math.Abs(got-test.want) > 0.05 {
				t.Errorf("share %.3f, want %.3f", got, test.want)
			}
		})
	}
}
