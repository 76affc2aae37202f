package authority

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// TestLeaf looks at one certificate from all sides.
func TestLeaf(t *testing.T) {
	root := newRoot(t)
	page := root.sign(t, intermediate())
	cfg := page.config(t)
	now := start.Add(100*time.Hour + 500*time.Millisecond)
	cfg.Now = func() time.Time { return now }
	a := load(t, cfg)
	sent, err := get(a, "www.badsite.example")
	if err != nil {
		t.Fatal(err)
	}
	leaf := accept(t, root.cert, sent, "www.badsite.example", now)
	accept(t, root.cert, sent, "www.badsite.example", now.Add(-backdate)) // a clock that is behind
	if len(sent.Certificate) != 2 || !bytes.Equal(sent.Certificate[1], page.cert.Raw) {
		t.Errorf("%d certificates are sent, want two, without the root", len(sent.Certificate))
	}
	if len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != "www.badsite.example" || len(leaf.IPAddresses)+len(leaf.EmailAddresses)+len(leaf.URIs) > 0 {
		t.Errorf("Names %q %v", leaf.DNSNames, leaf.IPAddresses)
	}
	if leaf.Subject.String() != "" || leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature ||
		len(leaf.ExtKeyUsage) != 1 || leaf.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth {
		t.Errorf("Subject %q, authority %v, usage %v %v", leaf.Subject, leaf.IsCA, leaf.KeyUsage, leaf.ExtKeyUsage)
	}
	if got := leaf.NotAfter.Sub(leaf.NotBefore); got != lifetime || leaf.NotBefore.After(now.Add(-backdate)) || now.Sub(leaf.NotBefore) > backdate+time.Second {
		t.Errorf("Valid from %v for %v at %v", leaf.NotBefore, got, now)
	}
	if key := leaf.PublicKey.(*ecdsa.PublicKey); key.Curve != elliptic.P256() || key.Equal(page.cert.PublicKey) {
		t.Error("The key is of the intermediate, or not P-256")
	}
}

// TestLeafPair: two names share the key and nothing else; one name asked for
// twice gets one certificate.
func TestLeafPair(t *testing.T) {
	root := newRoot(t)
	a := load(t, root.sign(t, intermediate()).config(t))
	var leaves []*x509.Certificate
	for _, name := range []string{"badsite.example", "listed.example", "BadSite.EXAMPLE"} {
		cert, err := get(a, name)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, accept(t, root.cert, cert, name, a.now()))
	}
	if !leaves[0].PublicKey.(*ecdsa.PublicKey).Equal(leaves[1].PublicKey) {
		t.Error("Two keys for two names")
	}
	if s := leaves[0].SerialNumber; s.Cmp(leaves[1].SerialNumber) == 0 || s.BitLen() < 64 {
		t.Errorf("Serial numbers %v and %v", s, leaves[1].SerialNumber)
	}
	if !leaves[0].Equal(leaves[2]) || a.Status().Issued != 2 {
		t.Errorf("%d certificates for two names", a.Status().Issued)
	}
}

// TestWanted: what is asked for in a handshake.
func TestWanted(t *testing.T) {
	cfg := newRoot(t).sign(t, intermediate()).config(t)
	long := strings.Repeat(strings.Repeat("a", 59)+".", 3) + strings.Repeat("a", 57) + ".badsite.example" // 253
	cfg.Listed = func(name string) bool { return !within(name, "free.example") }
	a := load(t, cfg)
	tests := []struct {
		sni string
		err error
	}{
		{"badsite.example", nil},
		{"BADSITE.example", nil},
		{"a_b.badsite.example", nil},
		{"xn--bcher-kva.example", nil},
		{long, nil},
		{"a" + long, ErrName},
		{"", ErrName},
		{"example", ErrName},
		{"localhost", ErrName},
		{"badsite.example.", ErrName},
		{".badsite.example", ErrName},
		{"*.badsite.example", ErrName},
		{"*", ErrName},
		{"192.0.2.1", ErrName},
		{"2001:db8::1", ErrName},
		{"[2001:db8::1]", ErrName},
		{"badsite.example:443", ErrName},
		{"bad site.example", ErrName},
		{"badsite.example\x00", ErrName},
		{"bücher.example", ErrName},
		{`bad\115ite.example`, ErrName},
		{"bad\u212aite.example", ErrName}, // Kelvin sign
		{"xn--.example", ErrName},
		{"free.example", ErrListed},
		{"a.free.example", ErrListed},
		{"school.example", ErrExcluded},
		{"www.school.example", ErrExcluded},
		{"a.gov.example", ErrExcluded},
		{"gov.example", nil}, // excluded is what is below it
	}
	refused := uint64(0)
	for _, tt := range tests {
		cert, err := get(a, tt.sni)
		if err != tt.err || (cert == nil) != (err != nil) {
			t.Errorf("%q: %v, want %v", tt.sni, err, tt.err)
		}
		if tt.err != nil {
			refused++
		}
	}
	if s := a.Status(); s.Refused != refused || s.Limited != 0 {
		t.Errorf("Status %+v, want %d refused", s, refused)
	}
}

// TestListedNow: a name that leaves the list gets nothing, though its
// certificate is kept.
func TestListedNow(t *testing.T) {
	var listed atomic.Bool
	cfg := newRoot(t).sign(t, intermediate()).config(t)
	cfg.Listed = func(string) bool { return listed.Load() }
	a := load(t, cfg)
	for i, now := range []bool{false, true, false, true} {
		listed.Store(now)
		if _, err := get(a, "badsite.example"); (err == nil) != now {
			t.Errorf("Step %d: %v", i, err)
		}
	}
	if got := a.Status().Issued; got != 1 {
		t.Errorf("%d certificates, want 1", got)
	}
}

// TestRenewal: a client never gets a certificate with less than half of its time
// left, until the intermediate ends; then it gets none.
func TestRenewal(t *testing.T) {
	root := newRoot(t)
	var c clock
	cfg := root.sign(t, intermediate()).config(t)
	cfg.Now = c.now
	a := load(t, cfg)
	end := start.Add(maxValidity)
	for ; c.now().Before(end); c.advance(time.Hour) {
		sent, err := get(a, "badsite.example")
		if err != nil {
			t.Fatalf("At %v: %v", c.now(), err)
		}
		leaf := accept(t, root.cert, sent, "badsite.example", c.now())
		if left := leaf.NotAfter.Sub(c.now()); left < 23*time.Hour && !leaf.NotAfter.Equal(end) {
			t.Errorf("At %v: %v left", c.now(), left)
		}
		if leaf.NotAfter.After(end) || leaf.NotBefore.Before(start) {
			t.Errorf("At %v: from %v to %v, outside of the intermediate", c.now(), leaf.NotBefore, leaf.NotAfter)
		}
	}
	if _, err := get(a, "badsite.example"); err != ErrExpired {
		t.Errorf("At the end: %v", err)
	}
	if s := a.Status(); s.Issued != 90 || s.Refused != 0 {
		t.Errorf("%d certificates in 90 days, want one a day", s.Issued)
	}
	c.offset.Store(int64(10 * time.Hour)) // somebody set the clock back
	sent, err := get(a, "badsite.example")
	if err != nil {
		t.Fatal(err)
	}
	accept(t, root.cert, sent, "badsite.example", c.now())
}

// TestChainTimes: nothing outlasts, or is older than, a certificate further up.
func TestChainTimes(t *testing.T) {
	root := newRoot(t)
	template := intermediate()
	template.Subject.CommonName, template.MaxPathLenZero, template.MaxPathLen = "upper", false, 1
	template.NotBefore, template.NotAfter = start.Add(30*time.Minute), start.Add(20*time.Hour)
	upper := root.sign(t, template)
	cfg := upper.sign(t, intermediate()).config(t, upper.cert)
	a := load(t, cfg)
	sent, err := get(a, "badsite.example")
	if err != nil {
		t.Fatal(err)
	}
	leaf := accept(t, root.cert, sent, "badsite.example", a.now())
	if !leaf.NotBefore.Equal(upper.cert.NotBefore) || !leaf.NotAfter.Equal(upper.cert.NotAfter) {
		t.Errorf("Valid from %v to %v, want the times of the upper one", leaf.NotBefore, leaf.NotAfter)
	}
	if s := a.Status(); !s.NotAfter.Equal(upper.cert.NotAfter) || !s.Renew || s.Days != 0 {
		t.Errorf("Status %+v", s)
	}
}

// TestNames: no more certificates are kept than there is room for, and the one
// that was not asked for the longest goes first.
func TestNames(t *testing.T) {
	cfg := newRoot(t).sign(t, intermediate()).config(t)
	a := load(t, cfg)
	a.kept.Resize(3)
	ask := func(i int) {
		if _, err := get(a, fmt.Sprintf("n%d.badsite.example", i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		ask(i)
		ask(0)
	}
	if got := a.kept.Len(); got != 3 {
		t.Errorf("%d certificates are kept, want 3", got)
	}
	before := a.Status().Issued
	for _, i := range []int{0, 8, 9} {
		ask(i)
	}
	if got := a.Status().Issued; got != before || got != 10 {
		t.Errorf("%d certificates were made, want 10", got)
	}
	ask(1)
	if got := a.Status().Issued; got != 11 {
		t.Errorf("%d certificates were made, want 11", got)
	}
}

// TestRate: a burst, then so many a second; what is kept goes on being sent.
func TestRate(t *testing.T) {
	var c clock
	cfg := newRoot(t).sign(t, intermediate()).config(t)
	cfg.Now = c.now
	a := load(t, cfg)
	a.limiter = rate.NewLimiter(2, 3)
	next := 0
	made := func() (n int) {
		for range 10 {
			next++
			_, err := get(a, fmt.Sprintf("n%d.badsite.example", next))
			if err == nil {
				n++
			} else if err != ErrLimited {
				t.Fatal(err)
			}
		}
		return n
	}
	for i, want := range []int{3, 2, 2} {
		if got := made(); got != want {
			t.Errorf("Second %d: %d certificates, want %d", i, got, want)
		}
		c.advance(time.Second)
	}
	if s := a.Status(); s.Issued != 7 || s.Limited != 23 || s.Refused != 0 {
		t.Errorf("Status %+v", s)
	}
	c.advance(30 * time.Hour) // the first is due
	if got := made(); got != 3 {
		t.Errorf("After a pause: %d certificates, want 3", got)
	}
	if _, err := get(a, "n1.badsite.example"); err != nil {
		t.Errorf("A certificate that could not be renewed in time: %v", err)
	}
	if s := a.Status(); s.Limited != 31 {
		t.Errorf("%d times limited, want 31", s.Limited)
	}
}

// TestBounds: how many are made at once, and how many are kept.
func TestBounds(t *testing.T) {
	a := load(t, newRoot(t).sign(t, intermediate()).config(t))
	next := 0
	ask := func() error {
		next++
		_, err := get(a, fmt.Sprintf("n%d.badsite.example", next))
		return err
	}
	for range atOnce {
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	if err := ask(); err != ErrLimited {
		t.Errorf("One more: %v", err)
	}
	a.limiter = rate.NewLimiter(rate.Inf, 0)
	for a.Status().Issued <= maxKept {
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	if got := a.kept.Len(); got != maxKept {
		t.Errorf("%d certificates are kept, want %d", got, maxKept)
	}
}

// TestConcurrent: many clients at a time make one certificate a name.
func TestConcurrent(t *testing.T) {
	cfg := newRoot(t).sign(t, intermediate()).config(t)
	a := load(t, cfg)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			if _, err := get(a, fmt.Sprintf("n%d.badsite.example", i%4)); err != nil {
				t.Error(err)
			}
			if _, err := get(a, "free.example"); err != ErrListed {
				t.Error(err)
			}
			a.Status()
		})
	}
	wg.Wait()
	if s := a.Status(); s.Issued != 4 || s.Refused != 64 {
		t.Errorf("Status %+v, want 4 issued and 64 refused", s)
	}
}

// FuzzServerName: whatever a client sends, it gets nothing or a certificate for
// just that name, and no error holds the name.
func FuzzServerName(f *testing.F) {
	for _, s := range []string{"badsite.example", "BADSITE.example", "*.example", "192.0.2.1", "::1", "a\x00.example", "xn--bcher-kva.example", "ſ.example", "a.school.example", `\097.example`} {
		f.Add(s)
	}
	root := newRoot(f)
	cfg := root.sign(f, intermediate()).config(f)
	cfg.Listed = func(string) bool { return true }
	var ticks atomic.Int64
	cfg.Now = func() time.Time { return start.Add(time.Duration(ticks.Add(1)) * time.Millisecond) }
	a := load(f, cfg)
	a.limiter = rate.NewLimiter(rate.Inf, 0)
	f.Fuzz(func(t *testing.T, sni string) {
		cert, err := get(a, sni)
		if err != nil {
			if !errors.Is(err, ErrName) && !errors.Is(err, ErrExcluded) {
				t.Errorf("%q: %v", sni, err)
			}
			return
		}
		leaf := accept(t, root.cert, cert, sni, a.now())
		want := strings.ToLower(sni)
		if _, ip := netip.ParseAddr(sni); ip == nil || len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != want || strings.Contains(want, "*") {
			t.Errorf("%q got a certificate for %q", sni, leaf.DNSNames)
		}
		for i := range len(sni) {
			if sni[i] >= 0x80 {
				t.Errorf("%q is not ASCII and got a certificate", sni)
			}
		}
	})
}
