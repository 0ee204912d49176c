// Package model is the semantics of the gateway in its simplest form, for tests:
// all groups in a map, every push compared with all of them, and a history
// replayed row by row. It also makes random traffic whose requests often meet.
package model
