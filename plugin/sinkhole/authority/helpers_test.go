package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// start is when the intermediates of the tests begin.
var start = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)

// clock is set by hand.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return start.Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// issuer is an authority of a test.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// create signs a template for a key; the root signs itself.
func create(t testing.TB, template *x509.Certificate, parent issuer, key, signer any) *x509.Certificate {
	t.Helper()
	from := parent.cert
	if from == nil {
		from = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, from, key, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// newRoot makes a root for ten years.
func newRoot(t testing.TB) issuer {
	key := newKey(t)
	template := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"Example School"}, CommonName: "root"},
		NotBefore: start.AddDate(-1, 0, 0), NotAfter: start.AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return issuer{create(t, template, issuer{}, key.Public(), key), key}
}

// intermediate is the template of one as it should be.
func intermediate() *x509.Certificate {
	return &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"Example School"}, CommonName: "help page"},
		NotBefore: start, NotAfter: start.Add(maxValidity),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage:                    x509.KeyUsageCertSign,
		ExtKeyUsage:                 []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		PermittedDNSDomainsCritical: true,
		ExcludedDNSDomains:          []string{"school.example", ".gov.example"},
		ExcludedIPRanges:            everyAddress(),
		PermittedEmailAddresses:     []string{".invalid"},
	}
}

func everyAddress() []*net.IPNet {
	_, v4, _ := net.ParseCIDR("0.0.0.0/0")
	_, v6, _ := net.ParseCIDR("::/0")
	return []*net.IPNet{v4, v6}
}

// sign makes the intermediate of a template.
func (ca issuer) sign(t testing.TB, template *x509.Certificate) issuer {
	t.Helper()
	key := newKey(t)
	return issuer{create(t, template, ca, key.Public(), ca.key), key}
}

// certificates returns PEM.
func certificates(list ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range list {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// pkcs8 returns PEM.
func pkcs8(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// file writes a file of a test, closed to others.
func file(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// config returns what Load takes for an intermediate and what signed it. Names
// below badsite.example and listed.example are listed.
func (ca issuer) config(t testing.TB, above ...*x509.Certificate) Config {
	t.Helper()
	return Config{
		Certificate: file(t, "page.pem", certificates(append([]*x509.Certificate{ca.cert}, above...)...)),
		Key:         file(t, "page.key", pkcs8(t, ca.key)),
		Listed: func(name string) bool {
			return within(name, "badsite.example") || within(name, "listed.example") || within(name, "school.example")
		},
		Now: func() time.Time { return start.Add(time.Hour) },
	}
}

func load(t testing.TB, cfg Config) *Authority {
	t.Helper()
	a, err := Load(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// get asks for a certificate as a handshake does.
func get(a *Authority, name string) (*tls.Certificate, error) {
	return a.GetCertificate(&tls.ClientHelloInfo{ServerName: name})
}

// accept checks what is sent for a name as a client with the root does, and
// returns the certificate of the name.
func accept(t testing.TB, root *x509.Certificate, cert *tls.Certificate, name string, now time.Time) *x509.Certificate {
	t.Helper()
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root)
	for _, der := range cert.Certificate[1:] {
		above, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		between.AddCert(above)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: name, CurrentTime: now}); err != nil {
		t.Fatalf("A client refuses the certificate for %s: %v", name, err)
	}
	return leaf
}
