package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLoadIntermediate: each property of an intermediate is needed, and the
// error says which is missing.
func TestLoadIntermediate(t *testing.T) {
	root := newRoot(t)
	tests := []struct {
		name   string
		change func(*x509.Certificate)
		want   string // "" when it is accepted
	}{
		{"as it should be", func(*x509.Certificate) {}, ""},
		{"cRLSign as well", func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign }, ""},
		{"shorter", func(c *x509.Certificate) { c.NotAfter = start.AddDate(0, 0, 1) }, ""},
		{"two readings of the clock", func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(time.Second) }, ""},
		{"no authority", func(c *x509.Certificate) { c.IsCA, c.MaxPathLenZero = false, false }, "CA:TRUE"},
		{"no path length", func(c *x509.Certificate) { c.MaxPathLenZero, c.MaxPathLen = false, -1 }, "pathlen:0"},
		{"path length 1", func(c *x509.Certificate) { c.MaxPathLen = 1 }, "pathlen:0"},
		{"no key usage", func(c *x509.Certificate) { c.KeyUsage = 0 }, "keyCertSign"},
		{"signs data as well", func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageDigitalSignature }, "keyCertSign"},
		{"any use", func(c *x509.Certificate) { c.ExtKeyUsage = nil }, "serverAuth"},
		{"clients as well", func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) }, "serverAuth"},
		{"unknown use as well", func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}} }, "serverAuth"},
		{"91 days", func(c *x509.Certificate) { c.NotAfter = start.AddDate(0, 0, 91) }, "valid for 91 days: issue one for at most 90"},
		{"a minute too long", func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(time.Minute) }, "at most 90"},
		{"over", func(c *x509.Certificate) { c.NotBefore, c.NotAfter = start.AddDate(0, 0, -1), start }, ""},
		{"not yet", func(c *x509.Certificate) { c.NotBefore = start.Add(2 * time.Hour) }, ""},
		{"no constraints", func(c *x509.Certificate) {
			c.ExcludedDNSDomains, c.ExcludedIPRanges, c.PermittedEmailAddresses = nil, nil, nil
		}, "no name constraints"},
		{"unknown critical extension", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}, "clients would refuse"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			template := intermediate()
			tt.change(template)
			_, err := Load(root.sign(t, template).config(t))
			checkLoad(t, err, ErrCertificate, tt.want)
		})
	}
}

// checkLoad checks an error of Load: none when nothing is wanted.
func checkLoad(t *testing.T, err, kind error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("Refused: %v", err)
	case want != "" && (!errors.Is(err, kind) || !strings.Contains(err.Error(), want)):
		t.Errorf("Error %v, want %q", err, want)
	}
}

// TestLoadOtherTime: an intermediate that has ended, or has not begun, costs its
// certificates and nothing else, and works once its time has come.
func TestLoadOtherTime(t *testing.T) {
	root := newRoot(t)
	for _, tt := range []struct {
		at    time.Time
		valid bool
	}{
		{start.Add(-time.Second), false},
		{start, true},
		{start.Add(maxValidity - time.Second), true},
		{start.Add(maxValidity), false},
		{start.AddDate(20, 0, 0), false}, // the root has ended, too
	} {
		now := tt.at
		cfg := root.sign(t, intermediate()).config(t)
		cfg.Now = func() time.Time { return now }
		a := load(t, cfg)
		if s := a.Status(); s.Issuing != tt.valid || !tt.valid && !s.Renew {
			t.Errorf("At %v: %+v", now, s)
		}
		if _, err := get(a, "badsite.example"); errors.Is(err, ErrExpired) == tt.valid || (err == nil) != tt.valid {
			t.Errorf("At %v: %v", now, err)
		}
		now = start.Add(time.Hour)
		if _, err := get(a, "badsite.example"); err != nil {
			t.Errorf("At %v, then at its time: %v", tt.at, err)
		}
	}
}

// TestLoadChain: what may stand in the file, and in which order.
func TestLoadChain(t *testing.T) {
	root := newRoot(t)
	middle := func(ca issuer, name string) issuer {
		return ca.sign(t, &x509.Certificate{
			Subject:   pkix.Name{CommonName: name},
			NotBefore: start.AddDate(0, -1, 0), NotAfter: start.AddDate(1, 0, 0),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		})
	}
	upper := middle(root, "upper")
	lower := middle(upper, "lower")
	top := middle(lower, "top")
	page := lower.sign(t, intermediate())
	deep := top.sign(t, intermediate())
	alone := newKey(t)
	self := issuer{create(t, intermediate(), issuer{}, alone.Public(), alone), alone}
	early := root.sign(t, &x509.Certificate{
		Subject:   pkix.Name{CommonName: "over before the other begins"},
		NotBefore: start.AddDate(0, -1, 0), NotAfter: start,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	short := root.sign(t, &x509.Certificate{
		Subject:   pkix.Name{CommonName: "without room for another"},
		NotBefore: start, NotAfter: start.AddDate(0, 1, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	})
	tests := []struct {
		name  string
		first issuer
		above []*x509.Certificate
		want  string
	}{
		{"intermediate alone", page, nil, ""},
		{"up to the root", page, []*x509.Certificate{lower.cert, upper.cert}, ""},
		{"four", deep, []*x509.Certificate{top.cert, lower.cert, upper.cert}, ""},
		{"five", deep, []*x509.Certificate{top.cert, lower.cert, upper.cert, root.cert}, "more than 4"},
		{"with the root", page, []*x509.Certificate{lower.cert, upper.cert, root.cert}, "certificate 4 (CN=root,O=Example School): is a root: keep it offline"},
		{"wrong order", page, []*x509.Certificate{upper.cert, lower.cert}, "did not sign the certificate before it"},
		{"twice", page, []*x509.Certificate{page.cert}, "did not sign the certificate before it"},
		{"the root", root, nil, "is a root"},
		{"signed by itself", self, nil, "is a root"},
		{"never valid as a whole", early.sign(t, intermediate()), []*x509.Certificate{early.cert}, "never valid as a whole"},
		{"below one without room", short.sign(t, intermediate()), []*x509.Certificate{short.cert}, "greater pathlen"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(tt.first.config(t, tt.above...))
			checkLoad(t, err, ErrCertificate, tt.want)
		})
	}
}

// TestLoadCertificateFile: what is no chain at all.
func TestLoadCertificateFile(t *testing.T) {
	page := newRoot(t).sign(t, intermediate())
	good := certificates(page.cert)
	filled := func(n int) []byte { return append(slices.Clone(good), make([]byte, n-len(good))...) }
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"text around it", append([]byte("Certificate:\n  Data: …\n"), good...), ""},
		{"as large as may be", filled(maxFile), ""},
		{"larger", filled(maxFile + 1), "larger than 262144 bytes"},
		{"empty", nil, "no certificate in PEM"},
		{"DER", page.cert.Raw, "no certificate in PEM"},
		{"with the key", append(slices.Clone(good), pkcs8(t, page.key)...), "block of type PRIVATE KEY"},
		{"not one", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("nothing")}), "certificate 1: x509"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := page.config(t)
			cfg.Certificate = file(t, "page.pem", tt.data)
			_, err := Load(cfg)
			checkLoad(t, err, ErrCertificate, tt.want)
		})
	}
}

// TestLoadNoFile: errors of package os come through.
func TestLoadNoFile(t *testing.T) {
	cfg := newRoot(t).sign(t, intermediate()).config(t)
	missing, dir := cfg, cfg
	missing.Key = filepath.Join(t.TempDir(), "none.key")
	if _, err := Load(missing); !errors.Is(err, ErrKey) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("A missing key: %v", err)
	}
	dir.Certificate = t.TempDir()
	_, err := Load(dir)
	checkLoad(t, err, ErrCertificate, "not a regular file")
}

// TestLoadKey: which keys are taken.
func TestLoadKey(t *testing.T) {
	page := newRoot(t).sign(t, intermediate())
	good := pkcs8(t, page.key)
	ec, err := x509.MarshalECPrivateKey(page.key)
	if err != nil {
		t.Fatal(err)
	}
	sec1 := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: ec})
	curve := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}})
	old := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: ec})
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"PKCS #8", good, ""},
		{"SEC 1", sec1, ""},
		{"as openssl ecparam writes it", append(slices.Clone(curve), sec1...), ""},
		{"empty", nil, "no key in PEM"},
		{"parameters only", curve, "no key in PEM"},
		{"two", append(slices.Clone(good), good...), "more than one"},
		{"encrypted", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("…")}), "is encrypted"},
		{"encrypted as in the past", old, "is encrypted"},
		{"of another certificate", pkcs8(t, newKey(t)), "does not belong to the certificate"},
		{"RSA", pkcs8(t, other), "not an ECDSA key"},
		{"a certificate", certificates(page.cert), "not a private key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := page.config(t)
			cfg.Key = file(t, "page.key", tt.data)
			_, err := Load(cfg)
			checkLoad(t, err, ErrKey, tt.want)
			if err != nil && strings.Contains(err.Error(), string(tt.data[:min(len(tt.data), 40)])) && len(tt.data) > 0 {
				t.Errorf("The error holds the key: %v", err)
			}
		})
	}
}

// TestLoadCurve: a key of another curve is refused though it belongs to the
// certificate.
func TestLoadCurve(t *testing.T) {
	root := newRoot(t)
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	page := issuer{create(t, intermediate(), root, key.Public(), root.key), key}
	_, err = Load(page.config(t))
	checkLoad(t, err, ErrCertificate, "ECDSA P-256")
}

// TestLoadListed: without somebody to ask, nothing would be listed.
func TestLoadListed(t *testing.T) {
	cfg := newRoot(t).sign(t, intermediate()).config(t)
	cfg.Listed = nil
	if _, err := Load(cfg); err == nil || !strings.Contains(err.Error(), "nobody says") {
		t.Errorf("Error %v", err)
	}
}

// TestLoadRealClock: without a clock the present counts.
func TestLoadRealClock(t *testing.T) {
	template := intermediate()
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = template.NotBefore.Add(maxValidity)
	cfg := newRoot(t).sign(t, template).config(t)
	cfg.Now = nil
	if s := load(t, cfg).Status(); !s.Issuing || s.Days != 89 {
		t.Errorf("Status %+v", s)
	}
}

// TestLoadWritesNothing: the directory is as it was.
func TestLoadWritesNothing(t *testing.T) {
	cfg := newRoot(t).sign(t, intermediate()).config(t)
	a := load(t, cfg)
	if _, err := get(a, "badsite.example"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{cfg.Certificate, cfg.Key} {
		if list, err := os.ReadDir(filepath.Dir(path)); err != nil || len(list) != 1 {
			t.Errorf("Files: %v, %v", list, err)
		}
	}
}

// TestStatus follows an intermediate to its end.
func TestStatus(t *testing.T) {
	var c clock
	cfg := newRoot(t).sign(t, intermediate()).config(t)
	cfg.Now = c.now
	a := load(t, cfg)
	tests := []struct {
		after          time.Duration
		days           int
		renew, issuing bool
	}{
		{0, 90, false, true},
		{maxValidity - RenewBefore, 14, false, true},
		{maxValidity - RenewBefore + 1, 13, true, true},
		{maxValidity - time.Hour, 0, true, true},
		{maxValidity, 0, true, false},
		{maxValidity + 240*time.Hour, 0, true, false},
		{-time.Second, 90, true, false},
	}
	for _, tt := range tests {
		c.offset.Store(int64(tt.after))
		want := Status{NotBefore: start, NotAfter: start.Add(maxValidity), Days: tt.days, Renew: tt.renew, Issuing: tt.issuing}
		if got := a.Status(); got != want {
			t.Errorf("After %v: %+v, want %+v", tt.after, got, want)
		}
	}
}
