// Package migrations holds the schemas of the databases, as goose migrations.
package migrations

import "embed"

// Postgres has the migrations of PostgreSQL in its folder postgres.
//
//go:embed postgres/*.sql
var Postgres embed.FS

// SQLite has the migrations of SQLite in its folder sqlite.
//
//go:embed sqlite/*.sql
var SQLite embed.FS
