package model

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// Traffic makes random requests that often meet: few jobs with changing label
// names, few metric names with changing types.
type Traffic struct {
	*rand.Rand
	// Wipes is how many of 100 requests are wipes.
	Wipes int
}

// NewTraffic returns the traffic of a seed.
func NewTraffic(seed uint64) Traffic { return Traffic{Rand: rand.New(rand.NewPCG(seed, 1))} }

// Request is what a client asks for.
type Request struct {
	Method    repository.Method
	Path      string // of the grouping key: job/a/x/1
	Recursive bool   // of a Delete
	Body      string // in the text format; it can be parsed
}

func (r Request) String() string {
	if r.Recursive {
		return fmt.Sprintf("recursive %s %s", r.Method, r.Path)
	}
	return fmt.Sprintf("%s %s\n%s", r.Method, r.Path, r.Body)
}

// Next returns the next request.
func (t Traffic) Next() Request {
	switch n := t.IntN(100); {
	case n < t.Wipes:
		return Request{Method: repository.Wipe}
	case n < t.Wipes+4:
		return Request{Method: repository.Delete, Path: t.path(), Recursive: true}
	case n < 18:
		return Request{Method: repository.Delete, Path: t.path()}
	}
	return Request{Method: Pick(t, repository.Put, repository.Post), Path: t.path(), Body: t.body()}
}

// Pick returns one of from.
func Pick[T any](t Traffic, from ...T) T { return from[t.IntN(len(from))] }

func (t Traffic) path() string {
	path := "job/" + Pick(t, "a", "b")
	for _, label := range []string{"x", "y", "instance"} {
		if t.IntN(3) == 0 {
			path += "/" + label + "/" + Pick(t, "1", "2")
		}
	}
	if t.IntN(12) == 0 {
		path += "/instance@base64/="
	}
	return path
}

// body returns a random body that can be parsed.
func (t Traffic) body() string {
	for {
		body := t.anyBody()
		if _, err := exposition.ParseText(strings.NewReader(body), exposition.LegacyNames); err == nil {
			return body
		}
	}
}

func (t Traffic) anyBody() string {
	var b strings.Builder
	names := []string{"m", "n", "h", "h_count", "s", "s_sum"}
	t.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names[:t.IntN(3)] {
		typ := Pick(t, "gauge", "gauge", "gauge", "counter")
		if name == "h" {
			typ = Pick(t, "histogram", "gauge")
		}
		if name == "s" {
			typ = "summary"
		}
		if t.IntN(3) == 0 {
			fmt.Fprintf(&b, "# HELP %s Help %d.\n", name, t.IntN(3))
		}
		fmt.Fprintf(&b, "# TYPE %s %s\n", name, typ)
		labels := Pick(t, "", `{x="1"}`, `{y="2"}`, `{instance="1"}`, `{z="3"}`)
		switch typ {
		case "histogram", "summary":
			fmt.Fprintf(&b, "%s_sum%s %d\n%s_count%s %d\n", name, labels, t.IntN(100), name, labels, t.IntN(100))
		default:
			fmt.Fprintf(&b, "%s%s %d\n", name, labels, t.IntN(100))
		}
	}
	return b.String()
}
