package repository_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// TestPayload protects what --history.payload promises, and that failed runs
// are found whatever it says.
func TestPayload(t *testing.T) {
	const body = `# HELP b Help.
# TYPE b_success gauge
b_success 0
# TYPE c counter
c{a="1"} 2
# TYPE h histogram
h_bucket{le="1"} 1
h_bucket{le="+Inf"} 2
h_sum 3
h_count 2
# TYPE s summary
s{quantile="0.5"} 1
s_sum 5
s_count 4
`
	for _, test := range []struct {
		payload   repository.Payload
		put, post string
	}{
		{"", `{"b_success":{"type":"gauge","metrics":[{"labels":{},"value":"0"}]},"c":{"type":"counter","metrics":[{"labels":{"a":"1"},"value":"2"}]},` +
			`"h":{"type":"histogram","metrics":[{"labels":{},"count":"2","sum":"3","buckets":[["1","1"],["+Inf","2"]]}]},` +
			`"s":{"type":"summary","metrics":[{"labels":{},"count":"4","sum":"5","quantiles":[["0.5","1"]]}]}}`,
			`{"gone":{"type":"gauge","help":"Help.","metrics":[]}}`},
		{repository.PayloadValues, `{"b_success":{"type":"gauge","metrics":[{"labels":{},"value":"0"}]},"c":{"type":"counter","metrics":[{"labels":{"a":"1"},"value":"2"}]},` +
			`"h":{"type":"histogram","metrics":[{"labels":{},"count":"2","sum":"3","buckets":[]}]},` +
			`"s":{"type":"summary","metrics":[{"labels":{},"count":"4","sum":"5","quantiles":[]}]}}`,
			`{"gone":{"type":"gauge","metrics":[]}}`},
		{repository.PayloadNone, "", ""},
	} {
		t.Run("payload="+string(test.payload), func(t *testing.T) {
			onEach(t, func(t *testing.T, d database) {
				store := d.open(t)
				replica := start(t, store, func(o *repository.Options) { o.Payload = test.payload })
				removal := repository.Push{Request: repository.Request{Method: repository.Post}, Key: key(t, "job/a"),
					Families: []exposition.Family{{Name: "gone", Help: "Help.", Type: exposition.Gauge}}}
				for _, err := range []error{
					push(t, replica, repository.Put, "job/a", body),
					replica.Push(patient(t), removal),
					push(t, replica, repository.Post, "job/a", "success 1\n"),
					push(t, replica, repository.Delete, "job/a", ""),
				} {
					if err != nil {
						t.Fatal(err)
					}
				}
				rows := history(t, store)
				for i, want := range []struct{ families, success string }{{test.put, "false"}, {test.post, "none"}, {"", "true"}, {"", "none"}} {
					got := rows[i]
					success := "none"
					if got.Success != nil {
						success = fmt.Sprint(*got.Success)
					}
					if success != want.success || i != 2 && string(got.Families) != want.families {
						t.Errorf("row %d has %s and the verdict %s, want %s and %s", i, got.Families, success, want.families, want.success)
					}
				}
			})
		})
	}
}

// TestMalformed protects groups from bodies that nobody could read: they are in
// the history alone.
func TestMalformed(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		store := d.open(t)
		replica := start(t, store)
		if err := push(t, replica, repository.Put, "job/a", "success 1\n"); err != nil {
			t.Fatal(err)
		}
		refused := fmt.Errorf("%w: line 1", exposition.ErrMalformed)
		for _, path := range []string{"job/a", "job/b"} {
			p := repository.Push{Request: repository.Request{Method: repository.Put, Bytes: 7}, Key: key(t, path), Refused: refused, Malformed: true}
			if err := replica.Push(patient(t), p); !errors.Is(err, exposition.ErrMalformed) {
				t.Errorf("got %v, want what was wrong with the body", err)
			}
		}
		groups := 0
		err := replica.Groups(t.Context(), func(g exposition.Group) error {
			if groups++; !g.PushFailureTime.IsZero() || len(g.Families) != 1 {
				t.Errorf("a group is %+v", g)
			}
			return nil
		})
		if err != nil || groups != 1 {
			t.Errorf("there are %d groups, want 1: %v", groups, err)
		}
		rows := history(t, store)
		if len(rows) != 3 || rows[2].Accepted || rows[2].Reason != refused.Error() || rows[2].Bytes != 7 || rows[2].Affected != 0 || rows[2].Success != nil {
			t.Errorf("the history is %+v", rows)
		}
	})
}
