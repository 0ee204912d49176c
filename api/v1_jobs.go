package api

import (
	"context"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/query"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// jobRow is a job in the API.
type jobRow struct {
	Job         string  `json:"job"`
	Groups      int     `json:"groups"`
	LastPush    *string `json:"last_push"`
	LastSuccess *string `json:"last_success"`
	LastFailure *string `json:"last_failure"`
	Runs        jobRuns `json:"runs"`
}

// jobRuns are the statistics of a job's last runs.
type jobRuns struct {
	Count            int      `json:"count"`
	Succeeded        int      `json:"succeeded"`
	Failed           int      `json:"failed"`
	MedianGapSeconds *float64 `json:"median_gap_seconds"` // null for less than two runs
}

// job is a job with what its groups have in common.
type job struct {
	name     string
	groups   int
	lastPush time.Time
}

// jobList answers with the jobs that have groups, by name.
func (s *Server) jobList(c echo.Context) error {
	p := readParameters(c)
	limit := p.limit(defaultLimit, maxLimit)
	cursor := cursorOf(p, query.ParseJobCursor)
	if p.err != nil {
		return p.err
	}
	if cursor == nil {
		cursor = &query.JobCursor{}
	}
	ctx, cancel := deadline(c.Request().Context(), s.opt.ScrapeTimeout)
	defer cancel()
	snapshot, err := s.gateway.Snapshot(ctx, false)
	if err != nil {
		return unavailable(err)
	}
	jobs, err := findJobs(ctx, snapshot, cursor.Job, limit+1) // one more tells whether there are more
	if err != nil {
		return unavailable(err)
	}
	names := make([]string, min(len(jobs), limit))
	for i := range names {
		names[i] = jobs[i].name
	}
	runs, err := s.gateway.JobRuns(ctx, names)
	if err != nil {
		return err
	}
	rows := make([]jobRow, len(runs))
	for i := range runs {
		rows[i] = newJobRow(jobs[i], runs[i])
	}
	if len(runs) == len(jobs) {
		return respond(c, rows, nil)
	}
	return respond(c, rows, query.JobCursor{Job: names[len(runs)-1]})
}

func newJobRow(j *job, r repository.JobRuns) jobRow {
	row := jobRow{
		Job: j.name, Groups: j.groups, LastPush: timeText(j.lastPush),
		LastSuccess: timeText(r.LastSuccess), LastFailure: timeText(r.LastFailure),
		Runs: jobRuns{Count: r.Runs, Succeeded: r.Succeeded, Failed: r.Failed},
	}
	if r.Runs > 1 {
		row.Runs.MedianGapSeconds = new(r.MedianGap.Seconds())
	}
	return row
}

// findJobs returns the first jobs, by name, that come after one. The groups of a
// job do not stand together: those without other labels come before those of
// jobs whose names are longer.
func findJobs(ctx context.Context, s *exposition.Snapshot, after string, limit int) ([]*job, error) {
	found := newTop(limit, func(a, b *job) int { return strings.Compare(a.name, b.name) })
	byName := map[string]*job{}
	for i := 0; i < s.Len(); {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		name, next := s.At(i).Job(), s.SkipJob(i)
		j := byName[name]
		if j == nil && name > after && found.has(&job{name: name}) {
			j = &job{name: name}
			if dropped, ok := found.add(j); ok {
				delete(byName, dropped.name)
			}
			byName[name] = j
		}
		if j != nil {
			j.groups += next - i
			for ; i < next; i++ {
				if at := s.At(i).PushTime(); at.After(j.lastPush) {
					j.lastPush = at
				}
			}
		}
		i = next
	}
	return found.sorted(), nil
}
