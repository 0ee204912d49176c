// Package e2e tests the gateway from outside: real processes of the program on
// a real PostgreSQL, driven by the clients that people use.
package e2e
