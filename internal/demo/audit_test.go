package demo_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	document  = "../../docs/sql-audit.md"
	goldenDir = "testdata/sql-audit"
)

// query is a query of the document.
type query struct {
	question string // the heading that it is under
	dialect  string // what follows "sql" in its first line
	text     string
}

// questions returns the queries of the document by what they are an answer to.
func questions(t *testing.T) (queries []query, text string) {
	t.Helper()
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	question, n := "", map[string]int{}
	for _, part := range regexp.MustCompile("(?ms)^#+ [^\n]*$|^```sql[^\n]*\n.*?^```$").FindAllString(string(content), -1) {
		first, rest, _ := strings.Cut(part, "\n")
		dialect, isQuery := strings.CutPrefix(first, "```sql ")
		if !isQuery {
			question = strings.TrimLeft(first, "# ")
			continue
		}
		q := query{question, dialect, strings.TrimSuffix(rest, "```")}
		if n[question+dialect]++; n[question+dialect] > 1 {
			q.question = fmt.Sprint(question, " ", n[question+dialect])
		}
		queries = append(queries, q)
	}
	return queries, string(content)
}

// macros are what Grafana puts in, for the last two days.
var macros = strings.NewReplacer(
	"$__timeFilter(at)", fmt.Sprintf("at BETWEEN '%s' AND '%s'", now.AddDate(0, 0, -2).Format(time.RFC3339), now.Format(time.RFC3339)),
	"$__from", fmt.Sprint(now.AddDate(0, 0, -2).UnixMilli()),
	"$__to", fmt.Sprint(now.UnixMilli()),
)

// result is what a query returns: texts that do not tell which database it was.
type result struct {
	columns []string
	rows    [][]string
}

// String formats the result as psql does, more or less.
func (r result) String() string {
	widths := make([]int, len(r.columns))
	for _, row := range append([][]string{r.columns}, r.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var b strings.Builder
	line := func(row []string) {
		var cells []string
		for i, cell := range row {
			cells = append(cells, fmt.Sprintf("%-*s", widths[i], cell))
		}
		b.WriteString(strings.TrimRight(strings.Join(cells, " | "), " ") + "\n")
	}
	line(r.columns)
	var rules []string
	for _, w := range widths {
		rules = append(rules, strings.Repeat("-", w))
	}
	b.WriteString(strings.Join(rules, "-+-") + "\n")
	for _, row := range r.rows {
		line(row)
	}
	return b.String()
}

// TestAuditQueries protects those who copy queries from the document: each gives
// the right answer on both databases, and an index helps where one can.
func TestAuditQueries(t *testing.T) {
	t.Parallel()
	if *update {
		if err := errors.Join(os.RemoveAll(goldenDir), os.MkdirAll(goldenDir, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	h := long()
	computed := h.answers()
	queries, text := questions(t)
	asked := map[string]bool{}
	for name, open := range map[string]func(*testing.T, history) database{"postgres": openPostgres, "sqlite": openSQLite} {
		t.Run(name, func(t *testing.T) {
			db := open(t, h)
			for _, q := range queries {
				if q.dialect != "both" && q.dialect != name && q.dialect != "grafana-"+name {
					continue
				}
				t.Run(q.question, func(t *testing.T) {
					sql := macros.Replace(q.text)
					got := db.query(t, sql)
					if len(got.rows) == 0 {
						t.Error("it finds nothing")
					}
					golden(t, q, name, got.String())
					if want, ok := computed[q.question]; ok && !slices.EqualFunc(got.rows, want, begins) {
						t.Errorf("got\n%s\nbut the rows amount to\n%s", got, result{got.columns, want})
					}
					if !readsAll[q.question] {
						db.usesIndexes(t, sql)
					}
				})
				asked[q.question] = true
			}
		})
	}
	if *update {
		mergeGolden(t)
	}
	for question := range maps.Keys(computed) {
		if !asked[question] {
			t.Errorf("nobody asks %q", question)
		}
	}
	if n := len(asked); n < 15 {
		t.Errorf("there are only %d questions", n)
	}
	if first := readGolden(t, query{question: "Two minutes"}, "both"); !strings.Contains(text, "```\n"+first+"```") {
		t.Errorf("the first result should be\n%s", first)
	}
}

// begins reports whether a row begins with cells that are known.
func begins(row, known []string) bool { return slices.Equal(row[:len(known)], known) }

// readsAll are the questions that no index helps to answer.
var readsAll = map[string]bool{
	// A metric can be in any push, and the first one is sought.
	"First and last time a metric was seen": true,
}

func TestEachQuestionHasAnAnswerOnBothDatabases(t *testing.T) {
	t.Parallel()
	dialects := map[string][]string{}
	queries, _ := questions(t)
	for _, q := range queries {
		dialects[q.question] = append(dialects[q.question], q.dialect)
	}
	for question, got := range dialects {
		switch strings.Join(got, " ") {
		case "both", "postgres sqlite", "grafana-postgres grafana-sqlite", "grafana-postgres":
		default:
			t.Errorf("%q is answered for %q", question, got)
		}
	}
}

// goldenPath is the file for the answer. It is one for both databases unless
// they differ.
func goldenPath(q query, database string) string {
	name := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(q.question), "-")
	return filepath.Join(goldenDir, name+"."+database+".golden")
}

// golden compares an answer with its file.
func golden(t *testing.T, q query, database, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(goldenPath(q, database), []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := readGolden(t, q, database); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// mergeGolden makes one file of two that are equal.
func mergeGolden(t *testing.T) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(goldenDir, "*.postgres.golden"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		other, both := strings.Replace(path, ".postgres.", ".sqlite.", 1), strings.Replace(path, ".postgres.", ".both.", 1)
		a, _ := os.ReadFile(path)
		b, _ := os.ReadFile(other)
		if !slices.Equal(a, b) {
			continue
		}
		if err := errors.Join(os.Rename(path, both), os.Remove(other)); err != nil {
			t.Fatal(err)
		}
	}
}

func readGolden(t *testing.T, q query, database string) string {
	t.Helper()
	content, err := os.ReadFile(goldenPath(q, "both"))
	if err != nil {
		content, err = os.ReadFile(goldenPath(q, database))
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
