package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/units"

	"github.com/sqlpushgateway/sqlpushgateway/repository/sqlite"
)

// The types below are values of flags: they implement kingpin.Value.

// choice is one of several words.
type choice struct {
	values []string
	set    func(string)
	value  string
}

func (c *choice) Set(s string) error {
	if !slices.Contains(c.values, s) {
		return fmt.Errorf("must be one of %s, not %q", strings.Join(c.values, ", "), s)
	}
	c.value = s
	c.set(s)
	return nil
}

func (c *choice) String() string { return c.value }

// byteSize is a number of bytes, with a unit or without.
type byteSize int64

func (b *byteSize) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		var withUnit units.Base2Bytes
		withUnit, err = units.ParseBase2Bytes(s)
		n = int64(withUnit)
	}
	if err != nil || n <= 0 {
		return fmt.Errorf("must be a size like 16777216 or 16MiB, not %q", s)
	}
	*b = byteSize(n)
	return nil
}

func (b *byteSize) String() string { return units.Base2Bytes(*b).String() }

// networks are the networks of all its values.
type networks []netip.Prefix

func (n *networks) Set(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		prefix, err := parseNetwork(strings.TrimSpace(part))
		if err != nil {
			return fmt.Errorf("must be networks like 10.0.0.0/8 or addresses, not %q", part)
		}
		*n = append(*n, prefix)
	}
	return nil
}

func parseNetwork(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Prefix(addr.BitLen())
	}
	return netip.ParsePrefix(s)
}

func (n *networks) String() string {
	var parts []string
	for _, prefix := range *n {
		parts = append(parts, prefix.String())
	}
	return strings.Join(parts, ",")
}

// IsCumulative tells kingpin that the flag can be repeated.
func (n *networks) IsCumulative() bool { return true }

// secretURL is a database's URL, whose passwords nobody gets to see.
type secretURL struct{ url string }

// defaultDatabase is the database when none is named.
const defaultDatabase = "sqlite:./data/sqlpushgateway.db"

// sqlitePath returns the path of the SQLite file, if the URL is of that kind:
// all that follows sqlite:, with whatever characters.
func (s *secretURL) sqlitePath() (path string, ok bool) { return strings.CutPrefix(s.url, "sqlite:") }

// isMissing reports whether it is an SQLite file that does not exist.
func (s *secretURL) isMissing() bool {
	path, ok := s.sqlitePath()
	if !ok || s.isInMemory() {
		return false
	}
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// isInMemory reports whether it ends with the process.
func (s *secretURL) isInMemory() bool {
	path, ok := s.sqlitePath()
	return ok && path == sqlite.Memory
}

// isSameFile reports whether both are one SQLite file, by whatever path.
func (s *secretURL) isSameFile(other *secretURL) bool {
	var files [2]fs.FileInfo
	for i, u := range []*secretURL{s, other} {
		path, ok := u.sqlitePath()
		if !ok {
			return false
		}
		var err error
		if files[i], err = os.Stat(path); err != nil {
			return false
		}
	}
	return os.SameFile(files[0], files[1])
}

// Set never quotes its argument: a URL that is wrong can hold a password, too.
func (s *secretURL) Set(text string) error {
	if text == "" {
		return nil
	}
	if path, ok := strings.CutPrefix(text, "sqlite:"); ok {
		if path == "" || strings.HasPrefix(path, "//") && !strings.HasPrefix(path, "///") {
			return errors.New("an SQLite database must look like sqlite:folder/file.db or sqlite:/folder/file.db, or be sqlite::memory:, which ends with the process")
		}
		s.url = text
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return errors.New("the database's URL must look like postgres://user:password@host/database, with special characters of the password percent-encoded, or like sqlite:folder/file.db")
	}
	s.url = text
	return nil
}

// String returns the URL with its passwords masked.
func (s *secretURL) String() string {
	const mask = "xxxxx"
	if _, ok := s.sqlitePath(); ok {
		return s.url
	}
	u, err := url.Parse(s.url)
	if err != nil || s.url == "" {
		return ""
	}
	if _, set := u.User.Password(); set {
		u.User = url.UserPassword(u.User.Username(), mask)
	}
	query := u.Query()
	for name := range query {
		if strings.Contains(strings.ToLower(name), "pass") {
			query.Set(name, mask)
		}
	}
	if u.RawQuery != "" {
		u.RawQuery = query.Encode()
	}
	return u.String()
}
