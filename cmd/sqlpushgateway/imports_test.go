package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestImports protects the architecture: arrows between the packages point
// downwards only, and each outside world has one package that knows it.
func TestImports(t *testing.T) {
	t.Parallel()
	const module = "github.com/sqlpushgateway/sqlpushgateway/"
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string][]string{
		"exposition":               {},
		"migrations":               {},
		"repository":               {"exposition"},
		"repository/internal/rows": {"exposition", "repository"},
		"repository/postgres":      {"exposition", "migrations", "repository", "repository/internal/rows"},
		"repository/sqlite":        {"exposition", "migrations", "repository", "repository/internal/rows"},
		"repository/storetest":     {"exposition", "repository"},
		"api":                      {"exposition", "internal/query", "repository"},
		"cmd/sqlpushgateway":       {"api", "exposition", "internal/demo", "internal/pushgateway", "repository", "repository/postgres", "repository/sqlite"},
	}
	outside := map[string][]string{
		"github.com/jackc/pgx/":               {"repository/postgres", "cmd/sqlpushgateway"},
		"modernc.org/":                        {"repository/sqlite"},
		"github.com/labstack/":                {"api"},
		"github.com/pressly/":                 {"repository/postgres", "repository/sqlite"},
		"github.com/alecthomas/":              {"cmd/sqlpushgateway"},
		"github.com/prometheus/client_model/": {"exposition", "api"},
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		from := strings.TrimPrefix(fields[0], module)
		if strings.HasPrefix(from, "internal/") {
			continue
		}
		for _, to := range fields[1:] {
			if ours, ok := strings.CutPrefix(to, module); ok && !slices.Contains(allowed[from], ours) {
				t.Errorf("%s imports %s", from, ours)
			}
			for prefix, packages := range outside {
				if strings.HasPrefix(to, prefix) && !slices.Contains(packages, from) {
					t.Errorf("%s imports %s", from, to)
				}
			}
		}
	}
}
