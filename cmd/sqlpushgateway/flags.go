package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	promslogflag "github.com/prometheus/common/promslog/flag"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"
	webflag "github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

const program = "sqlpushgateway"

// errAnswered says that the command line only asked for something that has
// been printed, like the help.
var errAnswered = errors.New("nothing to run")

// config is what the command line asks for.
type config struct {
	web              *web.FlagConfig
	telemetryPath    string
	externalURL      *url.URL
	routePrefix      string
	enableLifecycle  bool
	enableAdminAPI   bool
	mergeSelfMetrics bool
	maxBodyBytes     byteSize
	trustedProxies   []netip.Prefix
	timeouts         serverTimeouts

	unchecked       bool
	utf8Names       bool
	recursiveDelete bool
	timestamps      string
	pushTimeout     time.Duration
	scrapeTimeout   time.Duration
	maxStaleness    time.Duration

	databaseURL    secretURL
	maxConnections int
	connectTimeout time.Duration
	committers     int
	retention      model.Duration
	payload        repository.Payload

	shutdownDelay   time.Duration
	shutdownTimeout time.Duration
	log             promslog.Config

	// shown are the flags by name, as everybody may see them.
	shown map[string]string
	// ignored are the flags given that have no effect here.
	ignored []string
}

// serverTimeouts are those of an [http.Server].
type serverTimeouts struct {
	readHeader, read, write, idle time.Duration
}

// parseFlags reads the command line of the gateway, like parse.
func parseFlags(args []string, stdout io.Writer) (*config, error) {
	c := &config{log: promslog.Config{Style: promslog.GoKitStyle}}
	app := newApplication("", "A Pushgateway that keeps what is pushed in SQL: in an SQLite file, or in PostgreSQL for any number of replicas.\n\n"+commandsHelp())
	app.Version(version.Print(program))

	c.addWebFlags(app)
	c.addPushFlags(app)
	c.addDatabaseFlags(app)
	persistence := addPersistenceFlags(app)
	app.Flag("shutdown.delay", "How long to go on serving after SIGTERM, not ready and closing connections, so that load balancers look elsewhere.").
		Default("0s").DurationVar(&c.shutdownDelay)
	app.Flag("shutdown.timeout", "How long requests in flight may take to finish afterwards.").
		Default("15s").DurationVar(&c.shutdownTimeout)
	promslogflag.AddFlags(app, &c.log)

	if err := parse(app, args, stdout); err != nil {
		return nil, err
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	c.shown = shownFlags(app)
	c.ignored = persistence.given()
	return c, nil
}

// newApplication returns the command line of one of the program's commands, or
// of the program itself.
func newApplication(command, help string) *kingpin.Application {
	app := kingpin.New(strings.TrimSpace(program+" "+command), help)
	app.HelpFlag.Short('h')
	return app
}

// parse reads a command line. Its errors are one line each. Help and version
// are written to stdout, which is an errAnswered.
func parse(app *kingpin.Application, args []string, stdout io.Writer) error {
	answered := false
	app.UsageWriter(stdout).ErrorWriter(stdout).Terminate(func(int) { answered = true })
	_, err := app.Parse(args)
	switch {
	case answered:
		return errAnswered
	case err != nil:
		return fmt.Errorf("%w (see --help)", blame(app, args, err))
	}
	return nil
}

// blame names the flag whose value cannot be read, if that is the error: the
// values do not know whose they are.
func blame(app *kingpin.Application, args []string, err error) error {
	parsed, unreadable := app.ParseContext(args)
	if unreadable != nil {
		return err
	}
	for _, e := range parsed.Elements {
		if flag, ok := e.Clause.(*kingpin.FlagClause); ok && e.Value != nil && flag.Model().Value.Set(*e.Value) != nil {
			return fmt.Errorf("--%s: %w", flag.Model().Name, err)
		}
	}
	return err
}

func (c *config) addWebFlags(app *kingpin.Application) {
	c.web = webflag.AddFlags(app, ":9091")
	app.Flag("web.telemetry-path", "Path under which to expose metrics.").
		Default("/metrics").StringVar(&c.telemetryPath)
	app.Flag("web.external-url", "The URL under which the gateway is externally reachable.").
		Default("").URLVar(&c.externalURL)
	app.Flag("web.route-prefix", "Prefix of all paths. Defaults to the path of --web.external-url.").
		Default("").StringVar(&c.routePrefix)
	app.Flag("web.enable-lifecycle", "Enable shutdown by PUT or POST to /-/quit.").
		BoolVar(&c.enableLifecycle)
	app.Flag("web.enable-admin-api", "Enable wiping all groups by the API.").
		BoolVar(&c.enableAdminAPI)
	enumFlag(app, "web.self-metrics", "Where to expose the gateway's own metrics: only on /-/metrics (separate), or among the pushed ones, too (merged).",
		[]string{"separate", "merged"}, func(v string) { c.mergeSelfMetrics = v == "merged" })
	app.Flag("web.max-body-bytes", "Largest body of a push, decompressed. Larger ones are answered with 413.").
		Default("16MiB").SetValue(&c.maxBodyBytes)
	app.Flag("web.trusted-proxies", "Networks whose X-Forwarded-For and X-Request-Id are believed, like 10.0.0.0/8. Repeatable, or separated by commas.").
		SetValue((*networks)(&c.trustedProxies))
	app.Flag("web.read-header-timeout", "How long a client may take to send the headers of a request.").
		Default("10s").DurationVar(&c.timeouts.readHeader)
	app.Flag("web.read-timeout", "How long a client may take to send a request.").
		Default("30s").DurationVar(&c.timeouts.read)
	app.Flag("web.write-timeout", "How long a request may take until its answer is received.").
		Default("1m").DurationVar(&c.timeouts.write)
	app.Flag("web.idle-timeout", "How long a connection is kept open between requests.").
		Default("5m").DurationVar(&c.timeouts.idle)
}

func (c *config) addPushFlags(app *kingpin.Application) {
	app.Flag("push.disable-consistency-check", "Do not check consistency of pushed metrics. Families that clash are left out of the exposition.").
		BoolVar(&c.unchecked)
	app.Flag("push.enable-utf8-names", "Allow UTF-8 characters in metric and label names.").
		BoolVar(&c.utf8Names)
	app.Flag("push.recursive-delete", "Make DELETE remove all groups that have the given labels, unless it says ?recursive=false.").
		BoolVar(&c.recursiveDelete)
	enumFlag(app, "push.timestamps", "What to do with pushed timestamps: refuse the push, drop the timestamps, or keep and expose them.",
		[]string{"reject", "drop", "keep"}, func(v string) { c.timestamps = v })
	app.Flag("push.timeout", "How long a push or a deletion waits to be stored. Keep it below the timeout of proxies.").
		Default("5s").DurationVar(&c.pushTimeout)
	app.Flag("scrape.timeout", "How long a scrape waits for what was pushed last.").
		Default("10s").DurationVar(&c.scrapeTimeout)
	app.Flag("scrape.max-staleness", "How old an exposition may be that is served while the database is away. By default scrapes fail then.").
		Default("0s").DurationVar(&c.maxStaleness)
}

func (c *config) addDatabaseFlags(app *kingpin.Application) {
	c.addURLFlag(app)
	c.addPoolFlags(app)
	c.retention = model.Duration(30 * 24 * time.Hour)
	app.Flag("history.retention", "How long the history of pushes is kept.").
		Default(c.retention.String()).SetValue(&c.retention)
	enumFlag(app, "history.payload", "What the history keeps of what is pushed: all (full), no help texts, buckets and quantiles (values), or only who, when and how much (none).",
		[]string{string(repository.PayloadFull), string(repository.PayloadValues), string(repository.PayloadNone)},
		func(v string) { c.payload = repository.Payload(v) })
}

func (c *config) addURLFlag(app *kingpin.Application) {
	app.Flag("database.url", "The database: sqlite:PATH or sqlite::memory: for one process alone, or the URL of a PostgreSQL database, which may name several hosts; see the README.").
		Default(defaultDatabase).Envar("DATABASE_URL").SetValue(&c.databaseURL)
}

// addPoolFlags adds flags that say how to work with a database.
func (c *config) addPoolFlags(app *kingpin.Application) {
	app.Flag("database.max-connections", "Most connections to the database for pushes and scrapes. Two more serve the query API.").
		Default("10").IntVar(&c.maxConnections)
	app.Flag("database.connect-timeout", "How long to wait for a connection to each host of the database. Defaults to connect_timeout in the URL, or to 2s.").
		Default("0s").DurationVar(&c.connectTimeout)
	app.Flag("database.committers", "How many commits may run at once. More than a few make it slower.").
		Default("2").IntVar(&c.committers)
}

// persistenceFlags are flags of Pushgateway 1.11 that have nothing to do here.
// They are accepted so that its command lines work.
type persistenceFlags struct {
	file     string
	interval time.Duration
}

const defaultPersistenceInterval = 5 * time.Minute

func addPersistenceFlags(app *kingpin.Application) *persistenceFlags {
	p := &persistenceFlags{}
	app.Flag("persistence.file", "Ignored: what is pushed is stored in the database at once.").
		StringVar(&p.file)
	app.Flag("persistence.interval", "Ignored, too.").
		Default(defaultPersistenceInterval.String()).DurationVar(&p.interval)
	return p
}

func (p *persistenceFlags) given() []string {
	var given []string
	if p.file != "" {
		given = append(given, "--persistence.file")
	}
	if p.interval != defaultPersistenceInterval {
		given = append(given, "--persistence.interval")
	}
	return given
}

// enumFlag adds a flag that takes one of the values; the first is the default.
func enumFlag(app *kingpin.Application, name, help string, values []string, set func(string)) {
	app.Flag(name, help).Default(values[0]).HintOptions(values...).SetValue(&choice{values: values, set: set})
}

// shownFlags returns the flags' values, without those that every kingpin
// application has.
func shownFlags(app *kingpin.Application) map[string]string {
	shown := map[string]string{}
	boilerplate := kingpin.New("", "").Version("")
	for _, f := range app.Model().Flags {
		if boilerplate.GetFlag(f.Name) == nil {
			shown[f.Name] = f.Value.String()
		}
	}
	return shown
}
