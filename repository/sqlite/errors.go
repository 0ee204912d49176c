package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// wrap translates an error of a statement that has no effect when it fails.
func wrap(err error) error {
	switch code(err) & 0xff {
	case codes.SQLITE_CONSTRAINT, codes.SQLITE_TOOBIG, codes.SQLITE_MISMATCH:
		return fmt.Errorf("%w: %s", repository.ErrData, oneLine(err))
	case codes.SQLITE_FULL:
		return fmt.Errorf("%w: %s", repository.ErrFull, oneLine(err))
	case codes.SQLITE_READONLY, codes.SQLITE_PERM, codes.SQLITE_IOERR, codes.SQLITE_CORRUPT:
		return fmt.Errorf("%w: %s", repository.ErrDisk, oneLine(err))
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
		return fmt.Errorf("%w: another program has locked it: %s", repository.ErrUnavailable, oneLine(err))
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", repository.ErrUnavailable, oneLine(err))
}

// wrapCommit translates an error of COMMIT. It comes before the commit is
// visible, but when syncing the log fails after all of it was written, then
// after a crash of this process it would be found there.
func wrapCommit(err error) error {
	switch code(err) {
	case codes.SQLITE_IOERR_FSYNC, codes.SQLITE_IOERR_DIR_FSYNC:
		return fmt.Errorf("%w: %s", repository.ErrUnknown, oneLine(err))
	}
	return wrap(err)
}

// ended returns the error of something whose context has ended, or nil.
func ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", repository.ErrUnavailable, context.Cause(ctx))
}

func isBusy(err error) bool {
	c := code(err) & 0xff
	return c == codes.SQLITE_BUSY || c == codes.SQLITE_LOCKED
}

func isNotADatabase(err error) bool {
	c := code(err) & 0xff
	return c == codes.SQLITE_NOTADB || c == codes.SQLITE_CORRUPT
}

// code returns the error's extended result code, or 0 if it is none of
// SQLite's.
func code(err error) int {
	var sqliteErr *driver.Error
	if !errors.As(err, &sqliteErr) {
		return 0
	}
	return sqliteErr.Code()
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// isStatement reports whether the statement was at fault, as with a ROLLBACK of
// nothing.
func isStatement(err error) bool { return code(err) == codes.SQLITE_ERROR }
