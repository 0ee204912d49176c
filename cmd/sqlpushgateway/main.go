// Command sqlpushgateway is a Pushgateway that keeps what is pushed in a SQL
// database, so that any number of replicas serve the same groups.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}
