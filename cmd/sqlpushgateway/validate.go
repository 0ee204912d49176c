package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// validate returns what is wrong with the configuration, on one line.
func (c *config) validate() error {
	if err := c.validateURL(); err != nil {
		return err
	}
	if u := c.externalURL; u != nil && u.User != nil {
		return errors.New("--web.external-url: must not have a user or password, which everybody could read on /status")
	}
	if u := c.externalURL; u != nil && u.Host != "" && u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("--web.external-url=%s: must start with http:// or https://", u)
	}
	if !strings.HasPrefix(c.telemetryPath, "/") {
		return fmt.Errorf("--web.telemetry-path=%s: must start with /", c.telemetryPath)
	}
	if err := c.validateDurations(); err != nil {
		return err
	}
	if err := c.validatePool(); err != nil {
		return err
	}
	if err := web.Validate(*c.web.WebConfigFile); err != nil {
		return fmt.Errorf("--web.config.file=%s: %s", *c.web.WebConfigFile, oneLine(err))
	}
	return nil
}

func (c *config) validateURL() error {
	if c.databaseURL.url == "" {
		return errors.New("no database: set --database.url or DATABASE_URL, for instance to " + defaultDatabase + " or postgres://user:password@host/database")
	}
	return nil
}

func (c *config) validatePool() error {
	if c.connectTimeout < 0 {
		return fmt.Errorf("--database.connect-timeout=%v: must be at least 0s", c.connectTimeout)
	}
	if c.committers < 1 {
		return fmt.Errorf("--database.committers=%d: must be at least 1", c.committers)
	}
	if least := repository.MinConnections(c.committers); c.maxConnections < least {
		return fmt.Errorf("--database.max-connections=%d: must be at least %d with --database.committers=%d", c.maxConnections, least, c.committers)
	}
	return nil
}

func (c *config) validateDurations() error {
	for _, d := range []struct {
		flag         string
		value, least time.Duration
	}{
		{"web.read-header-timeout", c.timeouts.readHeader, time.Millisecond},
		{"web.read-timeout", c.timeouts.read, time.Millisecond},
		{"web.write-timeout", c.timeouts.write, time.Millisecond},
		{"web.idle-timeout", c.timeouts.idle, time.Millisecond},
		{"push.timeout", c.pushTimeout, 100 * time.Millisecond},
		{"scrape.timeout", c.scrapeTimeout, 100 * time.Millisecond},
		{"scrape.max-staleness", c.maxStaleness, 0},
		{"history.retention", time.Duration(c.retention), 24 * time.Hour},
		{"shutdown.delay", c.shutdownDelay, 0},
		{"shutdown.timeout", c.shutdownTimeout, 0},
	} {
		if d.value < d.least {
			return fmt.Errorf("--%s=%v: must be at least %v", d.flag, d.value, d.least)
		}
	}
	return nil
}

// oneLine returns the error's text on one line: YAML errors
// have several.
func oneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, " ")
}
