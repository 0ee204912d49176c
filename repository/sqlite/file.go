package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// openFile makes sure that there is a file that could be a database, and that
// no other process works on it: that ends with the lock it returns, or with
// the process. The path it returns is the same for all names of the file.
func openFile(path string) (real string, held *lock, err error) {
	if real, err = resolve(path); err != nil {
		return "", nil, err
	}
	if err := checkFolder(filepath.Dir(real)); err != nil {
		return "", nil, err
	}
	if err := checkKind(real); err != nil {
		return "", nil, fmt.Errorf("the database %s %w", real, err)
	}
	if held, err = lockFile(real + ".lock"); err != nil {
		return "", nil, fmt.Errorf("the database %s cannot be opened: %w", real, err)
	}
	// The lock comes first: to close any descriptor of a database frees the
	// locks that SQLite has on it in this process.
	if err := checkFile(real); err != nil {
		held.free()
		return "", nil, fmt.Errorf("the database %s %w", real, err)
	}
	return real, held, nil
}

// maxLinks is how many links may follow each other, as in Linux.
const maxLinks = 40

// resolve returns the absolute path of the file without links, whether it
// exists or not, and makes its folder. A link to a file that does not exist
// yet stands for that file, which opening it would create.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("the database's path cannot be used: %w", err)
	}
	for range maxLinks {
		folder, name := filepath.Split(path)
		if err := makeFolder(folder); err != nil {
			return "", fmt.Errorf("the database's folder cannot be made: %w", err)
		}
		if folder, err = filepath.EvalSymlinks(folder); err != nil {
			return "", fmt.Errorf("the database's path cannot be used: %w", err)
		}
		path = filepath.Join(folder, name)
		target, err := os.Readlink(path)
		if err != nil {
			return path, nil // it is no link
		}
		if path = target; !filepath.IsAbs(path) {
			// Not cleaned: what .. means depends on the links before it.
			path = folder + string(filepath.Separator) + target
		}
	}
	return "", fmt.Errorf("the database's path cannot be used: more than %d links lead to each other", maxLinks)
}

// makeFolder makes the folder, and those that it lies in, so that a power cut
// does not take them away.
func makeFolder(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("%s is a file", path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	path = filepath.Clean(path)
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.MkdirAll(path, 0o700); err != nil { // another process may have made it meanwhile
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes what was created in the folder outlast a power cut. Like
// SQLite it leaves that to the kernel where a folder cannot be synced.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// checkFolder makes sure that files can be made in the folder, as SQLite does
// beside the database, by making one: no mode tells what all kinds of
// permission there are amount to. What a disk has against it is left to those
// who write there.
func checkFolder(folder string) error {
	f, err := os.CreateTemp(folder, ".sqlpushgateway-*")
	if err == nil {
		f.Close()
		os.Remove(f.Name())
		return nil
	}
	if !errors.Is(err, fs.ErrPermission) {
		return nil
	}
	info, err := os.Stat(folder)
	if err != nil {
		return fmt.Errorf("the database's folder cannot be used: %w", err)
	}
	return fmt.Errorf("the database's folder %s is %v and belongs to the user %d: the user %d may not make files there, which SQLite has beside the database",
		folder, info.Mode(), owner(info), os.Geteuid())
}

// checkKind refuses what is there and is no file: to open a pipe, say, would wait
// for its writer. It opens nothing.
func checkKind(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil || info.Mode().IsRegular():
		return nil
	case info.IsDir():
		return errors.New("is a folder: name a file in it")
	}
	return fmt.Errorf("is no file (%v): name another one", info.Mode())
}

// checkFile creates the file if it is missing.
func checkFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrPermission) {
		return errors.New("cannot be opened: this user may not read and write it")
	}
	if err != nil {
		return fmt.Errorf("cannot be opened: %w", cause(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("cannot be opened: %w", cause(err))
	}
	if n := links(info); n > 1 {
		return fmt.Errorf("has %d names (hard links), and by another one another gateway could work on it: copy it, and name the copy", n)
	}
	magic := []byte("SQLite format 3\x00")
	head := make([]byte, len(magic))
	n, err := io.ReadFull(f, head)
	switch {
	case n == 0 && err == io.EOF:
		return syncNew(path)
	case err != nil && err != io.ErrUnexpectedEOF:
		return fmt.Errorf("cannot be read: %w", cause(err))
	case !bytes.Equal(head[:n], magic):
		return errors.New("is another kind of file, not an SQLite database")
	}
	return nil
}

// syncNew makes a file that has nothing yet outlast a power cut.
func syncNew(path string) error {
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("cannot be created: sync its folder: %w", cause(err))
	}
	return nil
}

// cause is the error without the path, which the caller names.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// applicationID is the one that the migrations give to a database.
const applicationID = 1936746359

// checkOwner makes sure that the database is empty or was made by this version
// or an older one.
func checkOwner(ctx context.Context, db *sql.DB) error {
	var application, tables int64
	// A process that is killed at its first start can leave the table of the
	// migrations alone.
	err := db.QueryRowContext(ctx, `SELECT application_id, (SELECT count(*) FROM sqlite_schema
		WHERE tbl_name NOT IN ('goose_db_version', 'sqlite_sequence')) FROM pragma_application_id`).
		Scan(&application, &tables)
	if isNotADatabase(err) {
		return errors.New("is damaged, or is encrypted: " + oneLine(err))
	}
	if err != nil {
		return nil // for want of room, perhaps: migrating will tell, again and again
	}
	if application == 0 && tables == 0 {
		return nil
	}
	if application != applicationID {
		return errors.New("is another program's: name another file")
	}
	var version int64
	if err := db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version`).Scan(&version); err != nil {
		return nil
	}
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	if sources := provider.ListSources(); version > sources[len(sources)-1].Version {
		return fmt.Errorf("was written by a newer version of this program (schema %d): use that", version)
	}
	return nil
}

// source is a data source name.
type source string

// fileSource is that of a file. SQLite decodes what is escaped.
func fileSource(path string) source {
	escaped := (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
	return source("file://" + strings.ReplaceAll(escaped, "?", "%3F") + "?_pragma=synchronous(FULL)")
}

// memorySource is that of a database in memory that all connections with its
// name share.
func memorySource(name string) source {
	return source("file:/" + name + "?vfs=memdb&_pragma=synchronous(OFF)")
}

// with adds pragmas. Waiting for locks is left to this package, which knows
// for how long. The log is written back when it has 4 MB: the disk must have
// room for it twice.
func (s source) with(pragmas ...string) string {
	for _, p := range append(pragmas, "busy_timeout(0)", "wal_autocheckpoint(512)", fmt.Sprintf("journal_size_limit(%d)", maxLog)) {
		s += source("&_pragma=" + url.QueryEscape(p))
	}
	return string(s)
}

// errLocked says that another process works on the database.
var errLocked = errors.New("another gateway is working on it: stop that one, or name another file")
