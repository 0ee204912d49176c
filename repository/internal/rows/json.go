package rows

import (
	"bytes"
	"fmt"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// CheckNUL returns an ErrData if there is NUL in the families of a group, which
// not every database takes, and no function of SQL can read.
func CheckNUL(groups []repository.GroupChange) error {
	for i := range groups {
		if hasNUL(groups[i].Families) {
			return fmt.Errorf("%w: NUL cannot be stored", repository.ErrData)
		}
	}
	return nil
}

// hasNUL reports whether a string in the JSON has NUL, which JSON can only
// write as \u0000.
func hasNUL(json []byte) bool {
	for {
		i := bytes.Index(json, []byte(`\u0000`))
		if i < 0 {
			return false
		}
		before := i
		for before > 0 && json[before-1] == '\\' {
			before--
		}
		if (i-before)%2 == 0 {
			return true
		}
		json = json[i+len(`\u0000`):]
	}
}

// OrEmpty returns the families of a group as JSON, which are an object even if
// there are none.
func OrEmpty(families []byte) []byte {
	if len(families) == 0 {
		return []byte("{}")
	}
	return families
}
