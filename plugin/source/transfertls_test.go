package source

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// primaryCertificate makes a certificate for an address and a name, and the
// pool in which it is trusted.
func primaryCertificate(t *testing.T, name string, ips ...net.IP) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: ips,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// writePEM writes a certificate and its key for a server that reads files.
func writePEM(t *testing.T, c tls.Certificate, certificate, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTransferTLS(t *testing.T) {
	c, pool := primaryCertificate(t, "primary.example", net.IPv4(127, 0, 0, 1))
	other, otherPool := primaryCertificate(t, "primary.example", net.IPv4(192, 0, 2, 1))
	server := func(c tls.Certificate, change func(*tls.Config)) *tls.Config {
		config := &tls.Config{Certificates: []tls.Certificate{c}, NextProtos: []string{"dot"}}
		if change != nil {
			change(config)
		}
		return config
	}
	tests := []struct {
		name   string
		server *tls.Config
		client *tls.Config
		want   string
	}{
		{"by address", server(c, nil), &tls.Config{RootCAs: pool}, ""},
		{"by another name", server(other, nil), &tls.Config{RootCAs: otherPool, ServerName: "primary.example"}, ""},
		{"no ALPN", server(c, func(c *tls.Config) { c.NextProtos = nil }), &tls.Config{RootCAs: pool}, ""},
		{"settings of its own", server(c, nil), &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}}, ""},
		{"another address", server(other, nil), &tls.Config{RootCAs: otherPool}, "certificate is valid for 192.0.2.1, not 127.0.0.1"},
		{"unknown authority", server(c, nil), &tls.Config{RootCAs: otherPool}, "certificate signed by unknown authority"},
		{"authorities of the system", server(c, nil), &tls.Config{}, "certificate"},
		{"TLS 1.2", server(c, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), &tls.Config{RootCAs: pool}, "protocol version"},
		{"another protocol", server(c, func(c *tls.Config) { c.NextProtos = []string{"h2"} }), &tls.Config{RootCAs: pool}, "no application protocol"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPrimary(t, tt.server)
			p.key = &testKey
			p.publish(1, zoneOne...)
			tr := p.transfer()
			tr.TLS = tt.client
			text, err := readTransfer(t.Context(), tr, "")
			if tt.want == "" && (err != nil || text != textOne) {
				t.Errorf("%v:\n%s", err, text)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "axfrs://")) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok != strings.Contains(tt.want, "certificate") {
				t.Errorf("%v is a CertificateVerificationError: %v", err, ok)
			}
		})
	}
}

// TestTransferHandshake: a primary that accepts and says nothing.
func TestTransferHandshake(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tr := Transfer{Primary: l.Addr().String(), Zone: rpzZone, TLS: &tls.Config{}, Timeouts: TransferTimeouts{Dial: 20 * time.Millisecond}}
	if _, err := tr.Open(t.Context(), ""); !errors.Is(err, ErrTimeout) {
		t.Errorf("%v, want %v", err, ErrTimeout)
	}
}
