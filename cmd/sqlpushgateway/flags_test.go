package main

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

const someURL = "--database.url=postgres://localhost/test"

func TestFlagsHaveTheDefaultsOfAPushgateway(t *testing.T) {
	t.Parallel()
	c, err := parseFlags([]string{someURL}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got := *c.web.WebListenAddresses; !slices.Equal(got, []string{":9091"}) {
		t.Errorf("got listen addresses %q, want :9091", got)
	}
	if c.telemetryPath != "/metrics" || c.routePrefix != "" || c.enableLifecycle || c.enableAdminAPI || c.unchecked || c.utf8Names {
		t.Errorf("got %+v, want the defaults of a Pushgateway", c)
	}
	if c.names() != exposition.LegacyNames || c.timestampMode() != exposition.RejectTimestamps || c.recursiveDelete || c.mergeSelfMetrics {
		t.Errorf("got %+v, want pushes treated as a Pushgateway does", c)
	}
	if c.maxBodyBytes != 16<<20 || c.pushTimeout != 5*time.Second || c.committers != 2 || time.Duration(c.retention) != 30*24*time.Hour || c.payload != repository.PayloadFull {
		t.Errorf("got %+v, want the defaults that the help names", c)
	}
	if len(c.ignored) != 0 {
		t.Errorf("got a warning about %v though none was given", c.ignored)
	}
}

func TestCommandLinesOfAPushgatewayWork(t *testing.T) {
	t.Parallel()
	c, err := parseFlags([]string{
		someURL, "--web.listen-address=:1", "--web.listen-address=[::1]:2", "--no-web.systemd-socket", "--web.config.file=",
		"--web.telemetry-path=/m", "--web.external-url=https://example.org/push/", "--web.route-prefix=/", "--web.enable-lifecycle",
		"--web.enable-admin-api", "--persistence.file=/var/lib/x", "--persistence.interval=10m", "--push.disable-consistency-check",
		"--push.enable-utf8-names", "--log.level=debug", "--log.format=json",
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got := *c.web.WebListenAddresses; !slices.Equal(got, []string{":1", "[::1]:2"}) {
		t.Errorf("got listen addresses %q, want both", got)
	}
	if want := []string{"--persistence.file", "--persistence.interval"}; !slices.Equal(c.ignored, want) {
		t.Errorf("got warnings about %v, want %v", c.ignored, want)
	}
	if c.externalURL.String() != "https://example.org/push/" || c.routePrefix != "/" || c.names() != exposition.UTF8Names || !c.unchecked {
		t.Errorf("got %+v, want what the flags say", c)
	}
}

func TestFlagsOfOurOwn(t *testing.T) {
	t.Parallel()
	c, err := parseFlags([]string{
		someURL, "--web.trusted-proxies=10.0.0.0/8, ::1", "--web.trusted-proxies=192.0.2.7", "--web.self-metrics=merged",
		"--web.max-body-bytes=1048576", "--push.timestamps=keep", "--push.recursive-delete", "--history.retention=90d",
		"--history.payload=values",
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("192.0.2.7/32")}
	if !slices.Equal(c.trustedProxies, want) {
		t.Errorf("got trusted proxies %v, want %v", c.trustedProxies, want)
	}
	if !c.mergeSelfMetrics || c.maxBodyBytes != 1<<20 || c.timestampMode() != exposition.KeepTimestamps || !c.recursiveDelete {
		t.Errorf("got %+v, want what the flags say", c)
	}
	if time.Duration(c.retention) != 90*24*time.Hour || c.payload != repository.PayloadValues {
		t.Errorf("got retention %v and payload %s, want 90d and values", c.retention, c.payload)
	}
	for name, want := range map[string]string{
		"web.trusted-proxies": "10.0.0.0/8,::1/128,192.0.2.7/32", "web.max-body-bytes": "1MiB",
		"push.timestamps": "keep", "web.self-metrics": "merged", "history.retention": "90d", "history.payload": "values", "push.recursive-delete": "true",
	} {
		if got := c.shown[name]; got != want {
			t.Errorf("the status shows %s=%q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"help", "version"} {
		if _, ok := c.shown[name]; ok {
			t.Errorf("the status shows --%s", name)
		}
	}
}

func TestWrongFlagsAreExplainedOnOneLine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no database":                     {[]string{"--database.url="}, "set --database.url or DATABASE_URL"},
		"an SQLite database without path": {[]string{"--database.url=sqlite:"}, "must look like sqlite:folder/file.db"},
		"an SQLite database with a host":  {[]string{"--database.url=sqlite://data/x.db"}, "must look like sqlite:folder/file.db"},
		"a database that is no URL":       {[]string{"--database.url=host=db password=hunter2"}, "--database.url: the database's URL must look like postgres://"},
		"a password with a slash":         {[]string{"--database.url=postgres://u:hunter2/x@db/d"}, "percent-encoded"},
		"an unknown flag":                 {[]string{someURL, "--web.frobnicate"}, "unknown long flag '--web.frobnicate'"},
		"an argument":                     {[]string{someURL, "surplus"}, "unexpected surplus"},
		"an unknown choice":               {[]string{someURL, "--push.timestamps=maybe"}, "--push.timestamps: must be one of reject, drop, keep"},
		"a network that is none":          {[]string{someURL, "--web.trusted-proxies=10.0.0.0/99"}, "--web.trusted-proxies: must be networks like 10.0.0.0/8"},
		"a size that is none":             {[]string{someURL, "--web.max-body-bytes=-1"}, "--web.max-body-bytes: must be a size like"},
		"a duration without unit":         {[]string{someURL, "--push.timeout=5"}, "--push.timeout: time: missing unit in duration"},
		"a push timeout of nothing":       {[]string{someURL, "--push.timeout=0s"}, "--push.timeout=0s: must be at least 100ms"},
		"a negative delay":                {[]string{someURL, "--shutdown.delay=-1s"}, "--shutdown.delay=-1s: must be at least 0s"},
		"fewer connections than needed":   {[]string{someURL, "--database.max-connections=3"}, "must be at least 6 with --database.committers=2"},
		"no committers":                   {[]string{someURL, "--database.committers=0"}, "must be at least 1"},
		"a relative telemetry path":       {[]string{someURL, "--web.telemetry-path=metrics"}, "must start with /"},
		"an external URL without scheme":  {[]string{someURL, "--web.external-url=ftp://example.org"}, "must start with http://"},
		"an external URL with a password": {[]string{someURL, "--web.external-url=https://u:hunter2@example.org/"}, "must not have a user or password"},
		"an external URL with a token":    {[]string{someURL, "--web.external-url=https://hunter2@example.org/"}, "must not have a user or password"},
		"a wrong external URL with both":  {[]string{someURL, "--web.external-url=ftp://u:hunter2@example.org/"}, "must not have a user or password"},
		"a missing web configuration":     {[]string{someURL, "--web.config.file=/does/not/exist"}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseFlags(test.args, io.Discard)
			if err == nil {
				t.Fatal("got no error")
			}
			if text := err.Error(); !strings.Contains(text, test.want) || strings.Contains(text, "\n") || strings.Contains(text, "hunter2") {
				t.Errorf("got %q, want one line with %q and without passwords", text, test.want)
			}
		})
	}
}

func TestHelpAndVersionAreAnsweredWithoutADatabase(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{"--help": "--database.url", "-h": "--push.timestamps", "--version": "sqlpushgateway, version"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), []string{args}, &stdout, &stderr); code != 0 {
				t.Errorf("got exit code %d, want 0", code)
			}
			if !strings.Contains(stdout.String(), want) || stderr.Len() != 0 {
				t.Errorf("got %q and %q, want %q on stdout alone", stdout.String(), stderr.String(), want)
			}
		})
	}
	if _, err := parseFlags([]string{"--help"}, io.Discard); !errors.Is(err, errAnswered) {
		t.Errorf("got %v, want errAnswered", err)
	}
}

func TestWithAnEmptyDatabaseThereIsOneLineAndExitCodeOne(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"--database.url="}, &stdout, &stderr); code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
	if text := stderr.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "--database.url") || stdout.Len() != 0 {
		t.Errorf("got %q and %q, want one line on stderr", stdout.String(), text)
	}
}

func TestPasswordsAreMasked(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://u:hunter2@h1,h2:5433/d?target_session_attrs=read-write": "postgres://u:xxxxx@h1,h2:5433/d?target_session_attrs=read-write",
		"postgres://u@/d?host=/tmp&password=hunter2&sslpassword=hunter2":    "postgres://u@/d?host=%2Ftmp&password=xxxxx&sslpassword=xxxxx",
		"postgresql://localhost/d": "postgresql://localhost/d",
		"sqlite:/a b/%41?c#d.db":   "sqlite:/a b/%41?c#d.db",
		"sqlite::memory:":          "sqlite::memory:",
	} {
		c, err := parseFlags([]string{"--database.url=" + url}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.shown["database.url"]; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if c.databaseURL.url != url {
			t.Errorf("got %q to connect to, want %q", c.databaseURL.url, url)
		}
		for value := range maps.Values(c.shown) {
			if strings.Contains(value, "hunter2") {
				t.Errorf("the status shows %q", value)
			}
		}
	}
}
