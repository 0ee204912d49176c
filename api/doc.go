// Package api is the gateway's HTTP side: the push API, the scrape, the query
// and admin APIs and the pages. It knows HTTP and nothing of databases; what
// it needs of a repository is [Gateway].
//
// Each family of endpoints has a file of its own. Handlers return errors, and
// one place, errors.go, turns them into answers.
package api
