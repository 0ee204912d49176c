package e2e

import (
	"encoding/json"
	"net/http"
	"reflect"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// TestQueryContract protects /api/v1/metrics.
func TestQueryContract(t *testing.T) {
	runContract(t, []contractCase{
		{name: "an empty gateway has an empty list", check: func(t *testing.T, f *fleet) {
			a := f.send(t, http.MethodGet, "/api/v1/metrics", "")
			if a.code != 200 || a.header.Get("Content-Type") != "application/json" || compact(t, a.body) != `{"data":[],"status":"success"}` {
				t.Errorf("%d %s: %s", a.code, a.header.Get("Content-Type"), a.body)
			}
		}},
		{
			name: "every type has its form",
			steps: []step{put("/metrics/job/j/instance/i", "# HELP g some help\n# TYPE g gauge\ng{l=\"v\"} 1e6\n# TYPE c counter\nc 0.25\nu -Inf\n"+
				"# TYPE h histogram\nh_bucket{le=\"0.1\"} 3\nh_bucket{le=\"1e3\"} 4\nh_sum 3.5\nh_count 4\n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1.5\ns_count 2\n")},
			want: `
				c{instance="i",job="j"} 0.25
				g{instance="i",job="j",l="v"} 1e+06
				h_bucket{instance="i",job="j",le="0.1"} 3
				h_bucket{instance="i",job="j",le="1000"} 4
				h_bucket{instance="i",job="j",le="+Inf"} 4
				h_sum{instance="i",job="j"} 3.5
				h_count{instance="i",job="j"} 4
				s{instance="i",job="j",quantile="0.5"} 1
				s_sum{instance="i",job="j"} 1.5
				s_count{instance="i",job="j"} 2
				u{instance="i",job="j"} -Inf
				group{instance="i",job="j"} pushed`,
			check: queryOfEachType,
		},
		{
			name:  "a native histogram has a list of buckets",
			steps: []step{putProto(histogram(dto.MetricType_HISTOGRAM, nativeHistogram()))},
			want: `
				h_bucket{instance="",job="j",le="+Inf"} 10
				h_sum{instance="",job="j"} 12.5
				h_count{instance="",job="j"} 10` + jobJ,
			check: queryOfNative,
		},
		{
			name:  "each family has its own time",
			steps: []step{put("/metrics/job/j", "a 1\nb 1\n"), post("/metrics/job/j", "b 2\n")},
			want:  "a{instance=\"\",job=\"j\"} 1\nb{instance=\"\",job=\"j\"} 2" + jobJ,
			check: queryTimes,
		},
		{
			name:  "a failed push is not the last word",
			steps: []step{put("/metrics/job/j", sample), put("/metrics/job/j", "m 1 1\n").refused("timestamp"), put("/metrics/job/k", "m 1 1\n").refused("timestamp")},
			want:  "m{instance=\"\",job=\"j\"} 1\ngroup{instance=\"\",job=\"j\"} pushed failed\ngroup{instance=\"\",job=\"k\"} failed",
			check: func(t *testing.T, f *fleet) {
				for _, g := range queryGroups(t, f) {
					if g["last_push_successful"] != false {
						t.Errorf("the group %v has last_push_successful=%v", g["labels"], g["last_push_successful"])
					}
				}
				put("/metrics/job/j", sample).run(t, f)
				if g := queryGroups(t, f)[0]; g["last_push_successful"] != true {
					t.Errorf("the group %v has last_push_successful=%v", g["labels"], g["last_push_successful"])
				}
			},
		},
		{
			name:  "labels are those of the key",
			steps: []step{put("/metrics/job/j/a/", sample)},
			want:  "m{a=\"\",instance=\"\",job=\"j\"} 1\ngroup{a=\"\",instance=\"\",job=\"j\"} pushed",
			check: func(t *testing.T, f *fleet) {
				if got, want := queryGroups(t, f)[0]["labels"], map[string]any{"a": "", "job": "j"}; !reflect.DeepEqual(got, want) {
					t.Errorf("the labels are %v, want %v", got, want)
				}
			},
		},
	})
}

// compact returns JSON with sorted keys and without blanks.
func compact(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// queryGroups returns the groups of /api/v1/metrics, as JSON values.
func queryGroups(t *testing.T, f *fleet) []map[string]any {
	t.Helper()
	a := f.send(t, http.MethodGet, "/api/v1/metrics", "")
	var answer struct {
		Status string
		Data   []map[string]any
	}
	if err := json.Unmarshal([]byte(a.body), &answer); err != nil || a.code != 200 || answer.Status != "success" || len(answer.Data) == 0 {
		t.Fatalf("%d %s: %v", a.code, a.body, err)
	}
	return answer.Data
}

// checkQuery compares a family of a group, but for its time, with JSON.
func checkQuery(t *testing.T, group map[string]any, family, want string) {
	t.Helper()
	got, ok := group[family].(map[string]any)
	if !ok {
		t.Errorf("there is no family %s", family)
		return
	}
	queryTime(t, group, family)
	delete(got, "time_stamp")
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != compact(t, want) {
		t.Errorf("%s is\n%s\nwant\n%s", family, b, want)
	}
}

// queryTime returns the time of a family.
func queryTime(t *testing.T, group map[string]any, family string) time.Time {
	t.Helper()
	text, _ := group[family].(map[string]any)["time_stamp"].(string)
	stamp, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Errorf("the time of %s: %v", family, err)
	}
	return stamp
}

func queryOfEachType(t *testing.T, f *fleet) {
	g := queryGroups(t, f)[0]
	if g["last_push_successful"] != true {
		t.Errorf("last_push_successful is %v", g["last_push_successful"])
	}
	for family, want := range map[string]string{
		"g": `{"type":"GAUGE","help":"some help","metrics":[{"labels":{"instance":"i","job":"j","l":"v"},"value":"1e+06"}]}`,
		"c": `{"type":"COUNTER","metrics":[{"labels":{"instance":"i","job":"j"},"value":"0.25"}]}`,
		"u": `{"type":"UNTYPED","metrics":[{"labels":{"instance":"i","job":"j"},"value":"-Inf"}]}`,
		"h": `{"type":"HISTOGRAM","metrics":[{"labels":{"instance":"i","job":"j"},"buckets":{"0.1":"3","1000":"4"},"count":"4","sum":"3.5"}]}`,
		"s": `{"type":"SUMMARY","metrics":[{"labels":{"instance":"i","job":"j"},"quantiles":{"0.5":"1"},"count":"2","sum":"1.5"}]}`,
		"push_failure_time_seconds": `{"type":"GAUGE","help":"Last Unix time when changing this group in the Pushgateway failed.",
			"metrics":[{"labels":{"instance":"i","job":"j"},"value":"0"}]}`,
	} {
		checkQuery(t, g, family, want)
	}
	pushed := g["push_time_seconds"].(map[string]any)
	if pushed["type"] != "GAUGE" || pushed["help"] != "Last Unix time when changing this group in the Pushgateway succeeded." {
		t.Errorf("push_time_seconds is %v", pushed)
	}
}

func queryOfNative(t *testing.T, f *fleet) {
	checkQuery(t, queryGroups(t, f)[0], "h", `{"type":"HISTOGRAM","metrics":[{"labels":{"instance":"","job":"j"},"count":"10","sum":"12.5","buckets":[
		[1,"-0.8408964152537144","-0.7711054127039704","2"],
		[3,"-0.001","0.001","2"],
		[0,"0.9170040432046711","1","1"],
		[0,"1","1.0905077326652577","3"],
		[0,"1.414213562373095","1.5422108254079407","2"]
	]}]}`)
}

// queryTimes checks that a POST leaves the times of other families alone.
func queryTimes(t *testing.T, f *fleet) {
	g := queryGroups(t, f)[0]
	a, b, pushed := queryTime(t, g, "a"), queryTime(t, g, "b"), queryTime(t, g, "push_time_seconds")
	if !a.Before(b) || b.Sub(pushed).Abs() > time.Millisecond {
		t.Errorf("a is of %v, b of %v, the group of %v", a, b, pushed)
	}
	post("/metrics/job/j", "c 1\n").run(t, f)
	g = queryGroups(t, f)[0]
	if a2, b2 := queryTime(t, g, "a"), queryTime(t, g, "b"); !a2.Equal(a) || !b2.Equal(b) || !queryTime(t, g, "c").After(b) {
		t.Errorf("a is of %v, b of %v, c of %v", a2, b2, queryTime(t, g, "c"))
	}
}
