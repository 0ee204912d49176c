package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/common/version"

	"github.com/sqlpushgateway/sqlpushgateway/api"
	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// build makes the parts, from the database up.
func (a *app) build(ctx context.Context) error {
	c := a.config
	registry := newRegistry()
	a.logins = newFailedLogins(registry)
	store, err := openStore(ctx, c, a.replica(), a.logger, registry)
	if err != nil {
		return err
	}
	options, err := a.apiOptions(registry)
	if err != nil {
		store.Close()
		return err
	}
	a.gateway = repository.New(store, repository.Options{
		Logger:       a.logger,
		Registry:     registry,
		Unchecked:    c.unchecked,
		Committers:   c.committers,
		MaxStaleness: c.maxStaleness,
		Retention:    time.Duration(c.retention),
		Payload:      c.payload,
	})
	if a.api, err = api.New(a.gateway, options); err != nil {
		a.gateway.Close()
		return err
	}
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.cancel = cancel
	for range a.listeners {
		a.servers = append(a.servers, a.newServer(base))
	}
	return nil
}

// newRegistry returns a registry with the metrics of the process; the parts
// add theirs.
func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		versioncollector.NewCollector("pushgateway"),
	)
	return registry
}

func (a *app) apiOptions(registry *prometheus.Registry) (api.Options, error) {
	c := a.config
	auth, err := hasUsers(*c.web.WebConfigFile)
	if err != nil {
		return api.Options{}, fmt.Errorf("--web.config.file=%s: %s", *c.web.WebConfigFile, oneLine(err))
	}
	return api.Options{
		Logger:   a.logger,
		Registry: registry,
		Flags:    c.shown,
		BuildInfo: map[string]string{
			"version":   version.Version,
			"revision":  version.GetRevision(),
			"branch":    version.Branch,
			"buildUser": version.BuildUser,
			"buildDate": version.BuildDate,
			"goVersion": version.GoVersion,
		},
		StartTime:        time.Now(),
		TelemetryPath:    c.telemetryPath,
		RoutePrefix:      c.routePrefix,
		ExternalURL:      c.externalURL,
		EnableAdminAPI:   c.enableAdminAPI,
		EnableLifecycle:  c.enableLifecycle,
		Quit:             func() { close(a.quit) },
		Names:            c.names(),
		Unchecked:        c.unchecked,
		Timestamps:       c.timestampMode(),
		RecursiveDelete:  c.recursiveDelete,
		MergeSelfMetrics: c.mergeSelfMetrics,
		MaxBodyBytes:     int64(c.maxBodyBytes),
		PushTimeout:      c.pushTimeout,
		ScrapeTimeout:    c.scrapeTimeout,
		TrustedProxies:   c.trustedProxies,
		AuthEnabled:      auth,
	}, nil
}

func (c *config) names() exposition.NameScheme {
	if c.utf8Names {
		return exposition.UTF8Names
	}
	return exposition.LegacyNames
}

func (c *config) timestampMode() exposition.TimestampMode {
	return map[string]exposition.TimestampMode{
		"reject": exposition.RejectTimestamps,
		"drop":   exposition.DropTimestamps,
		"keep":   exposition.KeepTimestamps,
	}[c.timestamps]
}
