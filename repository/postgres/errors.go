package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// The errors that the functions of the migrations raise.
const (
	codeIsolation  = "PG001"
	codeDeadline   = "PG002"
	codeStaleEpoch = "PG003"
	codeNotPlain   = "PG004"
	codeSeen       = "PG005"
	codeNewLife    = "PG006"
)

// wrap translates an error of a statement that has no effect when it fails.
func wrap(err error) error {
	if err == nil {
		return nil
	}
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return fmt.Errorf("%w: %s", repository.ErrUnavailable, redact(err))
	}
	switch class := pgErr.Code[:min(2, len(pgErr.Code))]; {
	case pgErr.Code == codeDeadline, isLockTimeout(err):
		return repository.ErrDeadline
	case pgErr.Code == codeStaleEpoch:
		epoch, parseErr := strconv.ParseInt(pgErr.Detail, 10, 64)
		if parseErr != nil {
			return fmt.Errorf("%w: the catalog is empty: restore the database", repository.ErrUnavailable)
		}
		return &repository.StaleEpochError{Epoch: epoch}
	case pgErr.Code == codeSeen:
		return repository.ErrSeen
	case pgErr.Code == codeNewLife:
		return repository.ErrVoid
	case pgErr.Code == "53100":
		return fmt.Errorf("%w: %s", repository.ErrFull, pgErr.Message)
	case pgErr.Code == "58030":
		return fmt.Errorf("%w: %s", repository.ErrDisk, pgErr.Message)
	case class == "40":
		return fmt.Errorf("%w: %s", repository.ErrConflict, pgErr.Message)
	case pgErr.Code == "23514" && pgErr.TableName == "push_history", pgErr.Code == "22023":
		// No partition, or a setting out of range: not the data's fault.
	case class == "22", class == "23", class == "54":
		return fmt.Errorf("%w: %s", repository.ErrData, pgErr.Message)
	}
	return fmt.Errorf("%w: %s (SQLSTATE %s)", repository.ErrUnavailable, pgErr.Message, pgErr.Code)
}

// wrapCommit translates an error of a statement that ends a transaction, after
// which it can be open whether it was committed. That a connection was closed
// does not tell: pgx says so, too, when it was cut before the answer to a
// COMMIT, and calls that safe to retry.
func wrapCommit(err error) error {
	if err == nil || pgconn.SafeToRetry(err) && !errors.Is(err, pgconn.ErrConnClosed) {
		return wrap(err)
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && !strings.HasPrefix(pgErr.Code, "57P") && !strings.HasPrefix(pgErr.Code, "08") {
		return wrap(err)
	}
	return fmt.Errorf("%w: %s", repository.ErrUnknown, redact(err))
}

// notPlain translates the PG004 of a commit that was to register c's names and
// jobs in the given order.
func notPlain(err error, names []repository.Claim, jobs []repository.JobShape) (error, bool) {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != codeNotPlain {
		return nil, false
	}
	var detail struct {
		Names []struct {
			I           int
			Owner, Type string
			Mixed       bool
		}
		Jobs []struct {
			I      int
			Shared bool
			Shape  *string
		}
	}
	if err := json.Unmarshal([]byte(pgErr.Detail), &detail); err != nil {
		return fmt.Errorf("%w: read the reason: %w", repository.ErrUnavailable, err), true
	}
	result := &repository.NotPlainError{}
	for _, n := range detail.Names {
		claim := names[n.I]
		claim.Owner, claim.Mixed = n.Owner, n.Mixed
		claim.Type, _ = exposition.ParseType(n.Type)
		result.Names = append(result.Names, claim)
	}
	for _, j := range detail.Jobs {
		// The other shape itself is of no use: it only must not be this one.
		result.Jobs = append(result.Jobs, repository.JobShape{Job: jobs[j.I].Job, Shared: j.Shared})
	}
	return result, true
}

// deadlineClock returns what the server's clock showed when it found that the
// deadline had passed.
func deadlineClock(err error) (time.Time, bool) {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != codeDeadline {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseFloat(pgErr.Detail, 64)
	if err != nil {
		return time.Time{}, false
	}
	return time.UnixMicro(int64(seconds * 1e6)), true
}

func isLockTimeout(err error) bool { return sqlState(err) == "55P03" }

func isIsolation(err error) bool { return sqlState(err) == codeIsolation }

// sqlState returns the error's SQLSTATE, or "" if it is none of the server's.
func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return ""
	}
	return pgErr.Code
}

// redact returns the error's text in one line and without the connection's
// settings, of which pgx repeats all but the password.
func redact(err error) string {
	var connectErr *pgconn.ConnectError
	var parseErr *pgconn.ParseConfigError
	switch {
	case errors.As(err, &parseErr):
		return "its parts are not as they should be"
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &connectErr):
		return "connect: " + oneLine(lastCause(connectErr))
	}
	return oneLine(err)
}

func lastCause(err *pgconn.ConnectError) error {
	if cause := errors.Unwrap(err); cause != nil {
		return cause
	}
	return err
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
