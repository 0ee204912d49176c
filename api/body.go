package api

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/labstack/echo/v4"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// compressionError is a body that is not in the encoding that its
// Content-Encoding says.
type compressionError struct {
	encoding string
	err      error
}

func (e *compressionError) Error() string {
	return fmt.Sprintf("the body cannot be decoded as %s, as its Content-Encoding says: %v", e.encoding, e.err)
}

func (e *compressionError) Unwrap() error { return e.err }

// Decoders are kept: one takes more memory than most pushes.
var (
	gzipReaders   = sync.Pool{New: func() any { return new(gzip.Reader) }}
	snappyReaders = sync.Pool{New: func() any { return snappy.NewReader(nil) }}
)

// body reads the decoded body of a push. Both what is sent and what it decodes
// to are bounded.
type body struct {
	decoded  io.Reader
	encoding string    // "" if the body is read as it is
	digest   hash.Hash // nil if nobody asks for it
	size     int       // of what was read so far
	inFlight *atomic.Int64
	reserved int64 // of them
	room     int64 // for them
	release  func()
}

// errCrowded says that so much is being pushed at once that it would take too
// much memory. The first bytes of a body are free, so that nobody can keep the
// pushes of others away by holding large ones.
var errCrowded = fmt.Errorf("%w: too many large pushes at once", repository.ErrOverloaded)

const freeBytes = 64 << 10

// openBody begins to read the body. The caller closes it.
func (s *Server) openBody(c echo.Context, digest bool) (*body, error) {
	r, w, limit := c.Request(), c.Response().Writer, s.opt.MaxBodyBytes
	if r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	b := &body{release: func() {}, inFlight: &s.inFlight, room: 2 * limit}
	if digest {
		b.digest = sha256.New()
	}
	raw := io.Reader(http.MaxBytesReader(w, r.Body, limit))
	switch encoding := strings.ToLower(r.Header.Get(echo.HeaderContentEncoding)); encoding {
	case "gzip":
		z := gzipReaders.Get().(*gzip.Reader)
		b.encoding, b.release = encoding, func() { gzipReaders.Put(z) }
		if err := z.Reset(raw); err != nil {
			b.Close()
			return nil, b.wrap(err)
		}
		raw = z
	case "snappy":
		z := snappyReaders.Get().(*snappy.Reader)
		b.encoding, b.release = encoding, func() { snappyReaders.Put(z) }
		z.Reset(raw)
		raw = z
	}
	if b.decoded = raw; b.encoding != "" {
		b.decoded = http.MaxBytesReader(w, io.NopCloser(raw), limit)
	}
	return b, nil
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.decoded.Read(p)
	b.size += n
	if b.reserve() > b.room && b.reserved > 0 {
		return 0, errCrowded
	}
	if b.digest != nil {
		b.digest.Write(p[:n])
	}
	if err == io.EOF {
		return n, err
	}
	return n, b.wrap(err)
}

// Close gives the decoder and the room back, once the push is no longer in
// memory. Nothing may be read after it.
func (b *body) Close() {
	b.inFlight.Add(-b.reserved)
	b.reserved = 0
	b.release()
}

// reserve counts what was read among the bytes in flight of all bodies, and
// returns their number.
func (b *body) reserve() int64 {
	more := max(int64(b.size)-freeBytes, 0) - b.reserved
	b.reserved += more
	return b.inFlight.Add(more)
}

// wrap says that an error is one of compression, unless it is about size.
func (b *body) wrap(err error) error {
	if err == nil || b.encoding == "" || as[*http.MaxBytesError](err) {
		return err
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // an empty body
	}
	return &compressionError{b.encoding, err}
}

// parse reads what is pushed from the whole body.
func (s *Server) parse(contentType string, b *body, p *repository.Push, rules exposition.Rules) (err error) {
	if !isProtobuf(contentType) {
		p.Families, p.Prepared, err = s.bodies.Read(b, p.Key, rules)
	} else if p.Families, err = exposition.ParseProtobuf(b, s.opt.MaxBodyBytes); err == nil {
		p.Families, err = exposition.Normalize(p.Key, p.Families, rules)
	}
	if err == nil || refused(err) || is(exposition.ErrMalformed)(err) || as[*http.MaxBytesError](err) || as[*compressionError](err) || is(errCrowded)(err) {
		return err
	}
	// The connection broke, or the client took too long to send.
	return fmt.Errorf("%w: the body ended early: %w", exposition.ErrMalformed, err)
}

// isProtobuf reports whether the body is delimited protobuf. Everything else
// is read as text, whatever it calls itself.
func isProtobuf(contentType string) bool {
	media, params, err := mime.ParseMediaType(contentType)
	return err == nil && media == "application/vnd.google.protobuf" &&
		params["proto"] == "io.prometheus.client.MetricFamily" && params["encoding"] == "delimited"
}
