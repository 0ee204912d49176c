package pgtest

import (
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	tempPrefix = "pgtest-"
	lockName   = "lock"
)

// tempDir is a folder for servers that the next test run removes if this one
// cannot.
type tempDir struct {
	path string
	lock *os.File // held while the folder is in use
}

// newTempDir makes a folder that a server started by [command] can write to.
// Its path is short: a socket's must fit into 107 bytes.
func newTempDir() (*tempDir, error) {
	root := os.TempDir()
	if len(root) > 50 {
		root = "/tmp"
	}
	removeStale(root)
	path, err := os.MkdirTemp(root, tempPrefix)
	if err != nil {
		return nil, err
	}
	lock, err := os.Create(filepath.Join(path, lockName))
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
	}
	if err == nil && os.Geteuid() == 0 {
		var uid, gid int
		if uid, gid, err = nobody(); err == nil {
			err = os.Chown(path, uid, gid)
		}
	}
	if err != nil {
		os.RemoveAll(path)
		return nil, err
	}
	return &tempDir{path: path, lock: lock}, nil
}

func (d *tempDir) remove() error {
	err := os.RemoveAll(d.path)
	d.lock.Close()
	return err
}

// removeStale removes the folders of runs that were killed: nobody holds their
// lock. The young are spared, as theirs may not be locked yet.
func removeStale(root string) {
	dirs, _ := filepath.Glob(filepath.Join(root, tempPrefix+"*"))
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		lock, err := os.Open(filepath.Join(dir, lockName))
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(dir)
		}
		lock.Close()
	}
}
