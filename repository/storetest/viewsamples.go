package storetest

import (
	"slices"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

func testCurrentSamples(t *testing.T, v *views) {
	const body = `# TYPE c counter
c{a="1"} 2
# TYPE g gauge
g NaN
g{i="1"} +Inf
g{i="2"} -Inf
g{i="3"} 1e+06
g{i="4"} 5e-324
# TYPE h histogram
h_bucket{a="1",le="0.5"} 1
h_bucket{a="1",le="+Inf"} 3
h_sum{a="1"} 4.5
h_count{a="1"} 3
# TYPE k histogram
k_bucket{le="1"} 1
k_sum 1
k_count 2
# TYPE s summary
s{quantile="0.5"} 7
s{quantile="0.99"} NaN
s_sum 8
s_count 9
# TYPE "$.x\"y" untyped
{"$.x\"y"} 5
`
	v.put(body, "job/a/n/1")
	v.put("u 1\n", "job/b")
	want := []string{
		`a {"a":"1","job":"a","n":"1"} c counter 2`,
		`a {"job":"a","n":"1"} g gauge NULL`,
		`a {"i":"1","job":"a","n":"1"} g gauge +Inf`,
		`a {"i":"2","job":"a","n":"1"} g gauge -Inf`,
		`a {"i":"3","job":"a","n":"1"} g gauge 1e+06`,
		`a {"i":"4","job":"a","n":"1"} g gauge 5e-324`,
		`a {"a":"1","job":"a","le":"0.5","n":"1"} h_bucket histogram 1`,
		`a {"a":"1","job":"a","le":"+Inf","n":"1"} h_bucket histogram 3`,
		`a {"a":"1","job":"a","n":"1"} h_sum histogram 4.5`,
		`a {"a":"1","job":"a","n":"1"} h_count histogram 3`,
		`a {"job":"a","le":"1","n":"1"} k_bucket histogram 1`,
		`a {"job":"a","le":"+Inf","n":"1"} k_bucket histogram 2`,
		`a {"job":"a","n":"1"} k_sum histogram 1`,
		`a {"job":"a","n":"1"} k_count histogram 2`,
		`a {"job":"a","n":"1","quantile":"0.5"} s summary 7`,
		`a {"job":"a","n":"1","quantile":"0.99"} s summary NULL`,
		`a {"job":"a","n":"1"} s_sum summary 8`,
		`a {"job":"a","n":"1"} s_count summary 9`,
		`a {"job":"a","n":"1"} $.x"y untyped 5`,
		`b {"job":"b"} u untyped 1`,
	}
	slices.Sort(want)
	got := v.rows("SELECT job, labels, metric, type, value FROM current_samples")
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("samples are\n%q\nwant\n%q", got, want)
	}
}

func testSampleTimes(t *testing.T, v *views) {
	v.put("a 1\n{\"$.x\\\"<&y\"} 1\nc 1\n", "job/a")
	v.do(repository.Post, "c 2\n", "job/a")
	v.catchUp()
	g := v.group("job/a")
	first := g.FamilyTimes["a"]
	if !first.Before(g.PushTime) {
		t.Fatalf("the families are of %v and %v, want two times", first, g.PushTime)
	}
	v.expectRows("times", "SELECT metric, value, pushed_at FROM current_samples ORDER BY value, metric",
		`$.x"<&y 1 `+cell(first), "a 1 "+cell(first), "c 2 "+cell(g.PushTime))
}
