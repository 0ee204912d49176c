package check

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// ourFlag matches the flags of the gateway, which all have a group.
var ourFlag = regexp.MustCompile(`--(?:no-)?((?:web|push|scrape|database|history|persistence|shutdown)\.[a-z0-9.-]*[a-z0-9])`)

// TestDocumentedFlagsExist protects those who copy a flag from the
// documentation or from an example.
func TestDocumentedFlagsExist(t *testing.T) {
	t.Parallel()
	known := flags(t)
	if len(known) < 20 {
		t.Fatalf("only %d flags are in the help", len(known))
	}
	found := 0
	for _, path := range shippedFiles(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range ourFlag.FindAllStringSubmatch(string(text), -1) {
			found++
			if _, ok := known[m[1]]; !ok {
				t.Errorf("%s mentions --%s, which the gateway does not have", path, m[1])
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d flags found", found)
	}
}

// shippedFiles returns the paths of the documentation and of what is deployed.
func shippedFiles(t *testing.T) []string {
	t.Helper()
	files := []string{filepath.Join(root, "docker-compose.yml"), filepath.Join(root, "Dockerfile")}
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		matches, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, matches...)
	}
	err := filepath.WalkDir(filepath.Join(root, "deploy"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasSuffix(path, ".go") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
