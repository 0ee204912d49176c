package api

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

func (s *Server) scrapeEndpoints() []endpoint {
	own := promhttp.HandlerFor(s.opt.Registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(s.opt.Logger.Handler(), slog.LevelError),
		OfferedCompressions: []promhttp.Compression{promhttp.Identity, promhttp.Gzip},
	})
	return []endpoint{
		{http.MethodGet, "/-/metrics", "", echo.WrapHandler(own)},
		{http.MethodGet, s.opt.TelemetryPath, "", s.scrape},
	}
}

// scrape answers with the exposition of all groups, or with an error: a part
// of it would look to Prometheus as if the rest had been deleted.
func (s *Server) scrape(c echo.Context) error {
	r := c.Request()
	format := expfmt.NegotiateAccept(r.Header, expfmt.FmtProtoDelim, expfmt.FmtText)
	enc := exposition.Encoding{
		Protobuf: format.FormatType() == expfmt.TypeProtoDelim,
		Escaping: format.ToEscapingScheme(),
		Gzip:     acceptsGzip(r.Header),
	}
	ctx, cancel := deadline(r.Context(), s.opt.ScrapeTimeout)
	defer cancel()
	snapshot, err := s.gateway.Snapshot(ctx, enc.Protobuf)
	if err != nil {
		return unavailable(err)
	}
	e, err := s.exposition(snapshot, enc)
	if err != nil {
		return unavailable(err)
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, string(format))
	h.Set(echo.HeaderVary, "Accept, Accept-Encoding")
	h.Set(echo.HeaderContentLength, strconv.Itoa(e.Size()))
	if enc.Gzip {
		h.Set(echo.HeaderContentEncoding, "gzip")
	}
	c.Response().WriteHeader(http.StatusOK)
	return send(c.Response().Writer, e)
}

// piecesAtOnce is how many pieces of an exposition are written together: so many
// that system calls cost little, so few that those who stop reading do.
const piecesAtOnce = 512

// send writes the exposition. An HTTP/1.1 connection takes it as it lies in
// memory, piece by piece but with few system calls: net.Buffers is what ReadFrom
// hands on to writev.
func send(w http.ResponseWriter, e *exposition.Exposition) error {
	connection, ok := w.(io.ReaderFrom)
	if !ok {
		return e.Write(w)
	}
	for pieces := range e.Pieces(piecesAtOnce) {
		buffers := net.Buffers(pieces)
		if _, err := connection.ReadFrom(&buffers); err != nil {
			return err
		}
	}
	return nil
}

// exposition returns what is answered, with the gateway's own metrics if they
// are to be merged in.
func (s *Server) exposition(snapshot *exposition.Snapshot, enc exposition.Encoding) (*exposition.Exposition, error) {
	if !s.opt.MergeSelfMetrics {
		return snapshot.Exposition(enc)
	}
	own, err := s.own.families()
	if err != nil {
		return nil, err
	}
	return snapshot.Merged(enc, own)
}

// unavailable makes an error one that asks for another try.
func unavailable(err error) error {
	if code, _ := meaning(err); code == http.StatusServiceUnavailable {
		return err
	}
	return echo.NewHTTPError(http.StatusServiceUnavailable, "no snapshot: the gateway's log says why").SetInternal(err)
}

// acceptsGzip reports whether the client prefers gzip to the plain text.
func acceptsGzip(h http.Header) bool {
	weights := map[string]float64{}
	for element := range strings.SplitSeq(strings.Join(h.Values(echo.HeaderAcceptEncoding), ","), ",") {
		coding, params, _ := strings.Cut(element, ";")
		if weight, ok := quality(params); ok {
			weights[strings.ToLower(strings.TrimSpace(coding))] = weight
		}
	}
	weigh := func(coding string) float64 {
		for _, name := range []string{coding, "*"} {
			if w, ok := weights[name]; ok {
				return w
			}
		}
		return 0
	}
	return weigh("gzip") > weigh("identity")
}
