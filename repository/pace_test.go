package repository

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Steps of a search use the time that there is, and do not begin what takes longer.
func TestPaceOfASearch(t *testing.T) {
	t.Parallel()
	const first, most = 64, 5 // first step, and how many at most
	tests := []struct {
		name  string
		start time.Duration // of the first step, beside
		each  time.Duration // of which a step is as many as it is large
		want  []int
	}{
		{"what costs nothing grows to the largest step", 0, 0, []int{64, 128, 256, 256, 256}},
		{"the last step is as large as there is time for", 0, 62500 * time.Nanosecond, []int{64, 128, 128}},
		{"a step that would be too small does not begin", 0, 137500 * time.Nanosecond, []int{64, 81}},
		{"a first step that takes all of the time is the only one", searchTime, 0, []int{64}},
		{"a first step that takes more than the time is the only one", 10 * searchTime, time.Millisecond, []int{64}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var got []int
				p := newPace(first)
				for step := first; step > 0 && len(got) < most; step = p.next() {
					time.Sleep(time.Duration(step) * test.each)
					if len(got) == 0 {
						time.Sleep(test.start)
					}
					got = append(got, step)
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("steps %v, want %v", got, test.want)
				}
			})
		})
	}
}
