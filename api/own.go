package api

import (
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// ownTypesAge is how old the types of the gateway's own metrics may be. They
// hardly ever change, and gathering them costs far more than a push.
const ownTypesAge = 10 * time.Second

// ownMetrics are the gateway's own metrics where they are part of the scrape.
type ownMetrics struct {
	registry prometheus.Gatherer

	mu      sync.Mutex
	known   map[string]exposition.Type // never changed, only replaced
	updated time.Time
}

// families returns the metrics as they are now.
func (m *ownMetrics) families() ([]exposition.Family, error) {
	families, err := m.gather()
	if err == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.learn(families)
	}
	return families, err
}

// types returns the types of the metrics by name, as they were in the last
// scrape or a few seconds ago. The caller must not change the map.
func (m *ownMetrics) types() (map[string]exposition.Type, error) {
	m.mu.Lock()
	defer m.mu.Unlock() // the pushes that wait get what the first one gathers
	if m.known != nil && time.Since(m.updated) < ownTypesAge {
		return m.known, nil
	}
	families, err := m.gather()
	if err != nil {
		return nil, err
	}
	m.learn(families)
	return m.known, nil
}

func (m *ownMetrics) gather() ([]exposition.Family, error) {
	messages, err := m.registry.Gather()
	if err != nil {
		return nil, fmt.Errorf("gather own metrics: %w", err)
	}
	return exposition.FamiliesFromProto(messages)
}

// learn remembers the types. The caller holds the mutex.
func (m *ownMetrics) learn(families []exposition.Family) {
	m.known, m.updated = make(map[string]exposition.Type, len(families)), time.Now()
	for _, f := range families {
		m.known[f.Name] = f.Type
	}
}
