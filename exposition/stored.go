package exposition

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"time"
)

// Families are stored as one JSON object, which auditors read with SQL. Its
// keys are the names of the families:
//
//	{
//	  "backup_rows": {
//	    "type": "gauge",
//	    "help": "Rows saved.",
//	    "unit": "rows",
//	    "metrics": [
//	      {"labels": {"table": "users"}, "value": "42.5"}
//	    ]
//	  }
//	}
//
// "type" is counter, gauge, untyped, summary, histogram or gauge_histogram;
// "help" and "unit" are left out when empty. "metrics" is in the order of the
// push, and "labels" are the own labels: those of the grouping key stand once,
// beside the families. A metric may also have:
//
//	"timestamp_ms": "1700000000000"       the pushed timestamp
//	"created": "1700000000.000000001"     when it was created, in Unix seconds
//	"exemplar": {"labels": {"id": "7"}, "value": "1", "timestamp": "1700000000.5"}
//
// All numbers that are values, counts or times are strings, since JSON has
// neither NaN nor infinities nor exact 64 bit integers. Floats are in Go's
// shortest form: "42.5", "1e+06", "NaN", "+Inf", "-0".
//
// In place of "value", a summary has
//
//	"count": "3", "sum": "1.5", "quantiles": [["0.5", "0.4"], ["0.9", "0.8"]]
//
// and a histogram, whose buckets are cumulative and as pushed (a missing +Inf
// stays missing),
//
//	"count": "3", "sum": "1.5", "buckets": [["0.1", "1"], ["1", "2", {exemplar}]]
//
// with "float": true if its counts are floats, "exemplars": [{exemplar}] for
// those of a native histogram, and the native part, whose members are left out
// when empty, but for the schema:
//
//	"native": {
//	  "schema": 3, "zero_threshold": "0.001", "zero_count": "2",
//	  "positive_spans": [[0, 2]], "positive_deltas": [1, -1], "positive_counts": ["1.5", "2"],
//	  "negative_spans": [[0, 1]], "negative_deltas": [1],     "negative_counts": ["1.5"]
//	}
//
// A span is [offset, length]. Integer histograms have deltas, float histograms
// counts. docs/stored-json.md says the same with queries.

// AppendFamilies appends the stored JSON of families, which are as [Normalize]
// returns them.
func AppendFamilies(dst []byte, families []Family) []byte {
	dst = append(dst, '{')
	for i := range families {
		dst = storeComma(dst, i)
		dst = storeString(dst, families[i].Name)
		dst = append(dst, ':')
		dst = storeFamily(dst, &families[i])
	}
	return append(dst, '}')
}

func storeFamily(dst []byte, f *Family) []byte {
	dst = append(dst, `{"type":"`...)
	dst = append(dst, f.Type.String()...)
	dst = append(dst, '"')
	if f.Help != "" {
		dst = append(dst, `,"help":`...)
		dst = storeString(dst, f.Help)
	}
	if f.Unit != "" {
		dst = append(dst, `,"unit":`...)
		dst = storeString(dst, f.Unit)
	}
	dst = append(dst, `,"metrics":[`...)
	for i := range f.Metrics {
		dst = storeComma(dst, i)
		dst = storeMetric(dst, f.Type, &f.Metrics[i])
	}
	return append(dst, "]}"...)
}

func storeMetric(dst []byte, t Type, m *Metric) []byte {
	dst = append(dst, `{"labels":`...)
	dst = storeLabels(dst, m.Labels)
	switch {
	case t == Summary:
		dst = storeSummary(dst, m.Summary)
	case t.isHistogram():
		dst = storeHistogram(dst, m.Histogram)
	default:
		dst = append(dst, `,"value":`...)
		dst = storeFloat(dst, m.Value)
	}
	if m.TimestampMs != nil {
		dst = append(dst, `,"timestamp_ms":"`...)
		dst = strconv.AppendInt(dst, *m.TimestampMs, 10)
		dst = append(dst, '"')
	}
	if !m.Created.IsZero() {
		dst = append(dst, `,"created":`...)
		dst = storeTime(dst, m.Created)
	}
	if m.Exemplar != nil {
		dst = append(dst, `,"exemplar":`...)
		dst = storeExemplar(dst, m.Exemplar)
	}
	return append(dst, '}')
}

func storeLabels(dst []byte, labels []Label) []byte {
	dst = append(dst, '{')
	for i, l := range labels {
		dst = storeComma(dst, i)
		dst = storeString(dst, l.Name)
		dst = append(dst, ':')
		dst = storeString(dst, l.Value)
	}
	return append(dst, '}')
}

// AppendJSON appends the labels as a JSON object.
func (k GroupingKey) AppendJSON(dst []byte) []byte { return storeLabels(dst, k.labels) }

// HasJSON reports whether a JSON object is that of the key's labels, as far as
// that can be seen without decoding: with each label once, nothing escaped, and at
// most a space after a colon or comma. It allocates nothing.
func (k GroupingKey) HasJSON(json []byte) bool {
	if len(k.labels) > 64 {
		return false
	}
	before, seen := byte('{'), uint64(0)
	for range k.labels {
		name, rest := plainString(json, before)
		value, rest := plainString(rest, ':')
		i := slices.IndexFunc(k.labels, func(l Label) bool { return l.Name == string(name) })
		if i < 0 || seen>>i&1 == 1 || rest == nil || k.labels[i].Value != string(value) {
			return false
		}
		before, seen, json = ',', seen|1<<i, rest
	}
	return string(json) == "}"
}

// plainString cuts a string without escapes off JSON that begins with a certain
// byte, the string, and something else. It returns nil if that is not so.
func plainString(json []byte, before byte) (s, rest []byte) {
	if len(json) < 3 || json[0] != before {
		return nil, nil
	}
	if json = json[1:]; json[0] == ' ' {
		json = json[1:]
	}
	if json[0] != '"' {
		return nil, nil
	}
	json = json[1:]
	for i, c := range json {
		switch {
		case c == '"':
			return json[:i], json[i+1:]
		case c == '\\', c < ' ':
			return nil, nil
		}
	}
	return nil, nil
}

func storeExemplar(dst []byte, e *Exemplar) []byte {
	dst = append(dst, `{"labels":`...)
	dst = storeLabels(dst, e.Labels)
	dst = append(dst, `,"value":`...)
	dst = storeFloat(dst, e.Value)
	if !e.Timestamp.IsZero() {
		dst = append(dst, `,"timestamp":`...)
		dst = storeTime(dst, e.Timestamp)
	}
	return append(dst, '}')
}

func storeComma(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return dst
}

func storeFloat(dst []byte, v float64) []byte {
	dst = append(dst, '"')
	dst = strconv.AppendFloat(dst, v, 'g', -1, 64)
	return append(dst, '"')
}

// storeTime appends seconds since 1970, exact to the nanosecond.
func storeTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	ns := t.UnixNano()
	magnitude := uint64(ns)
	if ns < 0 {
		dst = append(dst, '-')
		magnitude = -magnitude
	}
	dst = strconv.AppendUint(dst, magnitude/1e9, 10)
	if fraction := magnitude % 1e9; fraction > 0 {
		end := len(dst)
		dst = strconv.AppendUint(dst, 1e9+fraction, 10)
		dst[end] = '.' // in place of the 1, which kept the leading zeros
		for dst[len(dst)-1] == '0' {
			dst = dst[:len(dst)-1]
		}
	}
	return append(dst, '"')
}

// storeString appends a JSON string. Only what JSON asks for is escaped.
func storeString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// FamilySet is a digest of the names of families, which are sorted.
func FamilySet(families []Family) Digest {
	names := make([]byte, 0, 512)
	for i := range families {
		names = append(append(names, families[i].Name...), 0)
	}
	return sha256.Sum256(names)
}
