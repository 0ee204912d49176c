package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// Gateway is what the HTTP side needs of a repository. Errors are those of
// packages repository and exposition; any other error is answered with 500.
type Gateway interface {
	// Push returns nil once the push is stored and durable. A push with
	// Refused set is recorded as a failure of its group, and Push returns
	// Refused or the reason why it could not be recorded.
	Push(ctx context.Context, p repository.Push) error
	// Delete returns nil once the groups are gone, or if there were none.
	Delete(ctx context.Context, d repository.Deletion) error
	// Wipe returns nil once all groups are gone.
	Wipe(ctx context.Context, r repository.Request) error
	// Snapshot returns what a scrape that starts now has to see. Its
	// expositions are in protobuf only if protobuf was asked for.
	Snapshot(ctx context.Context, protobuf bool) (*exposition.Snapshot, error)
	// Groups calls yield for all stored groups, in no particular order, until
	// it returns an error, and returns that error.
	Groups(ctx context.Context, yield func(exposition.Group) error) error
	// Search, EachRow, HistoryRow and JobRuns look into the history. Those of a
	// [repository.Repository] say how.
	Search(ctx context.Context, q repository.HistoryQuery, use func(*repository.HistoryRow) int) (repository.HistoryPage, error)
	EachRow(ctx context.Context, q repository.HistoryQuery, yield func(*repository.HistoryRow) error) error
	HistoryRow(ctx context.Context, seq int64) (repository.HistoryRow, bool, error)
	JobRuns(ctx context.Context, jobs []string) ([]repository.JobRuns, error)
	// Ready returns nil if pushes and scrapes can be served.
	Ready(ctx context.Context) error
}

// Options say how a Server behaves. The zero value serves the default routes
// of a Pushgateway and logs nothing.
type Options struct {
	// Logger gets a line for each request; nil means no logs.
	Logger *slog.Logger
	// Registry has the gateway's own metrics; New adds those of HTTP. Nil
	// means a new one.
	Registry *prometheus.Registry
	// Flags are the flags of the process by name, as /status shows them.
	// Everybody may read them: secrets must be masked.
	Flags map[string]string
	// BuildInfo is version, revision, branch, buildUser, buildDate and
	// goVersion.
	BuildInfo map[string]string
	// StartTime is when the process started; zero means now.
	StartTime time.Time

	// TelemetryPath is the path of the scrape, below the route prefix; ""
	// means /metrics.
	TelemetryPath string
	// RoutePrefix is what all paths start with; "" means the path of
	// ExternalURL, and "/" means none.
	RoutePrefix string
	// ExternalURL is where clients reach the gateway; nil means at the route
	// prefix.
	ExternalURL *url.URL

	// EnableAdminAPI opens the wipe.
	EnableAdminAPI bool
	// EnableLifecycle opens /-/quit, which calls Quit, once.
	EnableLifecycle bool
	Quit            func()

	// Names says which names pushes may have.
	Names exposition.NameScheme
	// Unchecked answers pushes with 202, and leaves it to the exposition to
	// hide what clashes.
	Unchecked bool
	// Timestamps says what happens to pushed timestamps.
	Timestamps exposition.TimestampMode
	// RecursiveDelete makes a DELETE without a recursive parameter delete all
	// groups that have the given labels.
	RecursiveDelete bool
	// MergeSelfMetrics adds the gateway's own metrics to the scrape. They are
	// on /-/metrics in any case.
	MergeSelfMetrics bool

	// MaxBodyBytes bounds the body of a push, as sent and decoded; 0 means
	// 16 MiB.
	MaxBodyBytes int64
	// PushTimeout bounds how long a push, a deletion or a wipe waits to be
	// stored, and ScrapeTimeout how long a scrape waits for its snapshot; 0
	// means until the client gives up.
	PushTimeout   time.Duration
	ScrapeTimeout time.Duration

	// TrustedProxies are the peers whose X-Forwarded-For and X-Request-Id are
	// believed.
	TrustedProxies []netip.Prefix
	// AuthEnabled says that the name of basic authentication was checked, so
	// that it goes into the history.
	AuthEnabled bool
}

const defaultMaxBodyBytes = 16 << 20

// withDefaults returns o with its zero values replaced, or an error that says
// which option cannot be.
func (o Options) withDefaults() (Options, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.StartTime.IsZero() {
		o.StartTime = time.Now()
	}
	if o.MaxBodyBytes <= 0 {
		o.MaxBodyBytes = defaultMaxBodyBytes
	}
	if o.ExternalURL == nil {
		o.ExternalURL = &url.URL{}
	}
	if o.RoutePrefix == "" {
		o.RoutePrefix = o.ExternalURL.Path
	}
	o.RoutePrefix = cleanPrefix(o.RoutePrefix)
	if o.TelemetryPath == "" {
		o.TelemetryPath = "/metrics"
	}
	o.TelemetryPath = path.Join("/", o.TelemetryPath)
	if strings.ContainsAny(o.TelemetryPath, ":*") {
		return o, fmt.Errorf("the telemetry path %q must not contain : or *", o.TelemetryPath)
	}
	return o, nil
}

// cleanPrefix returns a prefix that is empty, or starts but does not end with
// a slash.
func cleanPrefix(prefix string) string {
	if prefix = path.Join("/", prefix); prefix == "/" {
		return ""
	}
	return prefix
}

// externalPrefix is the path at which clients see the route prefix.
func (o Options) externalPrefix() string {
	if o.ExternalURL.Host == "" {
		return o.RoutePrefix
	}
	return cleanPrefix(o.ExternalURL.Path)
}
