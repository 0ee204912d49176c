package main

import (
	"fmt"
	"strconv"
	"sync"
)

// traffic appends the request that has the number n. Consecutive ones go to
// different groups, and two for one group never have the same body in a row.
type traffic func(dst []byte, n int) []byte

// stride scatters consecutive pushes over the groups.
const stride = 7919

// bodies are made once, so that clients need not make them while they share
// cores with what is measured. Their number is a prime that divides no number
// of groups, and so large that equal values are too far from each other in an
// exposition to help those who compress it.
var bodies = sync.OnceValue(func() [][]byte {
	all := make([][]byte, 16_381)
	for n := range all {
		all[n] = appendBody(nil, n)
	}
	return all
})

func body(n int) []byte { return bodies()[n%len(bodies())] }

// bodySize is the mean size of a body.
func bodySize() float64 {
	total := 0
	for _, b := range bodies() {
		total += len(b)
	}
	return float64(total) / float64(len(bodies()))
}

// plain pushes to so many groups of one job.
func plain(groups int) traffic {
	return func(dst []byte, n int) []byte {
		dst = append(dst, "PUT /metrics/job/bench"...)
		dst = appendPadded(append(dst, "/instance/host-"...), n*stride%groups)
		return appendBodyPart(dst, body(n), nil)
	}
}

// jobs pushes to so many jobs with so many groups each.
func jobs(count, groups int) traffic {
	return func(dst []byte, n int) []byte {
		g := n * stride % (count * groups)
		dst = appendPadded(append(dst, "PUT /metrics/job/plain-"...), g%count)
		dst = appendPadded(append(dst, "/instance/host-"...), g/count)
		return appendBodyPart(dst, body(n), nil)
	}
}

// shapes is jobs, with groups of each job that have one of three sets of label
// names.
func shapes(count, groups int) traffic {
	return func(dst []byte, n int) []byte {
		g := n * stride % (count * groups)
		dst = appendPadded(append(dst, "PUT /metrics/job/shapes-"...), g%count)
		dst = appendPadded(append(dst, "/instance/host-"...), g/count)
		dst = append(dst, [...]string{"", "/zone/a", "/disk/b"}[g/count%3]...)
		return appendBodyPart(dst, body(n), nil)
	}
}

// storm pushes, beside the usual body, one family with a name that no push had
// before, to so many groups.
func storm(groups int) traffic {
	return func(dst []byte, n int) []byte {
		dst = appendPadded(append(dst, "PUT /metrics/job/storm/instance/host-"...), n*stride%groups)
		return appendBodyPart(dst, body(n), fmt.Appendf(nil, "# TYPE storm_%d gauge\nstorm_%d 1\n", n, n))
	}
}

func appendPadded(dst []byte, n int) []byte {
	for limit := 10_000; n < limit && limit > 1; limit /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, int64(n), 10)
}

// appendBodyPart appends what follows the path of a request.
func appendBodyPart(dst, body, more []byte) []byte {
	dst = append(dst, " HTTP/1.1\r\nHost: bench\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)+len(more)), 10)
	dst = append(append(dst, "\r\n\r\n"...), body...)
	return append(dst, more...)
}
