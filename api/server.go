package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/labstack/echo/v4"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// Server serves HTTP for a Gateway. It is safe for concurrent use.
type Server struct {
	gateway  Gateway
	opt      Options
	echo     *echo.Echo
	metrics  *metrics
	own      ownMetrics
	origins  *http.CrossOriginProtection
	bodies   exposition.Bodies
	gets     map[string]bool  // the exact paths that have a GET
	names    map[route]string // of endpoints
	external string
	draining atomic.Bool
	inFlight atomic.Int64 // bytes of bodies that are being read and parsed
	quit     sync.Once
}

// New returns a server for the gateway. It returns an error if the options
// contradict each other, or the registry has metrics of the same names.
func New(g Gateway, o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		gateway: g, opt: o, echo: echo.New(), gets: map[string]bool{}, names: map[route]string{},
		origins: http.NewCrossOriginProtection(), external: o.externalPrefix(),
		own: ownMetrics{registry: o.Registry},
	}
	if u := o.ExternalURL; u.Host != "" {
		if err := s.origins.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return nil, fmt.Errorf("external URL: %w", err)
		}
	}
	if s.metrics, err = newMetrics(o.Registry); err != nil {
		return nil, err
	}
	s.echo.HTTPErrorHandler = s.answer
	s.echo.Pre(s.observe, s.relocate, preflight)
	return s, s.register(s.endpoints())
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	own, path := *r, *r.URL // relocate changes the path
	own.URL = &path
	s.echo.ServeHTTP(w, &own)
}

// Drain makes the server say that it is not ready, and ask clients to close
// their connections, so that they find another replica before this one goes.
func (s *Server) Drain() { s.draining.Store(true) }

type route struct{ method, path string }

// endpoint is a route. Its name is the value of the handler label in
// pushgateway_http_requests_total; requests without a name are not counted.
type endpoint struct {
	method, path, name string
	handle             echo.HandlerFunc
}

func (s *Server) endpoints() []endpoint {
	return slices.Concat(
		s.pushEndpoints(), s.healthEndpoints(), s.lifecycleEndpoints(), s.adminEndpoints(),
		s.queryEndpoints(), s.v1Endpoints(), s.pageEndpoints(), s.profileEndpoints(), s.scrapeEndpoints(),
	)
}

// register adds the routes, and for each path the answer to OPTIONS.
func (s *Server) register(endpoints []endpoint) error {
	s.names[route{http.MethodOptions, preflightPath}] = "api/v1/options"
	methods := map[string][]string{}
	for _, e := range endpoints {
		if slices.Contains(methods[e.path], e.method) {
			return fmt.Errorf("the telemetry path %q is taken: choose another one", e.path)
		}
		methods[e.path] = append(methods[e.path], e.method)
		s.echo.Add(e.method, e.path, e.handle)
		s.names[route{e.method, e.path}] = e.name
		if e.method == http.MethodGet && !strings.HasSuffix(e.path, "*") {
			s.gets[e.path] = true
		}
	}
	for _, path := range slices.Sorted(maps.Keys(methods)) {
		all := append(methods[path], http.MethodOptions)
		slices.Sort(all)
		s.echo.OPTIONS(path, allow(strings.Join(all, ", ")))
	}
	return nil
}

func allow(methods string) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderAllow, methods)
		return c.NoContent(http.StatusOK)
	}
}
