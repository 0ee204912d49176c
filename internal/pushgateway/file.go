package pushgateway

import (
	"bufio"
	"encoding/gob"
	"fmt"
	"io"
	"os"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// ReadFile reads the groups from the file that a Pushgateway was given as
// --persistence.file.
func ReadFile(path string) ([]Group, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	groups, err := decode(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("%s is no persistence file of a Pushgateway: %w", path, err)
	}
	return groups, nil
}

// The types below have the fields that the file has.
type (
	fileGroup struct {
		Labels  map[string]string
		Metrics map[string]fileFamily
	}
	fileFamily struct {
		Timestamp            time.Time
		GobbableMetricFamily *gobFamily
	}
	gobFamily struct{ dto.MetricFamily }
)

// GobDecode implements [gob.GobDecoder].
func (f *gobFamily) GobDecode(b []byte) error { return proto.Unmarshal(b, &f.MetricFamily) }

// decode reads the content of a persistence file.
func decode(r io.Reader) (groups []Group, err error) {
	defer func() { // gob is not made for hostile input
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	var content map[string]fileGroup
	if err := gob.NewDecoder(r).Decode(&content); err != nil {
		return nil, err
	}
	for _, g := range content {
		held := make(map[string]heldFamily, len(g.Metrics))
		for name, f := range g.Metrics {
			if f.GobbableMetricFamily == nil {
				return nil, fmt.Errorf("the family %q of group %v is empty", name, g.Labels)
			}
			held[name] = heldFamily{&f.GobbableMetricFamily.MetricFamily, f.Timestamp}
		}
		group, err := newGroup(g.Labels, held)
		if err != nil {
			return nil, err
		}
		groups = append(groups, group)
	}
	sortGroups(groups)
	return groups, nil
}
