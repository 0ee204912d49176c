// Package check tests what the project ships for those who deploy it: Docker
// Compose, Kubernetes, systemd and HAProxy. Each file is read by the parser of
// the program that it is for. The package is a module of its own, so that these
// parsers are no dependencies of the gateway.
package check
