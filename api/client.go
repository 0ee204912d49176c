package api

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

const (
	// maxNameBytes bounds the user agent and the user name in the history.
	maxNameBytes = 256
	// maxRequestIDBytes bounds a request id; a longer one is not believed.
	maxRequestIDBytes = 128
)

// request says who asks for the change.
func (s *Server) request(r *http.Request, method repository.Method) repository.Request {
	peer, _ := parseAddr(r.RemoteAddr)
	req := repository.Request{
		Method:    method,
		UserAgent: clean(r.UserAgent()),
	}
	if client := s.clientAddr(peer, r.Header); client.IsValid() {
		req.Client = client.String()
	}
	if s.trusted(peer) {
		req.ID = requestID(r.Header)
	}
	if name, _, ok := r.BasicAuth(); ok && s.opt.AuthEnabled {
		req.Username = clean(name)
	}
	return req
}

// clientAddr follows X-Forwarded-For from its right end, as long as who wrote
// an address into it is trusted.
func (s *Server) clientAddr(peer netip.Addr, h http.Header) netip.Addr {
	hops := strings.Split(strings.Join(h.Values("X-Forwarded-For"), ","), ",")
	client := peer
	for _, hop := range slices.Backward(hops) {
		if !s.trusted(client) {
			break
		}
		addr, ok := parseAddr(strings.TrimSpace(hop))
		if !ok {
			break
		}
		client = addr
	}
	return client
}

func (s *Server) trusted(addr netip.Addr) bool {
	return slices.ContainsFunc(s.opt.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// parseAddr reads an address with or without a port.
func parseAddr(text string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return addr.Unmap().WithZone(""), err == nil
}

// requestID returns the request's id, or "" if it has none that is short and
// printable.
func requestID(h http.Header) string {
	ids := h.Values("X-Request-Id")
	if len(ids) != 1 || len(ids[0]) > maxRequestIDBytes {
		return ""
	}
	for _, c := range []byte(ids[0]) {
		if c <= ' ' || c > '~' {
			return ""
		}
	}
	return ids[0]
}

// clean returns the text as valid UTF-8 without control characters, cut to
// what the history keeps.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, cut(text, 4*maxNameBytes))
	return cut(strings.ToValidUTF8(text, "\uFFFD"), maxNameBytes)
}

// cut returns at most the first n bytes of the text, without half a rune at
// the end.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
