//go:build !unix

package sqlite

import (
	"errors"
	"os"
)

// lockFile fails: without a lock that ends with the process, two gateways
// could work on one file.
func lockFile(string) (*os.File, error) {
	return nil, errors.New("files cannot be locked on this system: use PostgreSQL")
}

func unlockFile(*os.File) {}
