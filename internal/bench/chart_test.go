package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestChart(t *testing.T) {
	t.Parallel()
	c := chart{title: "Pushes & scrapes", lines: []line{{name: "nobody"}, {name: "theirs"}, {name: "ours", ours: true}}}
	for i, l := range c.lines[1:] {
		l.add(1, 0) // was not measured
		l.add(1, 5000)
		l.add(50_000, 0.2)
		c.lines[i+1] = l
	}
	svg := c.svg()
	decoder := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal("it is no XML:", err)
		}
	}
	for text, want := range map[string]int{">nobody<": 0, ">theirs<": 1, ">ours<": 1, "<circle": 4, ">0.1<": 1, ">50,000<": 1, ">10,000<": 1, `"8 4"`: 0} {
		if n := strings.Count(svg, text); n != want {
			t.Errorf("%q is there %d times, want %d", text, n, want)
		}
	}
	labels := c.labels(axis{-1, 4, chartBottom, chartTop})
	if apart := labels[1] - labels[0]; apart < labelHeight {
		t.Errorf("names of lines that end together are %.0f apart, want %d", apart, labelHeight)
	}
	if svg := (&chart{}).svg(); svg != "" {
		t.Errorf("without points it is %q", svg)
	}
}
