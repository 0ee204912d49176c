package api

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/query"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// historyRow is a row of the history in the API. What is not known is left out.
type historyRow struct {
	ID        int64             `json:"id"`
	Time      *string           `json:"time"`
	Job       string            `json:"job,omitempty"`
	Labels    map[string]string `json:"labels"` // null for a wipe
	Method    repository.Method `json:"method"`
	Outcome   string            `json:"outcome"`
	Reason    string            `json:"reason,omitempty"`
	Success   *bool             `json:"success"`
	Affected  int               `json:"affected"`
	Series    int               `json:"series"`
	Bytes     int               `json:"bytes"`
	Client    string            `json:"client,omitempty"`
	Username  string            `json:"username,omitempty"`
	UserAgent string            `json:"user_agent,omitempty"`
	Replica   string            `json:"replica"`
	RequestID string            `json:"request_id,omitempty"`
}

// historyEntry is a row with what was pushed.
type historyEntry struct {
	historyRow
	Families json.RawMessage `json:"families"` // null for nothing
}

const (
	accepted = "accepted"
	rejected = "rejected"
)

func newHistoryRow(r *repository.HistoryRow) historyRow {
	row := historyRow{
		ID: r.Seq, Time: timeText(r.At), Job: r.Key.Job(), Method: r.Method, Outcome: rejected, Reason: r.Reason,
		Success: r.Success, Affected: r.Affected, Series: r.Series, Bytes: r.Bytes, Client: r.Client,
		Username: r.Username, UserAgent: r.UserAgent, Replica: r.Replica, RequestID: r.ID,
	}
	if r.Accepted {
		row.Outcome = accepted
	}
	if row.Job != "" {
		row.Labels = r.Key.Map()
	}
	return row
}

func newHistoryEntry(r *repository.HistoryRow) historyEntry {
	return historyEntry{newHistoryRow(r), r.Families}
}

// historyFilter is which rows of the history a query wants.
type historyFilter struct {
	query           repository.HistoryQuery
	method, outcome string
	selectors       query.Selectors
}

func readHistoryFilter(p *parameters) historyFilter {
	f := historyFilter{
		query:     repository.HistoryQuery{Job: p.text("job"), Since: p.time("since"), Until: p.time("until")},
		method:    p.oneOf("method", "", "PUT", "POST", "DELETE", "WIPE"),
		outcome:   p.oneOf("outcome", "", accepted, rejected),
		selectors: p.selectors(),
	}
	if job, ok := f.selectors.Job(); ok && f.query.Job == "" {
		f.query.Job = job // so that an index finds them
	}
	if job := f.query.Job; !utf8.ValidString(job) || strings.ContainsRune(job, 0) {
		p.fail(fmt.Errorf("job=%q is the name of no job: use UTF-8 without NUL", job)) // which not every database takes as text
	}
	switch {
	case f.outcome == rejected:
		f.query.Only = repository.RejectedRows
	case f.method == "DELETE" || f.method == "WIPE":
		f.query.Only = repository.RemovalRows
	}
	f.query.Families = f.selectors.Named()
	return f
}

// wants reports whether a row is one that the query asks for, beyond what the
// repository looks at.
func (f *historyFilter) wants(r *repository.HistoryRow) bool {
	return (f.method == "" || f.method == string(r.Method)) &&
		(f.outcome == "" || r.Accepted == (f.outcome == accepted)) &&
		f.selectors.Select(r.Key.Get, familyNames(r))
}

// familyNames yields the names of the families that were pushed, as far as the
// history has them.
func familyNames(r *repository.HistoryRow) iter.Seq[string] {
	return func(yield func(string) bool) {
		if r.Families == nil {
			return
		}
		names, err := exposition.DecodeNames(r.Families)
		if err != nil {
			return // what somebody else has written there has no names
		}
		slices.Values(names)(yield)
	}
}

// historyList answers with rows of the history, newest first.
func (s *Server) historyList(c echo.Context) error {
	p := readParameters(c)
	f := readHistoryFilter(p)
	f.query.Limit = p.limit(defaultLimit, maxLimit)
	if cursor := cursorOf(p, query.ParseRowCursor); cursor != nil {
		f.query.After = repository.Place(*cursor)
	}
	if p.err != nil {
		return p.err
	}
	ctx, cancel := deadline(c.Request().Context(), s.opt.ScrapeTimeout)
	defer cancel()
	rows := []historyRow{}
	page, err := s.gateway.Search(ctx, f.query, func(r *repository.HistoryRow) int {
		if !f.wants(r) {
			return 0
		}
		rows = append(rows, newHistoryRow(r))
		return 1
	})
	if err != nil {
		return err
	}
	return respond(c, rows, nextRow(page))
}

// nextRow is the cursor of the page that follows, or nil.
func nextRow(page repository.HistoryPage) fmt.Stringer {
	if page.Next == nil {
		return nil
	}
	return query.RowCursor(*page.Next)
}

// historyEntry answers with a row of the history, and with what was pushed.
func (s *Server) historyEntry(c echo.Context) error {
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil {
		return badData("%s is no number of a row of the history", c.Param("id"))
	}
	ctx, cancel := deadline(c.Request().Context(), s.opt.ScrapeTimeout)
	defer cancel()
	row, ok, err := s.gateway.HistoryRow(ctx, id)
	if err != nil {
		return err
	}
	if !ok {
		return &queryError{http.StatusNotFound, "not_found", fmt.Sprintf("the history has no row %d: it was never there, or is older than --history.retention", id)}
	}
	return respond(c, newHistoryEntry(&row), nil)
}
