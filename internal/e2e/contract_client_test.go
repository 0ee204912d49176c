package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
)

// TestTLSAndBasicAuth protects the web configuration file, and the name of who
// pushed.
func TestTLSAndBasicAuth(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	config, roots := webConfig(t)
	r := launch(t, database, "--web.config.file="+config)
	url := strings.Replace(r.url, "http://", "https://", 1)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	client := http.Client{Transport: transport}
	var body []byte
	send := func(method, path, user, password string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(sample))
		if err != nil {
			return 0, err
		}
		if user != "" {
			req.SetBasicAuth(user, password)
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		body, err = io.ReadAll(resp.Body)
		return resp.StatusCode, err
	}
	eventually(t, func() error {
		code, err := send(http.MethodGet, "/-/ready", "alice", "test")
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("ready: %d", code)
		}
		return err
	})
	for _, tt := range []struct {
		user, password string
		code           int
	}{{"", "", 401}, {"alice", "wrong", 401}, {"bob", "test", 401}, {"alice", "test", 200}} {
		for _, method := range []string{http.MethodPut, http.MethodPost} {
			if code, err := send(method, "/metrics/job/j", tt.user, tt.password); err != nil || code != tt.code {
				t.Errorf("%s of %q: %d %v, want %d", method, tt.user, code, err, tt.code)
			}
		}
	}
	rows := model.History(t, database)
	if len(rows) != 2 || rows[0].Username != "alice" || rows[1].Username != "alice" {
		t.Errorf("the history is %+v", rows)
	}
	const counted = "sqlpushgateway_failed_logins_total 6\n"
	if _, err := send(http.MethodGet, "/-/metrics", "alice", "test"); err != nil || !strings.Contains(string(body), counted) {
		t.Errorf("%v: /-/metrics lacks %s", err, counted)
	}
}

// webConfig writes a web configuration file with a new certificate and the
// user alice, whose password is test. It returns its path and who signed the
// certificate.
func webConfig(t *testing.T) (string, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	dir := t.TempDir()
	write := func(name string, text []byte) {
		check(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	write("cert.pem", public)
	write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	write("web.yml", []byte("tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"+
		"basic_auth_users:\n  alice: $2a$04$hAdvd/kpgAJ9Ix7Y202n4enZMViLMN0YNVYKSTJRB2qKEVt5h2TFC\n"))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(public)
	return filepath.Join(dir, "web.yml"), roots
}

// TestForwardedClients protects the history from addresses that anybody can
// write into a header.
func TestForwardedClients(t *testing.T) {
	t.Parallel()
	const forwarded = "203.0.113.7, 198.51.100.9, 127.0.0.2"
	for _, tt := range []struct {
		name, flag, client string
	}{
		{"nobody is trusted", "--web.trusted-proxies=", "127.0.0.1"},
		{"another network is trusted", "--web.trusted-proxies=10.0.0.0/8", "127.0.0.1"},
		{"the proxies are trusted", "--web.trusted-proxies=127.0.0.0/8", "198.51.100.9"},
		{"all hops are trusted", "--web.trusted-proxies=127.0.0.0/8,198.51.100.0/24", "203.0.113.7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			database := newDatabase(t)
			flags := []string{tt.flag}
			if strings.HasSuffix(tt.flag, "=") {
				flags = nil
			}
			r := startReplica(t, database, flags...)
			if code, body := do(t, http.MethodPut, r.url+"/metrics/job/j", sample, "X-Forwarded-For", forwarded, "User-Agent", "backup/1.0"); code != 200 {
				t.Fatalf("%d %s", code, body)
			}
			rows := model.History(t, database)
			if len(rows) != 1 || rows[0].Client != tt.client || rows[0].UserAgent != "backup/1.0" || rows[0].Username != "" {
				t.Errorf("the history is %+v, want the client %s", rows, tt.client)
			}
		})
	}
}
