package pgtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// binDir returns the folder of PostgreSQL's server programs: PGBIN, or that of
// pg_config, or the newest one that Debian installed.
func binDir() (string, error) {
	if dir := os.Getenv("PGBIN"); dir != "" {
		if !isServerDir(dir) {
			return "", errors.New("PGBIN=" + dir + " has no initdb and postgres: set it to the folder with PostgreSQL's programs")
		}
		return filepath.Abs(dir)
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		if dir := strings.TrimSpace(string(out)); isServerDir(dir) {
			return dir, nil
		}
	}
	if dir := newestDebian("/usr/lib/postgresql"); dir != "" {
		return dir, nil
	}
	return "", errors.New("no PostgreSQL found: run `make deps` (as root on Debian), or install PostgreSQL 14 or later and set PGBIN to the folder with initdb and postgres, or set TEST_DATABASE_URL to a server where databases may be created")
}

// newestDebian returns the bin folder with the highest version below root, or
// "" if there is none.
func newestDebian(root string) string {
	var newest string
	var highest int
	matches, _ := filepath.Glob(filepath.Join(root, "*", "bin"))
	for _, dir := range matches {
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err == nil && version > highest && isServerDir(dir) {
			newest, highest = dir, version
		}
	}
	return newest
}

func isServerDir(dir string) bool {
	for _, program := range []string{"initdb", "postgres"} {
		if _, err := exec.LookPath(filepath.Join(dir, program)); err != nil {
			return false
		}
	}
	return true
}
