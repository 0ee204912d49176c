package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/storetest"
)

func TestViews(t *testing.T) {
	t.Parallel()
	storetest.RunViews(t, func(t testing.TB) (repository.Store, storetest.Query) {
		path := filepath.Join(t.TempDir(), "test.db")
		return open(t, path), func(t testing.TB, query string) [][]any { return cells(t, path, query) }
	})
}

// cells returns the cells of all rows of a query.
func cells(t testing.TB, path, query string) [][]any {
	t.Helper()
	db := connect(t, path)
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var found [][]any
	for rows.Next() {
		row, targets := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			targets[i] = &row[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		found = append(found, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return found
}
