package api_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// TestExportOfNewNamesAndHistograms protects those who push what Prometheus has had
// for a few years only: names in UTF-8 are quoted, as Prometheus 3 reads them, and of
// native histograms there are the count and the sum, since no format of the export
// has their buckets. JSON has all of it.
func TestExportOfNewNamesAndHistograms(t *testing.T) {
	t.Parallel()
	v := newV1(t)
	utf8, native := pushRow(t, minutes(0), "job/a", ""), pushRow(t, minutes(1), "job/b", "")
	var err error
	if utf8.Key, err = exposition.ParseGroupingKey("job/a/zone.name/é", exposition.UTF8Names); err != nil {
		t.Fatal(err)
	}
	families, err := exposition.ParseText(strings.NewReader(`# TYPE "x.y" gauge
{"x.y","l.m"="\"q\""} 1
# TYPE "h.s" histogram
{"h.s_bucket",le="+Inf"} 2
{"h.s_sum"} 3
{"h.s_count"} 2
`), exposition.UTF8Names)
	if err != nil {
		t.Fatal(err)
	}
	utf8.Families = exposition.AppendFamilies(nil, families)
	families, err = exposition.FamiliesFromProto(nativeHistograms()[1:2])
	native.Families = exposition.AppendFamilies(nil, mustNormalize(t, native.Key, families, err))
	v.history(utf8, native)
	for query, want := range map[string]string{
		"format=openmetrics": `{"h.s_bucket",job="a",le="+Inf","zone.name"="é"} 2 1772366400.678
{"h.s_sum",job="a","zone.name"="é"} 3 1772366400.678
{"h.s_count",job="a","zone.name"="é"} 2 1772366400.678
{"x.y",job="a","l.m"="\"q\"","zone.name"="é"} 1 1772366400.678
native_float_bucket{job="b",le="+Inf"} 6.5 1772366460.678
native_float_sum{job="b"} -1 1772366460.678
native_float_count{job="b"} 6.5 1772366460.678
# EOF
`,
		"format=openmetrics&match[]=" + url.QueryEscape(`{__name__=~"[a-zA-Z0-9_:]+",__name__!~"native.*"}`): "# EOF\n",
		"format=csv": `id,time,job,labels,metric,type,value
1,2026-03-01T12:00:00.678901Z,a,"{""job"":""a"",""le"":""+Inf"",""zone.name"":""é""}",h.s_bucket,histogram,2
1,2026-03-01T12:00:00.678901Z,a,"{""job"":""a"",""zone.name"":""é""}",h.s_sum,histogram,3
1,2026-03-01T12:00:00.678901Z,a,"{""job"":""a"",""zone.name"":""é""}",h.s_count,histogram,2
1,2026-03-01T12:00:00.678901Z,a,"{""job"":""a"",""l.m"":""\""q\"""",""zone.name"":""é""}",x.y,gauge,1
2,2026-03-01T12:01:00.678901Z,b,"{""job"":""b"",""le"":""+Inf""}",native_float_bucket,histogram,6.5
2,2026-03-01T12:01:00.678901Z,b,"{""job"":""b""}",native_float_sum,histogram,-1
2,2026-03-01T12:01:00.678901Z,b,"{""job"":""b""}",native_float_count,histogram,6.5
`,
		"format=jsonl": `{"id":1,"time":"2026-03-01T12:00:00.678901Z","job":"a","labels":{"job":"a","zone.name":"é"},"method":"PUT","outcome":"accepted",` +
			`"success":null,"affected":1,"series":0,"bytes":0,"replica":"r:9091","families":{` +
			`"h.s":{"type":"histogram","metrics":[{"labels":{},"count":"2","sum":"3","buckets":[["+Inf","2"]]}]},` +
			`"x.y":{"type":"gauge","metrics":[{"labels":{"l.m":"\"q\""},"value":"1"}]}}}` + "\n" +
			`{"id":2,"time":"2026-03-01T12:01:00.678901Z","job":"b","labels":{"job":"b"},"method":"PUT","outcome":"accepted",` +
			`"success":null,"affected":1,"series":0,"bytes":0,"replica":"r:9091","families":{` +
			`"native_float":{"type":"histogram","metrics":[{"labels":{},"float":true,"count":"6.5","sum":"-1","buckets":[],` +
			`"native":{"schema":-1,"zero_threshold":"0","zero_count":"0.5","positive_spans":[[-2,3]],"positive_counts":["1.5","0","4.5"]}}]}}}` + "\n",
	} {
		if got := send(v, "GET", "/api/v1/history/export?"+query, "").Body.String(); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", query, got, want)
		}
	}
}
