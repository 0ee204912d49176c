package exposition

import "errors"

// The reasons why a push is refused. Errors of this package wrap one of them;
// their text is one line that says what to do.
var (
	// ErrGroupingKey is a path that does not name a group.
	ErrGroupingKey = errors.New("invalid grouping key")
	// ErrMalformed is a body that cannot be read. It leaves no trace in the
	// group.
	ErrMalformed = errors.New("malformed body")
	// ErrInconsistent is a push that contradicts itself or other groups. It
	// sets the group's push_failure_time_seconds.
	ErrInconsistent = errors.New("inconsistent push")
	// ErrTimestamp is a push with timestamps. It sets the group's
	// push_failure_time_seconds.
	ErrTimestamp = errors.New("pushed timestamp")
)

// refusal is an error with a text of its own that is one of the sentinels.
type refusal struct {
	is   error
	text string
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.is }
