//go:build !unix

package sqlite

import (
	"errors"
	"io/fs"
)

type lock struct{}

// lockFile fails: without a lock that ends with the process, two gateways
// could work on one file.
func lockFile(string) (*lock, error) {
	return nil, errors.New("files cannot be locked on this system: use PostgreSQL")
}

func (*lock) keep() {}
func (*lock) free() {}

func owner(fs.FileInfo) uint32 { return 0 }
func links(fs.FileInfo) uint64 { return 1 }
