package postgres

import "github.com/sqlpushgateway/sqlpushgateway/repository"

// DeltaSQL is what a catch-up runs.
const DeltaSQL = deltaSQL

// SnapshotOf returns the snapshot that a cursor stands for.
func SnapshotOf(c repository.Cursor) string { return c.(*cursor).snapshot }
