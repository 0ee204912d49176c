package repository

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// Store is the contract between the Repository and a database. The Repository
// decides what is written; a Store writes it durably and atomically, and tells
// all replicas what has changed.
//
// All methods may be called concurrently. Errors are those below or wrap
// ErrUnavailable or ErrConflict; drivers' errors stop in the Store. A Store may
// be one that a single process works on: then that is the only replica.
//
// Package storetest is this contract as tests.
type Store interface {
	// Migrate brings the schema up to date. Many replicas may do so at once.
	Migrate(ctx context.Context) error
	// Commit writes c as a plain commit: it shares the catalog lock, insists
	// on c.Epoch, and registers c.Names and c.Jobs or returns a NotPlainError.
	Commit(ctx context.Context, c *Commit) error
	// Share estimates which part of what the database has committed lately was
	// committed by this Store: 1 if nobody else did, and always more than 0.
	Share() float64
	// BeginJobs starts a transaction that shares the catalog lock and holds
	// the locks of jobs, and returns the jobs' shapes.
	BeginJobs(ctx context.Context, epoch int64, deadline time.Time, jobs []string) (Tx, map[string][]string, error)
	// BeginExclusive starts a transaction that holds the catalog lock alone.
	BeginExclusive(ctx context.Context, deadline time.Time) (Tx, error)
	// DeleteGroups removes the groups whose keys contain d.Key's labels, or
	// all groups when d.Method is Wipe.
	DeleteGroups(ctx context.Context, id uuid.UUID, deadline time.Time, d Deletion) error
	// Fence settles the fate of a commit whose outcome is unknown: it reports
	// whether it was committed, and makes sure that it never will be if not.
	Fence(ctx context.Context, id uuid.UUID) (committed bool, err error)
	// Answers returns the answers given to requests, by Request.Digest.
	Answers(ctx context.Context, digests [][32]byte) (map[[32]byte]Answer, error)
	// CatchUp passes to apply what has changed since cursor, in one or more
	// parts, and returns where that leads. With a nil cursor it is everything. A
	// part's memory is used again when apply returns, but for keys and times.
	// Keys that are known, which may be nil, need not be read; it is not called
	// while apply is.
	// ErrVoid says that the cursor cannot be used any more.
	CatchUp(ctx context.Context, cursor Cursor, known exposition.Keys, apply func(exposition.Change)) (Position, error)
	// Groups passes all groups, in no particular order, to yield, until that
	// returns an error. It may be at the pace of a slow client: each group is as
	// it was at some time since the call, but not all at the same time.
	Groups(ctx context.Context, yield func(exposition.Group) error) error
	// History passes the history to yield in the order in which it happened, from
	// the row after the one with that Seq on.
	History(ctx context.Context, after int64, yield func(HistoryRow) error) error
	// AddHistory adds rows of another Store's history as they are, with Seq, At,
	// Commit and Replica. Rows that are there stay as they are. It is ErrData if
	// one with the same Seq is another row.
	AddHistory(ctx context.Context, rows []HistoryRow) error
	// HistorySize returns how many rows the history has, and the last Seq.
	HistorySize(ctx context.Context) (rows, last int64, err error)
	// FindHistory returns the first q.Limit rows that q asks for, or fewer if what
	// they hold is large, and whether there may be more. The work that it does is
	// bounded by that, not by the size of the history.
	FindHistory(ctx context.Context, q HistoryQuery) (rows []HistoryRow, more bool, err error)
	// HistoryRow returns the row with that Seq, and whether there is one.
	HistoryRow(ctx context.Context, seq int64) (row HistoryRow, ok bool, err error)
	// LastRuns returns for each of the jobs, in their order, the accepted pushes
	// among the last n rows of its history, newest first. It returns fewer if it
	// cannot begin with the next one within that time; but always the first.
	LastRuns(ctx context.Context, jobs []string, n int, within time.Duration) ([][]Run, error)
	// Ping returns nil if the database answers and takes commits.
	Ping(ctx context.Context) error
	// Maintain does what must be done now and then: it makes partitions ahead
	// of time, drops history older than retention (a day later at most), and
	// trims what only replicas read. Many replicas may do so at once.
	Maintain(ctx context.Context, retention time.Duration) error
	// Close ends all connections.
	Close()
}

// Tx is a transaction that holds catalog or job locks. After an error it can
// only be rolled back.
type Tx interface {
	// CatchUp is that of the Store, as this transaction sees the database.
	CatchUp(ctx context.Context, cursor Cursor, known exposition.Keys, apply func(exposition.Change)) (Position, error)
	// Groups returns those of the groups that exist.
	Groups(ctx context.Context, keys []exposition.GroupingKey) ([]exposition.Group, error)
	// Claim makes names and a job what the caller has found them to be and
	// returns the new epoch. It needs the exclusive catalog lock.
	Claim(ctx context.Context, names []Claim, job JobShape) (epoch int64, err error)
	// Prune forgets the names, jobs and shapes that are not among those held,
	// and changes the epoch. It needs the exclusive catalog lock.
	Prune(ctx context.Context, held Held) error
	// Commit writes c and ends the transaction.
	Commit(ctx context.Context, c *Commit) error
	// Rollback ends the transaction, unless that has happened.
	Rollback()
}

// Cursor marks what a replica has seen of a Store. Only the Store that made
// it can read it.
type Cursor any

// Position is where a replica is after catching up.
type Position struct {
	Cursor Cursor
	Epoch  int64
}

// Commit is what a replica writes at once: the changes of all requests that
// waited, folded to one per group.
type Commit struct {
	ID        uuid.UUID
	Epoch     int64
	Deadline  time.Time     // after which it must not land
	Unchecked bool          // names of several owners do not matter
	Names     []Claim       // to register
	Jobs      []JobShape    // to register
	Shapes    []JobShape    // of jobs that have several
	Groups    []GroupChange // one per key
	History   []HistoryRow  // in order of the requests
}

// Claim says which family owns an exposed name.
type Claim struct {
	exposition.Claim
	// Mixed says that pushes stored unchecked gave the name several owners.
	Mixed bool
}

// JobShape is the label-name set of a job's groups.
type JobShape struct {
	Job   string
	Shape string
	// Shared says that the job has other shapes, too.
	Shared bool
}

// Held is what is not to be pruned.
type Held struct {
	Names  []string
	Shapes []JobShape
}

// GroupChange is what becomes of a group in a commit.
type GroupChange struct {
	Key exposition.GroupingKey
	// Delete removes the group. Reset does so before what follows.
	Delete, Reset bool
	// Replace removes the families that are not in Families.
	Replace bool
	// Pushed and Failed set the times of the last push and of the last failure.
	Pushed, Failed bool
	Families       []byte // as of exposition.AppendFamilies; "{}" for none
	// FamilySet is the exposition.FamilySet of Families, or zero. A group that
	// has families of the same names is then replaced by them.
	FamilySet exposition.Digest
	Cleared   []string // names of families to remove
	// Times, if not nil, are the group's times, instead of the present. They
	// come in the commits of a Tx only.
	Times *Times
}

// HistoryRow is a request in the history. Seq, At, Commit and Replica are set
// by the Store.
type HistoryRow struct {
	Request
	Seq      int64
	At       time.Time
	Key      exposition.GroupingKey // zero for a wipe
	Accepted bool
	Reason   string // why it was rejected
	// Affected is the number of groups changed, or AsExists. A rejected push
	// changes its group's failure time, unless it cannot even create the group.
	Affected int
	// Success is the Verdict of a push that was accepted.
	Success  *bool
	Families []byte // what is kept of what was pushed, as of exposition.AppendFamilies; nil for nothing
	Series   int
	Commit   uuid.UUID
	Replica  string
}

// AsExists, as the number of groups that a DELETE affected, stands for one if
// the group existed before the commit and none otherwise.
const AsExists = -1

// Answer is the answer that a request got.
type Answer struct {
	Accepted bool
	Reason   string
}

// ErrVoid says that a cursor belongs to another life of the database, or is too
// old; or, of a commit, that a new life has to begin first, by catching up from
// nothing: nothing was written.
var ErrVoid = errors.New("cursor is void")

// ErrDeadline says that a commit's deadline passed: nothing was written.
var ErrDeadline = errors.New("deadline passed")

// ErrSeen says that a request of the commit has been answered before: nothing
// was written, and Answers has the answer.
var ErrSeen = errors.New("request seen before")

// ErrData says that the database refused the data, as each refuses NUL in the
// families of a group: nothing was written.
var ErrData = errors.New("the database refused the data")

// ErrUnknown says that the outcome of a commit is unknown; see Store.Fence. It
// comes together with ErrUnavailable.
var ErrUnknown = fmt.Errorf("%w: outcome unknown", ErrUnavailable)

// StaleEpochError says that a commit's epoch is not the catalog's: nothing was
// written.
type StaleEpochError struct {
	Epoch int64 // the catalog's
}

func (e *StaleEpochError) Error() string {
	return fmt.Sprintf("stale epoch: the catalog is at %d", e.Epoch)
}

// NotPlainError says what names and jobs to be registered really are: nothing
// was written.
type NotPlainError struct {
	Names []Claim
	Jobs  []JobShape
}

func (e *NotPlainError) Error() string {
	return fmt.Sprintf("%d names and %d jobs are registered otherwise", len(e.Names), len(e.Jobs))
}
