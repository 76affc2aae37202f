package authority

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// backdate is how far the clock of a client may be behind.
const backdate = time.Hour

// Errors that GetCertificate returns, to be tested with errors.Is. None holds a
// name.
var (
	ErrName     = errors.New("no name, or none that a certificate is made for")
	ErrListed   = errors.New("not a listed name")
	ErrExcluded = errors.New("a name that the constraints of the intermediate exclude")
	ErrExpired  = errors.New("the certificate of the authority has ended, or is not valid yet")
	ErrLimited  = errors.New("too many new certificates at once")
)

// TLS returns the settings of a handshake: TLS 1.2 or later, and no session
// tickets, which would outlive a block. Which protocols are spoken is the server's
// to say.
func (a *Authority) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS12,
		SessionTicketsDisabled: true,
		Time:                   a.now,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert, err := a.GetCertificate(hello)
			if isRefusal(err) {
				// Neither a certificate nor an error makes package tls send the alert
				// that is meant for this, unrecognized_name (RFC 6066 §3).
				return nil, nil
			}
			return cert, err
		},
	}
}

// GetCertificate returns a certificate for the name that a client asks for, made
// now or before, and what the client needs to lead it to the root. The name must
// be listed now and permitted by the constraints of the chain; otherwise, and
// when the chain has expired or too many new names come at once, an error ends
// the handshake: a client would only warn of such a certificate.
func (a *Authority) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name, err := a.wanted(hello.ServerName)
	var cert *tls.Certificate
	if err == nil {
		cert, err = a.certificate(name)
	}
	if isRefusal(err) {
		a.refused.Add(1)
	}
	return cert, err
}

// isRefusal reports whether a handshake was aborted for its name.
func isRefusal(err error) bool {
	return errors.Is(err, ErrName) || errors.Is(err, ErrListed) || errors.Is(err, ErrExcluded)
}

// certificate returns the certificate of a name that may have one.
func (a *Authority) certificate(name string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	l, ok := a.kept.Get(name)
	if ok && l.fresh(now) {
		return &l.cert, nil
	}
	made, err := a.issue(name, now)
	if err == nil {
		a.kept.Add(name, made)
		return &made.cert, nil
	}
	if ok && l.valid(now) { // renewing can wait
		return &l.cert, nil
	}
	return nil, err
}

// wanted returns the canonical form of the name in a ClientHello, or why it gets
// no certificate.
func (a *Authority) wanted(sni string) (string, error) {
	name, err := dnsname.Parse(sni)
	// Parse takes what people write. On the wire a name differs from its
	// canonical form in the case of ASCII letters only (RFC 6066 §3).
	if err != nil || len(name) != len(sni) || !strings.EqualFold(string(name), sni) || name.Labels() < 2 {
		return "", ErrName
	}
	if !a.listed(string(name)) {
		return "", ErrListed
	}
	if !a.chain.permits(string(name)) {
		return "", ErrExcluded
	}
	return string(name), nil
}

// leaf is a certificate that was made. It is immutable.
type leaf struct {
	cert                       tls.Certificate
	notBefore, renew, notAfter time.Time
}

// valid reports whether a client accepts the certificate.
func (l *leaf) valid(now time.Time) bool {
	return !now.Before(l.notBefore) && now.Before(l.notAfter)
}

// fresh reports whether it is too early for a new one.
func (l *leaf) fresh(now time.Time) bool { return l.valid(now) && now.Before(l.renew) }

// issue makes a certificate if there is time left and the limit allows it.
func (a *Authority) issue(name string, now time.Time) (*leaf, error) {
	if !a.chain.validAt(now) {
		return nil, ErrExpired
	}
	if !a.limiter.AllowN(now, 1) {
		a.limited.Add(1)
		return nil, ErrLimited
	}
	l := a.plan(now)
	der, err := a.sign(name, l.notBefore, l.notAfter)
	if err == nil {
		err = a.chain.verify(der, now)
	}
	if err != nil {
		return nil, err
	}
	a.issued.Add(1)
	l.cert.Certificate, l.cert.PrivateKey = a.chain.with(der), a.leafKey
	return l, nil
}

// plan sets the times of a certificate, never outside of those of the chain.
func (a *Authority) plan(now time.Time) *leaf {
	l := &leaf{notBefore: now.Add(-backdate).Truncate(time.Second)}
	l.notAfter = l.notBefore.Add(lifetime)
	if first := a.chain.notBefore(); l.notBefore.Before(first) {
		l.notBefore = first
	}
	l.renew = now.Add(l.notAfter.Sub(now) / 2)
	if last := a.chain.notAfter(); l.notAfter.After(last) {
		l.notAfter = last // and renew as it is: a new one would not last longer
	}
	return l
}

// sign makes the certificate of one name. It has no subject, which makes its
// alternative name critical (RFC 5280 §4.2.1.6), and a random serial number.
func (a *Authority) sign(name string, notBefore, notAfter time.Time) ([]byte, error) {
	template := &x509.Certificate{
		NotBefore: notBefore, NotAfter: notAfter,
		DNSNames:              []string{name},
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	return x509.CreateCertificate(rand.Reader, template, a.chain[0], a.leafKey.Public(), a.key)
}

// verify does with a new certificate what a client will do.
func (c chain) verify(der []byte, now time.Time) error {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("a certificate that was just made: %w", err)
	}
	if _, err := cert.Verify(c.options(now)); err != nil {
		return ErrExcluded // the error holds the name
	}
	return nil
}

// options says what clients demand, short of the root.
func (c chain) options(now time.Time) x509.VerifyOptions {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(c[len(c)-1])
	for _, cert := range c[:len(c)-1] {
		between.AddCert(cert)
	}
	return x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// with returns what is sent in a handshake.
func (c chain) with(der []byte) [][]byte {
	sent := append(make([][]byte, 0, 1+len(c)), der)
	for _, cert := range c {
		sent = append(sent, cert.Raw)
	}
	return sent
}
