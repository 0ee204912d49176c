package api

import (
	"context"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/query"
)

// groupRow is a group in the API.
type groupRow struct {
	Job      string            `json:"job"`
	Labels   map[string]string `json:"labels"`
	PushedAt *string           `json:"pushed_at"`
	FailedAt *string           `json:"failed_at"`
	Families []groupFamily     `json:"families"`
}

type groupFamily struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Metrics int    `json:"metrics"`
}

func newGroupRow(g exposition.GroupView) groupRow {
	summary := g.Summary()
	row := groupRow{
		Job: summary.Key.Job(), Labels: summary.Key.Map(),
		PushedAt: timeText(summary.PushTime), FailedAt: timeText(summary.PushFailureTime),
		Families: make([]groupFamily, len(summary.Families)),
	}
	for i, f := range summary.Families {
		row.Families[i] = groupFamily{f.Name, f.Type.String(), f.Metrics}
	}
	return row
}

// groupOrder is an order of groups: by a time, if there is one, and by key.
type groupOrder struct {
	name       string
	time       func(exposition.GroupView) time.Time
	descending bool
}

func readGroupOrder(p *parameters) groupOrder {
	name := p.oneOf("sort", "job", "-job", "pushed_at", "-pushed_at", "failed_at", "-failed_at")
	field, descending := strings.CutPrefix(name, "-")
	order := groupOrder{name: name, descending: descending}
	switch field {
	case "pushed_at":
		order.time = exposition.GroupView.PushTime
	case "failed_at":
		order.time = exposition.GroupView.PushFailureTime
	}
	return order
}

// place is that of a group in the order.
func (o groupOrder) place(g exposition.GroupView) query.GroupCursor {
	c := query.GroupCursor{Sort: o.name, Key: g.Key()}
	if o.time != nil {
		c.At = o.time(g)
	}
	return c
}

func (o groupOrder) compare(a, b exposition.GroupView) int {
	order := 0
	if o.time != nil {
		order = o.time(a).Compare(o.time(b))
	}
	if order == 0 {
		order = a.Compare(b)
	}
	if o.descending {
		return -order
	}
	return order
}

// after reports whether a group comes after a place.
func (o groupOrder) after(g exposition.GroupView, c *query.GroupCursor) bool {
	order := 0
	if o.time != nil {
		order = o.time(g).Compare(c.At)
	}
	if order == 0 {
		order = g.Key().Compare(c.Key)
	}
	return o.descending && order < 0 || !o.descending && order > 0
}

// groupFilter is which groups a query wants.
type groupFilter struct {
	selectors query.Selectors
	part      string // of the value of any label, in lower case
}

func (f *groupFilter) wants(g exposition.GroupView) bool {
	if f.part != "" && !g.Contains(f.part) {
		return false
	}
	return len(f.selectors) == 0 || f.selectors.Select(g.Key().Get, g.FamilyNames())
}

// groupList answers with groups and the names of their families.
func (s *Server) groupList(c echo.Context) error {
	p := readParameters(c)
	filter := groupFilter{selectors: p.selectors(), part: strings.ToLower(p.text("q"))}
	order := readGroupOrder(p)
	after := cursorOf(p, func(text string) (query.GroupCursor, error) { return query.ParseGroupCursor(text, order.name) })
	limit := p.limit(defaultLimit, maxLimit)
	if p.err != nil {
		return p.err
	}
	ctx, cancel := deadline(c.Request().Context(), s.opt.ScrapeTimeout)
	defer cancel()
	snapshot, err := s.gateway.Snapshot(ctx, false)
	if err != nil {
		return unavailable(err)
	}
	find := findGroups
	if order.time != nil {
		find = findGroupsByTime
	}
	groups, next, err := find(ctx, snapshot, order, after, filter.wants, limit)
	if err != nil {
		return unavailable(err)
	}
	rows := make([]groupRow, len(groups))
	for i, g := range groups {
		rows[i] = newGroupRow(g)
	}
	if next == nil {
		return respond(c, rows, nil)
	}
	return respond(c, rows, next)
}

// Groups are looked at for some time, or until somebody does not wait any more,
// which is looked up now and then.
const (
	groupTime    = 25 * time.Millisecond
	groupsAtOnce = 512
)

// findGroups returns the first groups by key that come after a place and are wanted,
// and the place after which there may be more. It returns fewer than limit if finding
// them takes long.
func findGroups(ctx context.Context, s *exposition.Snapshot, order groupOrder, after *query.GroupCursor,
	wants func(exposition.GroupView) bool, limit int) (found []exposition.GroupView, next *query.GroupCursor, err error) {
	first, step := 0, 1
	if order.descending {
		first, step = s.Len()-1, -1
	}
	if after != nil {
		if first = s.Search(after.Key); order.descending {
			first--
		} else if first < s.Len() && !order.after(s.At(first), after) {
			first++
		}
	}
	begun := time.Now()
	for i, n := first, 1; i >= 0 && i < s.Len(); i, n = i+step, n+1 {
		late := n%groupsAtOnce == 0 && time.Since(begun) > groupTime
		if len(found) == limit || late {
			last := order.place(s.At(i - step))
			return found, &last, context.Cause(ctx)
		}
		if g := s.At(i); wants(g) {
			found = append(found, g)
		}
	}
	return found, nil, nil
}

// findGroupsByTime is findGroups for an order that is not that of the keys, for which
// all groups are looked at.
func findGroupsByTime(ctx context.Context, s *exposition.Snapshot, order groupOrder, after *query.GroupCursor,
	wants func(exposition.GroupView) bool, limit int) ([]exposition.GroupView, *query.GroupCursor, error) {
	found := newTop(limit+1, order.compare) // one more tells whether there are more
	for i := range s.Len() {
		if i%groupsAtOnce == 0 && ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		if g := s.At(i); (after == nil || order.after(g, after)) && found.has(g) && wants(g) {
			found.add(g)
		}
	}
	groups := found.sorted()
	if len(groups) <= limit {
		return groups, nil, nil
	}
	last := order.place(groups[limit-1])
	return groups[:limit], &last, nil
}
