package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
	"github.com/sqlpushgateway/sqlpushgateway/repository/sqlite"
)

// openStore opens the database that the flags name.
func openStore(ctx context.Context, c *config, replica string, logger *slog.Logger, registry *prometheus.Registry) (repository.Store, error) {
	if path, ok := c.databaseURL.sqlitePath(); ok {
		if absolute, err := filepath.Abs(path); err == nil && path != sqlite.Memory {
			path = absolute
		}
		logger.Info("the database is an SQLite file, for this process alone; --database.url names another one, or PostgreSQL", "path", path)
		return sqlite.Open(ctx, sqlite.Options{Path: path, Replica: replica, Logger: logger})
	}
	store, err := postgres.Open(ctx, postgres.Options{
		URL:            c.databaseURL.url,
		MaxConnections: int32(c.maxConnections),
		ConnectTimeout: c.connectTimeout,
		Replica:        replica,
		Logger:         logger,
	})
	if err != nil {
		return nil, err
	}
	registry.MustRegister(newPoolCollector(store.Pool()))
	return store, nil
}

const (
	// databasePatience is how long a command waits for its database.
	databasePatience = 10 * time.Second
	// forever is longer than any history: commands drop none.
	forever = 200 * 365 * 24 * time.Hour
)

// database is that of a command.
type database struct {
	*repository.Repository
	store repository.Store
}

// openRepository opens the database for a command, and waits for a while until
// it answers. The caller closes it. What comes in the way of a command is its
// error: there is no log of it.
func (c *config) openRepository(ctx context.Context, stderr io.Writer) (*database, error) {
	level := promslog.NewLevel()
	if err := level.Set("error"); err != nil {
		return nil, err
	}
	logger := promslog.New(&promslog.Config{Level: level, Style: promslog.GoKitStyle, Writer: stderr})
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	registry := prometheus.NewRegistry()
	store, err := openStore(ctx, c, host, logger, registry)
	if err != nil {
		return nil, err
	}
	if err := await(ctx, store.Migrate); err != nil {
		store.Close()
		return nil, fmt.Errorf("%s: %w", &c.databaseURL, err)
	}
	r := repository.New(store, repository.Options{
		Logger: logger, Registry: registry, Unchecked: c.unchecked, Committers: c.committers, Retention: forever,
	})
	if err := await(ctx, r.Ready); err != nil {
		r.Close()
		return nil, fmt.Errorf("%s: %w", &c.databaseURL, err)
	}
	return &database{r, store}, nil
}

// isSame reports whether both are the same database of PostgreSQL.
func (d *database) isSame(ctx context.Context, other *database) (bool, error) {
	var identities [2]string
	for i, store := range []repository.Store{d.store, other.store} {
		s, ok := store.(*postgres.Store)
		if !ok {
			return false, nil
		}
		var err error
		if identities[i], err = s.Identity(ctx); err != nil {
			return false, fmt.Errorf("find out which database it is: %w", err)
		}
	}
	return identities[0] == identities[1], nil
}

// await tries until something works, for a while.
func await(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, databasePatience, errors.New("it does not answer"))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}
