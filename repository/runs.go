package repository

import (
	"context"
	"slices"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// Run is a push that was accepted.
type Run struct {
	Seq     int64
	At      time.Time
	Group   exposition.Digest
	Success *bool // the Verdict
}

// JobRuns is what the last runs of a job have in common. As in the view job_runs,
// a push of 0 that a push of 1 follows within an hour is the start of that run.
type JobRuns struct {
	// Runs is how many were looked at, of which some Succeeded and some Failed.
	Runs, Succeeded, Failed int
	// MedianGap is that of the times between them; zero if there are none.
	MedianGap time.Duration
	// LastSuccess and LastFailure are zero if there was none lately.
	LastSuccess, LastFailure time.Time
}

const (
	// statisticRuns is how many runs of a job its statistics are about.
	statisticRuns = 20
	// lastRows is how many rows of a job are looked at for that, since each run may
	// have a start.
	lastRows = 2 * statisticRuns
	// startedWithin is for how long a run may go on after its start.
	startedWithin = time.Hour
)

// JobRuns returns what the history has of the jobs, in their order: of the first of
// them only if it takes long.
func (r *Repository) JobRuns(ctx context.Context, jobs []string) ([]JobRuns, error) {
	if err := r.begun(ctx); err != nil {
		return nil, err
	}
	runs, err := r.store.LastRuns(ctx, jobs, lastRows, searchTime)
	if err != nil {
		return nil, err
	}
	of := make([]JobRuns, len(runs))
	for i := range runs {
		of[i] = statistics(runs[i])
	}
	return of, nil
}

// statistics looks at runs, newest first.
func statistics(runs []Run) (s JobRuns) {
	var last time.Time
	var gaps []time.Duration
	for i, run := range runs {
		failed := run.Success != nil && !*run.Success
		if failed && starts(run, runs[:i]) {
			continue
		}
		if failed && s.LastFailure.IsZero() {
			s.LastFailure = run.At
		}
		succeeded := run.Success != nil && *run.Success
		if succeeded && s.LastSuccess.IsZero() {
			s.LastSuccess = run.At
		}
		if s.Runs == statisticRuns {
			continue
		}
		s.Runs++
		if succeeded {
			s.Succeeded++
		}
		if failed {
			s.Failed++
		}
		if !last.IsZero() {
			gaps = append(gaps, last.Sub(run.At))
		}
		last = run.At
	}
	s.MedianGap = median(gaps)
	return s
}

// starts reports whether one of the later runs is what the push of 0 started.
func starts(run Run, later []Run) bool {
	return slices.ContainsFunc(later, func(l Run) bool {
		return l.Group == run.Group && l.Seq > run.Seq && l.Success != nil && *l.Success && l.At.Sub(run.At) <= startedWithin
	})
}

func median(gaps []time.Duration) time.Duration {
	if len(gaps) == 0 {
		return 0
	}
	slices.Sort(gaps)
	middle := len(gaps) / 2
	if len(gaps)%2 == 1 {
		return gaps[middle]
	}
	return (gaps[middle-1] + gaps[middle]) / 2
}
