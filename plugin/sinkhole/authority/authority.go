// Package authority makes the certificates with which the help page is shown
// over HTTPS on devices that a school manages.
//
// A school keeps a root of its own offline and installs it on its devices; this
// package is given an intermediate that the root has signed, and accepts it only
// when it is constrained and short-lived (Load says how). With it, certificates
// are made on demand for names that are listed at that moment, and for no
// others: any other handshake is aborted. It never makes a root, never writes a
// file and never reports a name.
//
// It is not for families, guests or devices that people own: docs/managed-ca.md.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// What an Authority makes.
const (
	lifetime = 48 * time.Hour // of a certificate, from NotBefore to NotAfter
	maxKept  = 1000           // certificates in memory
	perSec   = 10             // new certificates a second in the long run
	atOnce   = 100            // new certificates
)

// RenewBefore is how long before the end of the chain Status asks for a new one.
const RenewBefore = 14 * 24 * time.Hour

// Config says where the intermediate is and whom it vouches for.
type Config struct {
	Certificate string // path of the chain in PEM: the intermediate, then what signed it, without the root
	Key         string // path of the key of the intermediate in PEM: PKCS #8 or SEC 1, not encrypted

	// Listed reports whether a name, canonical as package dnsname has it, leads
	// to the help page now. It is asked in every handshake, by several
	// goroutines at a time.
	Listed func(name string) bool

	Now func() time.Time // nil is time.Now
}

// Authority makes and keeps certificates. It is safe for concurrent use. It has
// no goroutine and nothing to close.
type Authority struct {
	listed  func(string) bool
	now     func() time.Time
	chain   chain
	key     *ecdsa.PrivateKey // of the intermediate
	leafKey *ecdsa.PrivateKey // of all certificates made; it lives and ends with the process

	// mu is held while a certificate is made, too: that takes a fraction of a
	// millisecond and is rare, and so no name is ever signed for twice at a time.
	mu      sync.Mutex
	kept    *simplelru.LRU[string, *leaf]
	limiter *rate.Limiter

	issued, refused, limited atomic.Uint64
}

// Load reads the intermediate and its key. It refuses a chain that is more than
// the page needs, so that a stolen key is worth little: see checkIssuer and
// checkConstraints for the rule, which nothing overrides. Errors wrap
// ErrCertificate or ErrKey, and those of package os; they say what is wrong and how
// to make it right.
//
// That the time of the chain is over, or has not come yet, is no error: the school
// has its other pages and its DNS. Status tells, and no certificate is made.
func Load(cfg Config) (*Authority, error) {
	if cfg.Listed == nil {
		return nil, errors.New("authority: nobody says which names are listed")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c, err := loadChain(cfg.Certificate)
	if err != nil {
		return nil, err
	}
	key, err := loadKey(cfg.Key, c[0])
	if err != nil {
		return nil, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	kept, err := simplelru.NewLRU[string, *leaf](maxKept, nil)
	if err != nil {
		return nil, err
	}
	return &Authority{
		listed: cfg.Listed, now: cfg.Now,
		chain: c, key: key, leafKey: leafKey,
		kept: kept, limiter: rate.NewLimiter(perSec, atOnce),
	}, nil
}

// Status is how an Authority is doing. It holds no name.
type Status struct {
	NotBefore time.Time // the begin of the chain: of the last of its certificates that begins
	NotAfter  time.Time // the end of the chain: of the first of its certificates that ends
	Days      int       // whole days until then; 0 on the last day and after it
	Renew     bool      // less than RenewBefore is left, or it is not valid now
	Issuing   bool      // false before and after the time of the chain: every handshake is aborted

	Issued  uint64 // certificates made since Load
	Refused uint64 // handshakes aborted for their name: none, not listed or excluded
	Limited uint64 // certificates not made because too many were asked for at once
}

// Status returns the state of the moment.
func (a *Authority) Status() Status {
	now, end := a.now(), a.chain.notAfter()
	left, valid := end.Sub(now), a.chain.validAt(now)
	return Status{
		NotBefore: a.chain.notBefore(),
		NotAfter:  end,
		Days:      max(0, int(left/(24*time.Hour))),
		Renew:     left < RenewBefore || !valid,
		Issuing:   valid,
		Issued:    a.issued.Load(), Refused: a.refused.Load(), Limited: a.limited.Load(),
	}
}

// chain is the intermediate, what signed it and so on, without the root.
type chain []*x509.Certificate

// notBefore returns the moment from which all certificates are valid.
func (c chain) notBefore() time.Time {
	first := c[0].NotBefore
	for _, cert := range c[1:] {
		if cert.NotBefore.After(first) {
			first = cert.NotBefore
		}
	}
	return first
}

// notAfter returns the moment until which all certificates are valid.
func (c chain) notAfter() time.Time {
	last := c[0].NotAfter
	for _, cert := range c[1:] {
		if cert.NotAfter.Before(last) {
			last = cert.NotAfter
		}
	}
	return last
}

// validAt reports whether all certificates are valid at a moment.
func (c chain) validAt(now time.Time) bool {
	return !now.Before(c.notBefore()) && now.Before(c.notAfter())
}
