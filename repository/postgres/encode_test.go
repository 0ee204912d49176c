package postgres

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
)

// TestArguments lets the server read what arguments write.
func TestArguments(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), pgtest.NewEmpty(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	long := `{"a":"` + strings.Repeat("x", padFrom) + `"}`
	for _, test := range []struct {
		name  string
		write func(a *arguments)
		sql   string // of $1, as text
		want  string
	}{
		{"no texts", func(a *arguments) { texts(a, []string(nil), same) }, "to_json($1::text[])", "[]"},
		{"texts", func(a *arguments) { texts(a, []string{"", "ä,\"{}\\"}, same) }, "to_json($1::text[])", `["","ä,\"{}\\"]`},
		{"texts or NULL", func(a *arguments) { optionalTexts(a, []string{"", "a"}, same) }, "to_json($1::text[])", `[null,"a"]`},
		{"digests", func(a *arguments) { byteas(a, []string{"a"}, func(s *string) [32]byte { return digest(*s) }) },
			"to_json($1::bytea[] = ARRAY[sha256('a')])", "true"},
		{"bytes of strings", func(a *arguments) { byteaTexts(a, []string{"a\x00\xff"}, same) }, "to_json($1::bytea[])", `["\\x6100ff"]`},
		{"uuids or NULL", func(a *arguments) {
			uuids(a, [][16]byte{{}, {1, 15: 2}}, func(u *[16]byte) [16]byte { return *u })
		}, "to_json($1::uuid[])", `[null,"01000000-0000-0000-0000-000000000002"]`},
		{"booleans", func(a *arguments) { booleans(a, []bool{true, false}, same) }, "to_json($1::boolean[])", "[true,false]"},
		{"booleans or NULL", func(a *arguments) { optionalBooleans(a, []*bool{nil, new(true)}, same) }, "to_json($1::boolean[])", "[null,true]"},
		{"integers or NULL", func(a *arguments) { integers(a, []int{0, 1 << 30, -1}, same) }, "to_json($1::integer[])", "[0,1073741824,null]"},
		{"JSON or NULL", func(a *arguments) { jsons(a, [][]byte{[]byte(`{"a":1}`), nil}, same) }, "to_json($1::json[])", `[{"a":1},null]`},
		{"JSON that is padded", func(a *arguments) { jsons(a, [][]byte{[]byte(long), []byte("{}")}, same) },
			"json_build_array(($1::json[])[1] ->> 'a' = repeat('x', 1000), octet_length(($1::json[])[1]::text), ($1::json[])[2])", "[true, 2000, {}]"},
		{"a time", func(a *arguments) { a.timestamp(time.Date(1999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)) },
			"to_json(extract(epoch FROM $1::timestamptz))", "946684799.999999"},
		{"a number", func(a *arguments) { a.bigint(-1 << 40) }, "to_json($1::bigint)", "-1099511627776"},
		{"a truth", func(a *arguments) { a.boolean(true) }, "to_json($1::boolean)", "true"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newArguments()
			defer a.release()
			test.write(a)
			got, err := call(t.Context(), conn, true, "SELECT ("+test.sql+")::text", a.values())
			if err != nil || !bytes.Equal(got[0], []byte(test.want)) {
				t.Errorf("the server reads %s, want %s (%v)", got, test.want, err)
			}
		})
	}
}

func same[T any](v *T) T { return *v }

// TestTimestamps protects the clock that deadlines are told by.
func TestTimestamps(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 2, 3, 4, 5, 6, 789_012_000, time.UTC)
	a := newArguments()
	defer a.release()
	a.timestamp(want)
	if got := timestamp(a.values()[0]); !got.Equal(want) {
		t.Errorf("%s is read as %s", want, got)
	}
}

// TestLostStatement protects commits from a connection whose prepared statements
// a pooler has discarded.
func TestLostStatement(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), pgtest.NewEmpty(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	a := newArguments()
	defer a.release()
	a.boolean(true)
	if _, err := call(t.Context(), conn, true, "SELECT $1::boolean", a.values()); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "DEALLOCATE ALL", pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	if _, err := call(t.Context(), conn, true, "SELECT $1::boolean", a.values()); err == nil || !conn.IsClosed() {
		t.Errorf("without its statement the connection is left open: %t, %v", !conn.IsClosed(), err)
	}
}
