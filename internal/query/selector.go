package query

import (
	"fmt"
	"iter"
	"regexp/syntax"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

const (
	// maxSelectorBytes bounds the selectors of a request together.
	maxSelectorBytes = 4096
	// maxProgram bounds the instructions of a regular expression, and so what it
	// costs to look for it: a short one like (a{500}){2} can have many.
	maxProgram = 10_000
)

// Selectors are those of the match[] parameters of a request. Something is
// selected that one of them selects, and everything is if there are none. They
// are safe for concurrent use.
type Selectors []Selector

// Selector is a selector in Prometheus' form, such as
// backup_rows{job=~"backup.*"}. A label that something lacks is empty.
type Selector struct {
	names  []*labels.Matcher // of the name of a metric family
	labels []*labels.Matcher
}

// ParseSelectors reads selectors with Prometheus' own parser.
func ParseSelectors(texts []string) (Selectors, error) {
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	if size > maxSelectorBytes {
		return nil, fmt.Errorf("match[]: the selectors have more than %d bytes: use fewer or shorter ones", maxSelectorBytes)
	}
	selectors := make(Selectors, 0, len(texts))
	for _, text := range texts {
		matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(text)
		if err != nil {
			return nil, fmt.Errorf("match[]=%s is no selector like up{job=\"backup\"}: %s", text, oneLine(err.Error()))
		}
		if err := checkSize(matchers); err != nil {
			return nil, err
		}
		selectors = append(selectors, newSelector(matchers))
	}
	return selectors, nil
}

func checkSize(matchers []*labels.Matcher) error {
	for _, m := range matchers {
		if m.Type != labels.MatchRegexp && m.Type != labels.MatchNotRegexp {
			continue
		}
		parsed, err := syntax.Parse(m.Value, syntax.Perl)
		if err != nil {
			return fmt.Errorf("match[]: %s: %w", m, err)
		}
		program, err := syntax.Compile(parsed.Simplify())
		if err != nil || len(program.Inst) > maxProgram {
			return fmt.Errorf("match[]: the regular expression of %s is too large: use a simpler one", m)
		}
	}
	return nil
}

func newSelector(matchers []*labels.Matcher) Selector {
	var s Selector
	for _, m := range matchers {
		if m.Name == model.MetricNameLabel {
			s.names = append(s.names, m)
		} else {
			s.labels = append(s.labels, m)
		}
	}
	return s
}

// Named reports whether the name of a metric family matters to any of them.
func (s Selectors) Named() bool {
	for _, one := range s {
		if len(one.names) > 0 {
			return true
		}
	}
	return false
}

// Job returns the job that all of them demand, and whether there is one.
func (s Selectors) Job() (job string, ok bool) {
	for i, one := range s {
		j := one.job()
		if j == "" || i > 0 && j != job {
			return "", false
		}
		job = j
	}
	return job, job != ""
}

func (s Selector) job() string {
	for _, m := range s.labels {
		if m.Name == model.JobLabel && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return ""
}

// Select reports whether a group or a push is selected, which has labels and
// families of some names. A matcher of a name wants one that matches.
func (s Selectors) Select(label func(name string) string, families iter.Seq[string]) bool {
	for _, one := range s {
		if one.selectsLabels(label) && one.selectsAny(families) {
			return true
		}
	}
	return len(s) == 0
}

// SelectSeries reports whether a series of a family is selected.
func (s Selectors) SelectSeries(label func(name string) string, family string) bool {
	return s.Select(label, func(yield func(string) bool) { yield(family) })
}

func (s Selector) selectsLabels(label func(name string) string) bool {
	for _, m := range s.labels {
		if !m.Matches(label(m.Name)) {
			return false
		}
	}
	return true
}

func (s Selector) selectsAny(families iter.Seq[string]) bool {
	if len(s.names) == 0 {
		return true
	}
	for name := range families {
		if s.selectsName(name) {
			return true
		}
	}
	return false
}

func (s Selector) selectsName(name string) bool {
	for _, m := range s.names {
		if !m.Matches(name) {
			return false
		}
	}
	return true
}

// oneLine joins the lines of a text.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
