// Package query reads what clients ask the API v1 with: selectors, times and
// cursors. It is pure. Its errors are one line each, for the client.
package query
