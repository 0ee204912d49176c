package api

import (
	"context"
	"fmt"
	"slices"
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

// compare tells which group comes first. Keys are looked at only if they matter:
// most of all groups are compared, and what they point to is not in a CPU's caches.
func (o groupOrder) compare(a, b exposition.GroupView) int {
	if o.time != nil {
		if order := o.time(a).Compare(o.time(b)); order != 0 {
			return o.directed(order)
		}
	}
	return o.directed(a.Key().Compare(b.Key()))
}

// precedes reports whether a group is not after the place, in an order by a time.
func (o groupOrder) precedes(g exposition.GroupView, place query.GroupCursor) bool {
	order := o.directed(o.time(g).Compare(place.At))
	return order < 0 || order == 0 && o.directed(g.Key().Compare(place.Key)) <= 0
}

// directed turns an order round if it is descending.
func (o groupOrder) directed(order int) int {
	if o.descending {
		return -order
	}
	return order
}

// groupFilter is which groups a query wants.
type groupFilter struct {
	selectors query.Selectors
	part      string // of the value of any label, in lower case
}

func (f *groupFilter) wants(g exposition.GroupView) bool {
	return (f.part == "" || slices.ContainsFunc(g.Labels(), f.has)) && f.selectors.Select(g.Label, g.FamilyNames())
}

func (f *groupFilter) has(l exposition.Label) bool {
	return strings.Contains(strings.ToLower(l.Value), f.part)
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
	// One more tells whether there are more.
	groups, err := findGroups(ctx, snapshot, order, after, filter.wants, limit+1)
	if err != nil {
		return unavailable(err)
	}
	var next fmt.Stringer
	if len(groups) > limit {
		groups = groups[:limit]
		next = order.place(groups[limit-1])
	}
	rows := make([]groupRow, len(groups))
	for i, g := range groups {
		rows[i] = newGroupRow(g)
	}
	return respond(c, rows, next)
}

// findGroups returns the first groups in an order that come after a place and are
// wanted.
func findGroups(ctx context.Context, s *exposition.Snapshot, order groupOrder, after *query.GroupCursor,
	wants func(exposition.GroupView) bool, limit int) ([]exposition.GroupView, error) {
	first, step := 0, 1
	if order.descending && order.time == nil {
		first, step = s.Len()-1, -1
	}
	if after != nil && order.time == nil {
		first = s.Search(after.Key)
		if order.descending {
			first--
		} else if first < s.Len() && s.At(first).Key().Compare(after.Key) == 0 {
			first++
		}
		after = nil
	}
	found := newTop(limit, order.compare)
	for i := first; i >= 0 && i < s.Len(); i += step {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		g := s.At(i)
		if after != nil && order.precedes(g, *after) {
			continue
		}
		if found.has(g) && wants(g) {
			found.add(g)
		} else if order.time == nil && found.full() {
			break
		}
	}
	return found.sorted(), nil
}
