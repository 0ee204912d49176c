package repository

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// The errors of a Repository. Errors of exposition pass through it unchanged.
var (
	// ErrUnavailable says that the database cannot be reached or did not
	// answer in time. Nothing was written, unless the text says otherwise.
	ErrUnavailable = errors.New("database unavailable")
	// ErrFull says that the database has no room. Nothing was written.
	ErrFull = fmt.Errorf("%w: the disk is full", ErrUnavailable)
	// ErrDisk says that the database's disk is read-only or fails. Nothing was
	// written.
	ErrDisk = fmt.Errorf("%w: the disk is read-only or fails", ErrUnavailable)
	// ErrOverloaded says that too much waits already. Nothing was written.
	ErrOverloaded = fmt.Errorf("%w: overloaded", ErrUnavailable)
	// ErrConflict says that other commits won over this one too often.
	// Nothing was written.
	ErrConflict = errors.New("too many concurrent changes")
	// ErrNewer says that a group was not restored, since what is stored was
	// pushed at the same time or later. Nothing was written.
	ErrNewer = errors.New("the group has been pushed to since")
)

// Method is the kind of a request in the history.
type Method string

// The methods.
const (
	Put    Method = "PUT"    // replaces the group
	Post   Method = "POST"   // replaces the families of the same name
	Delete Method = "DELETE" // removes groups
	Wipe   Method = "WIPE"   // removes all groups
)

// Request says who asked for a change, for the history.
type Request struct {
	Method Method
	// ID is the request id that a trusted proxy gave, unique per request, or
	// "". A second request with the same ID, method, key and body gets the
	// first one's answer and writes nothing.
	ID        string
	Client    string // address, without port
	Username  string
	UserAgent string
	Bytes     int // size of the decoded body
	// BodyDigest tells bodies with equal ID apart.
	BodyDigest [32]byte
}

// Digest tells requests with an ID apart: equal digests mean that a proxy has
// sent one request twice.
func (r Request) Digest(key exposition.GroupingKey) [32]byte {
	h := sha256.New()
	h.Write([]byte(r.Method))
	h.Write([]byte{0})
	h.Write([]byte(r.ID))
	digest := key.Digest()
	h.Write(digest[:])
	h.Write(r.BodyDigest[:])
	return [32]byte(h.Sum(nil))
}

// Push is a PUT or a POST to a group.
type Push struct {
	Request
	Key exposition.GroupingKey
	// Families is what [exposition.Normalize] returned. With POST, a family
	// without metrics removes the one of its name.
	Families []exposition.Family
	// Prepared, if not nil, is what Families amounts to, in place of them.
	Prepared *exposition.Prepared
	// Refused is why the push cannot be accepted, or nil. A refused push sets
	// the group's failure time and is in the history.
	Refused error
	// Malformed says that Refused is about a body that cannot be read: then only
	// the history shows it.
	Malformed bool
	// Times, if not nil, makes a PUT restore a group that was pushed to
	// elsewhere: it gets these times, unless it was pushed to here at the same
	// time or later, which is an ErrNewer. If it is refused, only the history
	// shows it.
	Times *Times
	// Silent leaves the push out of the history: that of a group which is
	// copied with its history.
	Silent bool
}

// Times are those of the pushes to a group.
type Times struct {
	// Pushed and Failed are those of the last push that was accepted and of the
	// last one that was refused; zero means never.
	Pushed, Failed time.Time
	// Families has the push times of the families that are older than Pushed.
	Families map[string]time.Time
}

// Deletion is a DELETE of one group, or of all groups whose key contains
// Key's labels.
type Deletion struct {
	Request
	Key       exposition.GroupingKey
	Recursive bool
	// Silent leaves the deletion of one group out of the history, like that of a
	// Push.
	Silent bool
}
