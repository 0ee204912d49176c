package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
)

// TestProxyPassesPaths protects grouping keys: a path that goes through nginx
// means what it means to a gateway itself. The contract, which holds behind
// nginx, too, has the usual ones; these are sent byte for byte.
func TestProxyPassesPaths(t *testing.T) {
	t.Parallel()
	r := startReplica(t, newDatabase(t), behindNginx...)
	p := startProxy(t, r)
	long := strings.Repeat("/", 8000) + strings.Repeat("%C3%BC", 4000)
	for name, path := range map[string]string{
		"base64":                  "/metrics/job@base64/L3Zhci90bXA/b@base64/4pyT==",
		"an encoded at sign":      "/metrics/job%40base64/YQ",
		"an encoded slash":        "/metrics/job/a%2Fb%2F%2Fc",
		"two slashes":             "/metrics//job/a",
		"slashes at the root":     "//metrics/job/a",
		"a slash at the end":      "/metrics/job/a/b/",
		"dots":                    "/metrics/job/./x/../a",
		"encoded dots":            "/metrics/job/a/b/%2E%2E",
		"a space":                 "/metrics/job/a%20b",
		"an encoded percent sign": "/metrics/job/%2520/b/%25",
		"a plus":                  "/metrics/job/a+b/c/%2B",
		"UTF-8":                   "/metrics/job/\xc3\xbcber/b/\xe2\x9c\x93",
		"escaped UTF-8":           "/metrics/job/%c3%bcber/b/%E2%9C%93",
		"invalid UTF-8":           "/metrics/job/%ff",
		"unescaped punctuation":   "/metrics/job/a;b=c,d:e!f$g&h'(i)*~/j/\"<>[]{}|^`",
		"a backslash":             `/metrics/job/a\b`,
		"a question mark":         "/metrics/job/a?b/c%zz?d",
		"an encoded one":          "/metrics/job/a%3Fb%23c",
		"a number sign":           "/metrics/job/a#b/c",
		"an odd number of parts":  "/metrics/job/a/b",
		"nothing to escape":       "/metrics/job/100%",
		"as long as keys may be":  "/metrics/job/" + strings.Repeat("%C3%BC", 16000),
		"longer":                  "/metrics/job/" + strings.Repeat("%C3%BC", 17000),
		"long and not clean":      "/metrics/job/a/" + long,
	} {
		t.Run(name, func(t *testing.T) {
			push := func(url string) string {
				if code, body := do(t, http.MethodPut, r.url+"/api/v1/admin/wipe", ""); code != http.StatusAccepted {
					t.Fatalf("wipe: %d %s", code, body)
				}
				a := sendRaw(t, url, "127.0.0.1", "PUT "+path+" HTTP/1.1\r\nContent-Length: 4\r\nHost: h\r\nConnection: close\r\n\r\nm 1\n")
				return fmt.Sprintf("%d to %q\n%s", a.code, a.header.Get("Location"), samplesOf(r.scrape()))
			}
			if direct, proxied := push(r.url), push(p.url); proxied != direct {
				t.Errorf("through nginx: %.500s\ndirectly: %.500s", proxied, direct)
			}
		})
	}
}

// TestProxyRefuses protects clients from pages of nginx: what it does not pass
// on is answered like all errors are.
func TestProxyRefuses(t *testing.T) {
	t.Parallel()
	p := startProxy(t, startReplica(t, newDatabase(t), behindNginx...))
	long := strings.Repeat("x", 130<<10)
	for _, tt := range []struct {
		name, line, header string
		code               int
	}{
		{"NUL in the path", "PUT /metrics/job/a%00b HTTP/1.1", "", 400},
		{"a broken escape", "PUT /metrics/job/%zz HTTP/1.1", "", 400},
		{"above the root", "PUT /../metrics/job/a HTTP/1.1", "", 400},
		{"a path that is too long", "PUT /metrics/job/" + long + " HTTP/1.1", "", 414},
		{"a header that is too long", "PUT /metrics/job/a HTTP/1.1", "X: " + long + "\r\n", 400},
		{"a page of nginx itself", "GET /nginx/no_answer HTTP/1.1", "", 404},
		{"a method of nobody's", "TRACE /metrics HTTP/1.1", "", 501},
		{"an encoding of nobody's", "PUT /metrics/job/a HTTP/1.1", "Transfer-Encoding: sql\r\n", 501},
		{"a body that is too large", "PUT /metrics/job/a HTTP/1.1", "Content-Length: 99999999\r\n", 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := sendRaw(t, p.url, "127.0.0.1", tt.line+"\r\nHost: h\r\n"+tt.header+"\r\n")
			if a.code != tt.code {
				t.Errorf("%d %s, want %d", a.code, a.body, tt.code)
			}
			checkErrorLine(t, tt.name, a)
		})
	}
}

// sendRaw sends the bytes of one request from an address of this machine, and
// returns the answer.
func sendRaw(t *testing.T, url, from, request string) answer {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	check(t, err)
	defer conn.Close()
	_, _ = io.WriteString(conn, request) // the answer may come before the end
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	check(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// TestProxyTellsWhoPushed protects the history: it has the addresses of the
// clients and not nginx', and ids that no client can choose.
func TestProxyTellsWhoPushed(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	p := startProxy(t, startReplica(t, database, behindNginx...))
	const lies = "X-Request-Id: mine\r\nX-Request-Id: yours\r\nX-Forwarded-For: 203.0.113.7\r\n"
	for _, headers := range []string{"Host: h\r\n", "Host: h\r\n" + lies, "Host: h\r\n" + lies} {
		request := "PUT /metrics/job/j HTTP/1.1\r\n" + headers + "Content-Length: 4\r\nConnection: close\r\n\r\nm 1\n"
		if a := sendRaw(t, p.url, "127.0.0.2", request); a.code != http.StatusOK {
			t.Fatalf("%d %s", a.code, a.body)
		}
	}
	rows := model.History(t, database)
	ids := map[string]bool{}
	for _, row := range rows {
		ids[row.ID] = true
		if row.Client != "127.0.0.2" || len(row.ID) != 32 {
			t.Errorf("the history has the client %s and the id %q", row.Client, row.ID)
		}
	}
	if len(rows) != 3 || len(ids) != 3 {
		t.Errorf("three equal pushes are %d in the history and have %d ids", len(rows), len(ids))
	}
}

// TestProxyTakesOldClients protects probes that speak HTTP/1.0 and name no
// host.
func TestProxyTakesOldClients(t *testing.T) {
	t.Parallel()
	p := startProxy(t, startReplica(t, newDatabase(t), behindNginx...))
	if a := sendRaw(t, p.url, "127.0.0.1", "GET /-/ready HTTP/1.0\r\n\r\n"); a.code != http.StatusOK {
		t.Errorf("%d %s", a.code, a.body)
	}
}

// TestProxyPassesBodies protects large pushes, and what comes after one that
// is too large on the same connections.
func TestProxyPassesBodies(t *testing.T) {
	t.Parallel()
	const limit = 16 << 20
	p := startProxy(t, startReplica(t, newDatabase(t), behindNginx...))
	for _, tt := range []struct {
		name string
		body io.Reader
		gzip bool
		code int
	}{
		{"as large as it may be", bytes.NewReader(padded(t, limit)), false, 200},
		{"as large, in chunks", inChunks{bytes.NewReader(padded(t, limit))}, false, 200},
		{"as large, compressed", inGzip(t, padded(t, limit), gzip.BestSpeed), true, 200},
		{"a byte too large", bytes.NewReader(padded(t, limit+1)), false, 413},
		{"a byte too large, in chunks", inChunks{bytes.NewReader(padded(t, limit+1))}, false, 413},
		{"a byte too large, compressed", inGzip(t, padded(t, limit+1), gzip.BestSpeed), true, 413},
		{"made too large by gzip", inGzip(t, padded(t, limit), gzip.NoCompression), true, 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/metrics/job/j", tt.body)
			check(t, err)
			req.Header.Set("Content-Type", string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
			if tt.gzip {
				req.Header.Set("Content-Encoding", "gzip")
			}
			resp, err := http.DefaultClient.Do(req)
			check(t, err)
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			check(t, err)
			if resp.StatusCode != tt.code {
				t.Fatalf("%d %s, want %d", resp.StatusCode, text, tt.code)
			}
			if tt.code == http.StatusRequestEntityTooLarge {
				checkErrorLine(t, tt.name, answer{resp.StatusCode, resp.Header, string(text)})
			}
			for _, method := range []string{http.MethodPost, http.MethodDelete} {
				if code, text := do(t, method, p.url+"/metrics/job/k", sample); code >= 300 {
					t.Errorf("%s after it: %d %s", method, code, text)
				}
			}
		})
	}
}

// padded returns a push of this size, in protobuf: most of it is a field that
// no gateway knows, so that it is read in no time.
func padded(t *testing.T, size int) []byte {
	t.Helper()
	const unknown = 1000
	family, err := proto.Marshal(&dto.MetricFamily{
		Name: proto.String("m"), Type: dto.MetricType_UNTYPED.Enum(), Metric: []*dto.Metric{{Untyped: &dto.Untyped{Value: proto.Float64(1)}}},
	})
	check(t, err)
	family = protowire.AppendTag(family, unknown, protowire.BytesType)
	lengths := 2 * protowire.SizeVarint(uint64(size)) // of the field and the message
	family = protowire.AppendBytes(family, make([]byte, size-len(family)-lengths))
	body := protowire.AppendBytes(nil, family)
	if len(body) != size {
		t.Fatalf("a push of %d bytes, want %d", len(body), size)
	}
	return body
}

// inChunks is a body whose size nobody knows before its end.
type inChunks struct{ io.Reader }

// inGzip returns the body as gzip of this level.
func inGzip(t *testing.T, body []byte, level int) *bytes.Reader {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	check(t, err)
	_, err = w.Write(body)
	check(t, err)
	check(t, w.Close())
	return bytes.NewReader(b.Bytes())
}

// TestProxyAsksForBodies protects clients that ask before they send one.
func TestProxyAsksForBodies(t *testing.T) {
	t.Parallel()
	r := startReplica(t, newDatabase(t), behindNginx...)
	p := startProxy(t, r)
	slow := beginPush(t, p.url, "/metrics/job/slow", len(sample))
	if got := slow.finish(t, sample); got != "HTTP/1.1 200 OK" {
		t.Errorf("the answer is %q", got)
	}
	file := filepath.Join(t.TempDir(), "body")
	for name, size := range map[string]int{"small": 100, "large": 2 << 20} {
		check(t, os.WriteFile(file, []byte("m 1\n#"+strings.Repeat(" ", size)+"\n"), 0o600))
		out := runClient(t, "curl", "-sS", "-w", "%{http_code}", "-H", "Expect: 100-continue", "--expect100-timeout", "30",
			"--data-binary", "@"+file, p.url+"/metrics/job/"+name)
		if out != "200" {
			t.Errorf("a %s body: curl says %s", name, out)
		}
	}
	want := "m{instance=\"\",job=\"large\"} 1\nm{instance=\"\",job=\"slow\"} 1\nm{instance=\"\",job=\"small\"} 1"
	if got := samplesOf(r.scrape()); !strings.HasPrefix(got, want) {
		t.Errorf("exposed are\n%s", got)
	}
}

// TestProxyPassesScrapes protects the bytes of scrapes, and how they call
// themselves.
func TestProxyPassesScrapes(t *testing.T) {
	t.Parallel()
	r := startReplica(t, newDatabase(t), behindNginx...)
	p := startProxy(t, r)
	var large strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&large, "m{i=\"%d\"} %d\n", i, i)
	}
	if code, body := do(t, http.MethodPut, p.url+"/metrics/job/j", large.String()); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	for _, accept := range []string{"", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"} {
		for _, encoding := range []string{"identity", "gzip"} {
			header := []string{"Accept-Encoding", encoding, "Accept", accept}
			direct := ask(t, http.MethodGet, r.url+"/metrics", "", header...)
			proxied := ask(t, http.MethodGet, p.url+"/metrics", "", header...)
			if proxied.code != http.StatusOK || proxied.body != direct.body {
				t.Errorf("%q, %s: %d and %d bytes through nginx, %d directly", accept, encoding, proxied.code, len(proxied.body), len(direct.body))
			}
			// These are nginx' own.
			for _, name := range []string{"Date", "Server", "Connection", "Transfer-Encoding", "Content-Length"} {
				direct.header.Del(name)
				proxied.header.Del(name)
			}
			if !maps.EqualFunc(direct.header, proxied.header, slices.Equal) {
				t.Errorf("%q, %s: the headers through nginx are %v, directly %v", accept, encoding, proxied.header, direct.header)
			}
		}
	}
}
