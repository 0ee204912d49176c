package query

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// A cursor says where a page ends and the next one begins, by what was in its
// last row: rows that come or go meanwhile move no other ones to another page.
// Clients take it as it is; it is base64url of JSON.

var errCursor = errors.New("the cursor is none that this query has returned: take next_cursor of its last answer, or leave it out")

// RowCursor is a place in the history.
type RowCursor struct {
	At  time.Time // to the microsecond
	Seq int64
}

type rowCursor struct {
	At  *int64 `json:"at"` // Unix microseconds
	Seq *int64 `json:"seq"`
}

// String returns the cursor for a client.
func (c RowCursor) String() string {
	at := c.At.UnixMicro()
	return encodeCursor(rowCursor{&at, &c.Seq})
}

// ParseRowCursor reads what RowCursor.String returned.
func ParseRowCursor(text string) (RowCursor, error) {
	var c rowCursor
	if err := decodeCursor(text, &c); err != nil || c.At == nil || c.Seq == nil || *c.Seq < 0 {
		return RowCursor{}, errCursor
	}
	at := time.UnixMicro(*c.At).UTC()
	if at.Before(firstTime) || at.After(lastTime) {
		return RowCursor{}, errCursor
	}
	return RowCursor{at, *c.Seq}, nil
}

// GroupCursor is a place among the groups in some order: a group's key, and the
// time that it is sorted by, if it is by one.
type GroupCursor struct {
	Sort string
	At   time.Time // zero for never
	Key  exposition.GroupingKey
}

type groupCursor struct {
	Sort   string            `json:"sort"`
	At     int64             `json:"at,omitempty"` // Unix microseconds
	Labels map[string]string `json:"labels"`
}

// String returns the cursor for a client.
func (c GroupCursor) String() string {
	g := groupCursor{Sort: c.Sort, Labels: c.Key.Map()}
	if !c.At.IsZero() {
		g.At = c.At.UnixMicro()
	}
	return encodeCursor(g)
}

// ParseGroupCursor reads what GroupCursor.String returned for the same order.
func ParseGroupCursor(text, sort string) (GroupCursor, error) {
	var g groupCursor
	if err := decodeCursor(text, &g); err != nil || g.Sort != sort {
		return GroupCursor{}, errCursor
	}
	key, err := exposition.NewGroupingKey(g.Labels, exposition.UTF8Names)
	if err != nil {
		return GroupCursor{}, errCursor
	}
	c := GroupCursor{Sort: sort, Key: key}
	if g.At != 0 {
		c.At = time.UnixMicro(g.At).UTC()
	}
	return c, nil
}

// JobCursor is a place among the jobs, by name.
type JobCursor struct {
	Job string `json:"job"`
}

// String returns the cursor for a client.
func (c JobCursor) String() string { return encodeCursor(c) }

// ParseJobCursor reads what JobCursor.String returned.
func ParseJobCursor(text string) (JobCursor, error) {
	var c JobCursor
	if err := decodeCursor(text, &c); err != nil || c.Job == "" {
		return JobCursor{}, errCursor
	}
	return c, nil
}

func encodeCursor(v any) string {
	text, _ := json.Marshal(v) // what cursors are made of cannot fail
	return base64.RawURLEncoding.EncodeToString(text)
}

func decodeCursor(text string, v any) error {
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(decoded))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return errCursor
	}
	return nil
}
