//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// lock is a file that this process has locked.
type lock struct {
	file *os.File
	// fresh: the file was made for this lock, and is not to stay yet.
	fresh bool
}

// lockFile locks a file beside the database, since a lock on the database
// itself would keep people from reading it. The kernel frees it when the
// process ends, however that happens. The file stays if it was there before or
// keep is called.
func lockFile(path string) (*lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	fresh := err == nil
	if errors.Is(err, fs.ErrExist) {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("its lock file: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil && isAt(path, f) {
		return &lock{f, fresh}, nil
	}
	f.Close()
	if err == nil || errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errLocked
	}
	return nil, fmt.Errorf("its lock file: lock %s: %w", path, err)
}

// isAt reports whether the file still has the path. One that was removed
// before it was locked locks nobody out.
func isAt(path string, f *os.File) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(mine, there)
}

// keep lets the file stay when the lock is freed.
func (l *lock) keep() { l.fresh = false }

// free frees the lock, even if a process that is being started has a copy of the
// descriptor for a moment.
func (l *lock) free() {
	if l.fresh {
		os.Remove(l.file.Name())
	}
	_ = syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN)
	l.file.Close()
}

// owner returns the user to whom the file belongs.
func owner(info fs.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }

// links returns how many names the file has.
func links(info fs.FileInfo) uint64 { return uint64(info.Sys().(*syscall.Stat_t).Nlink) }
