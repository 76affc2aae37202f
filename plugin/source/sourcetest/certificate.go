package sourcetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"sync"
	"time"
)

// authority is a certificate authority that lives as long as the process.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// trusted is the one that the good certificates of all servers are from.
var trusted = sync.OnceValue(func() *authority { return newAuthority("the test's authority") })

// Authority returns the authority that the good certificates of all servers of
// the process are from, in PEM: what the environment variable SSL_CERT_FILE may
// name for those who trust the authorities of the system.
func Authority() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: trusted().certificate.Raw})
}

// Certificate returns a good certificate for these names, 127.0.0.1 and ::1, with
// its key, both in PEM: what a server that is configured with files reads.
func Certificate(names ...string) (certificate, key []byte) {
	c := trusted().leaf(-1, 24, names...)
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		panic(err) // it was made a moment ago
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func newAuthority(name string) *authority {
	a := &authority{}
	der := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	var err error
	if a.certificate, err = x509.ParseCertificate(der.Certificate[0]); err != nil {
		panic(err) // it was made a moment ago
	}
	a.key = der.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// sign returns a certificate with a new key; an authority that has no
// certificate yet signs its own.
func (a *authority) sign(template *x509.Certificate) *tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // no random numbers
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	parent, parentKey := a.certificate, a.key
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		panic(err) // the template is wrong
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// leaf returns the certificate of a server that is valid from and until so many
// hours from now.
func (a *authority) leaf(from, until time.Duration, names ...string) *tls.Certificate {
	return a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
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

// usual is the name that has a good certificate.
const usual = "lists.example"

// certificates are the certificates of a server by the name that is asked for.
type certificates map[string]*tls.Certificate

func newCertificates() certificates {
	return certificates{
		"":                trusted().leaf(-1, 24, usual),
		"expired.example": trusted().leaf(-24, -1, "expired.example", usual),
		"early.example":   trusted().leaf(1, 24, "early.example", usual),
		"wrong.example":   trusted().leaf(-1, 24, "other.test"),
		"unknown.example": newAuthority("an unknown authority").leaf(-1, 24, "unknown.example", usual),
	}
}

// choose returns the certificate for a name; presented is whose certificate the
// usual one shows.
func (c certificates) choose(name, presented string) *tls.Certificate {
	if name == usual {
		name = presented
	}
	if found, ok := c[name]; ok {
		return found
	}
	return c[""]
}
