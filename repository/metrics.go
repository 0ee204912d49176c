package repository

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// metrics are what a replica tells of its own work.
type metrics struct {
	commits         *prometheus.CounterVec
	commitSize      *prometheus.HistogramVec
	commitDuration  *prometheus.HistogramVec
	retries         *prometheus.CounterVec
	resends         prometheus.Counter
	catchUps        prometheus.Counter
	catchUpFailures prometheus.Counter
	catchUpDuration prometheus.Histogram
	catchUpGroups   prometheus.Counter
	reloads         prometheus.Counter
	clashes         prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	durations := prometheus.ExponentialBuckets(0.0005, 2, 14)
	m := &metrics{
		commits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sqlpushgateway_commits_total", Help: "Commits to the database, by kind.",
		}, []string{"kind"}),
		commitSize: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sqlpushgateway_commit_requests", Help: "Requests written by one commit, by kind.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9),
		}, []string{"kind"}),
		commitDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sqlpushgateway_commit_duration_seconds", Help: "Duration of commits to the database, failed ones included, by kind.",
			Buckets: durations,
		}, []string{"kind"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sqlpushgateway_commit_retries_total", Help: "Commits that had to be tried again, by kind.",
		}, []string{"kind"}),
		resends: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sqlpushgateway_resent_requests_total", Help: "Requests that a proxy sent again and that got the first one's answer.",
		}),
		catchUps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sqlpushgateway_catch_ups_total", Help: "Readings of what has changed in the database.",
		}),
		catchUpFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sqlpushgateway_catch_up_failures_total", Help: "Readings of what has changed in the database that failed.",
		}),
		catchUpDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sqlpushgateway_catch_up_duration_seconds", Help: "Duration of reading and applying what has changed in the database.",
			Buckets: durations,
		}),
		catchUpGroups: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sqlpushgateway_catch_up_groups_total", Help: "Groups read from the database because they had changed.",
		}),
		reloads: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sqlpushgateway_reloads_total", Help: "Readings of all groups: at start, and after a crash, a failover or a restore of the database.",
		}),
		clashes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sqlpushgateway_clashing_families_total", Help: "Metric families that had to be left out of the exposition because groups disagree on them.",
		}),
	}
	reg.MustRegister(m.commits, m.commitSize, m.commitDuration, m.retries, m.resends,
		m.catchUps, m.catchUpFailures, m.catchUpDuration, m.catchUpGroups, m.reloads, m.clashes)
	return m
}

// registerState registers the gauges that are read from the repository.
func (m *metrics) registerState(reg prometheus.Registerer, r *Repository) {
	gauge := func(name, help string, value func(exposition.Stats) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			last := r.follow.latest.Load()
			if last == nil {
				return 0
			}
			return float64(value(last.snapshot.Stats()))
		})
	}
	reg.MustRegister(
		gauge("sqlpushgateway_state_groups", "Groups in the state.", func(s exposition.Stats) int { return s.Groups }),
		gauge("sqlpushgateway_state_families", "Metric families in the state.", func(s exposition.Stats) int { return s.Families }),
		gauge("sqlpushgateway_state_series", "Series in the state.", func(s exposition.Stats) int { return s.Series }),
		gauge("sqlpushgateway_state_exposition_bytes", "Size of the uncompressed text exposition.", func(s exposition.Stats) int { return s.Bytes }),
		gauge("sqlpushgateway_state_clashing_families", "Metric families that are left out of the exposition now.", func(s exposition.Stats) int { return len(s.HiddenFamilies) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sqlpushgateway_queued_requests", Help: "Requests that wait for a commit.",
		}, func() float64 { return float64(r.queue.len()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sqlpushgateway_last_catch_up_timestamp_seconds", Help: "When the state was last known to be current; 0 for never.",
		}, func() float64 {
			last := r.follow.latest.Load()
			if last == nil {
				return 0
			}
			return float64(last.at.UnixNano()) / 1e9
		}),
	)
}

func (m *metrics) observeCommit(kind string, requests int, took time.Duration, err error) {
	m.commitDuration.WithLabelValues(kind).Observe(took.Seconds())
	if err != nil {
		m.retries.WithLabelValues(kind).Inc()
		return
	}
	m.commits.WithLabelValues(kind).Inc()
	m.commitSize.WithLabelValues(kind).Observe(float64(requests))
}

func (m *metrics) observeCatchUp(everything bool, groups int, took time.Duration) {
	m.catchUps.Inc()
	m.catchUpDuration.Observe(took.Seconds())
	m.catchUpGroups.Add(float64(groups))
	if everything {
		m.reloads.Inc()
	}
}
