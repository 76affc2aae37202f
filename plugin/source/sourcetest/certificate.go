package sourcetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"
)

// authority is a certificate authority that lives as long as the test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	t           testing.TB
}

func newAuthority(t testing.TB, name string) *authority {
	a := &authority{t: t}
	der := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	var err error
	if a.certificate, err = x509.ParseCertificate(der.Certificate[0]); err != nil {
		t.Fatal(err)
	}
	a.key = der.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// sign returns a certificate with a new key; an authority that has no
// certificate yet signs its own.
func (a *authority) sign(template *x509.Certificate) *tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	parent, parentKey := a.certificate, a.key
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		a.t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// leaf returns the certificate of a server that is valid from and until so many
// hours from now.
func (a *authority) leaf(name string, from, until time.Duration) *tls.Certificate {
	return a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:   time.Now().Add(from * time.Hour), NotAfter: time.Now().Add(until * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.certificate)
	return p
}

// certificates are the certificates of a server by the name that is asked for.
type certificates map[string]*tls.Certificate

func newCertificates(t testing.TB, a *authority) certificates {
	return certificates{
		"":                a.leaf("lists.example", -1, 24),
		"expired.example": a.leaf("expired.example", -24, -1),
		"early.example":   a.leaf("early.example", 1, 24),
		"wrong.example":   a.leaf("other.test", -1, 24),
		"unknown.example": newAuthority(t, "an unknown authority").leaf("unknown.example", -1, 24),
	}
}

func (c certificates) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if found, ok := c[hello.ServerName]; ok {
		return found, nil
	}
	return c[""], nil
}
