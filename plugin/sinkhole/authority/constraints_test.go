package authority

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"testing"
)

// TestConstraints is the rule, point by point.
func TestConstraints(t *testing.T) {
	root := newRoot(t)
	half := func(cidr string) *net.IPNet {
		_, n, err := net.ParseCIDR(cidr)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	tests := []struct {
		name   string
		change func(*x509.Certificate)
		want   string
	}{
		{"names excluded", func(*x509.Certificate) {}, ""},
		{"names permitted", func(c *x509.Certificate) {
			c.ExcludedDNSDomains, c.PermittedDNSDomains = nil, []string{"badsite.example", ".site.co.uk"}
		}, ""},
		{"names permitted and excluded", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"badsite.example"} }, ""},
		{"empty e-mail excluded", func(c *x509.Certificate) {
			c.PermittedEmailAddresses, c.ExcludedEmailAddresses = nil, []string{""}
		}, ""},
		{"a mailbox that cannot be", func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"nobody@no.INVALID"} }, ""},
		{"not critical", func(c *x509.Certificate) { c.PermittedDNSDomainsCritical = false }, "not critical"},
		{"IPv4 free", func(c *x509.Certificate) { c.ExcludedIPRanges = everyAddress()[1:] }, "all addresses"},
		{"IPv6 free", func(c *x509.Certificate) { c.ExcludedIPRanges = everyAddress()[:1] }, "all addresses"},
		{"half of IPv4 free", func(c *x509.Certificate) {
			c.ExcludedIPRanges = []*net.IPNet{half("0.0.0.0/1"), half("::/0")}
		}, "all addresses"},
		{"e-mail free", func(c *x509.Certificate) { c.PermittedEmailAddresses = nil }, "all e-mail"},
		{"one domain of e-mail excluded", func(c *x509.Certificate) {
			c.PermittedEmailAddresses, c.ExcludedEmailAddresses = nil, []string{"school.example"}
		}, "all e-mail"},
		{"some e-mail permitted", func(c *x509.Certificate) {
			c.PermittedEmailAddresses = []string{".invalid", "school.example"}
		}, "all e-mail"},
		{"names free", func(c *x509.Certificate) { c.ExcludedDNSDomains = nil }, "no constraint on DNS names"},
		{"all names excluded", func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{""} }, "excludes every DNS name"},
		{"all names permitted", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{""} }, `permits ""`},
		{"a top-level domain permitted", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"badsite.example", "COM"} }, `permits "COM"`},
		{"a public suffix permitted", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{".co.uk"} }, `permits ".co.uk"`},
		{"permitted names leave addresses free", func(c *x509.Certificate) {
			c.ExcludedDNSDomains, c.PermittedDNSDomains, c.ExcludedIPRanges = nil, []string{"badsite.example"}, nil
		}, "all addresses"},
		{"directory names", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{directoryConstraint(t)}
		}, "of a kind that is not understood"},
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

// directoryConstraint permits an empty directory name.
func directoryConstraint(t *testing.T) pkix.Extension {
	t.Helper()
	subtree := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: []byte{0x30, 0}}
	value, err := asn1.Marshal(struct {
		Permitted []struct{ Base asn1.RawValue } `asn1:"tag:0"`
	}{[]struct{ Base asn1.RawValue }{{subtree}}})
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: oidConstraints, Critical: true, Value: value}
}

// TestPermits: what we think of a name is what clients think of it.
func TestPermits(t *testing.T) {
	root := newRoot(t)
	sets := [][2][]string{ // permitted, excluded
		{nil, {"school.example"}},
		{nil, {".school.example"}},
		{nil, {"SCHOOL.example", "a-a.example", "a.a.example"}},
		{{"badsite.example"}, nil},
		{{".badsite.example"}, nil},
		{{"badsite.example", "Worse.example"}, {"www.badsite.example"}},
		{{"b.a.example", "a.example"}, {".b.a.example"}},
	}
	names := []string{
		"school.example", "www.school.example", "aschool.example", "school.example.test",
		"badsite.example", "www.badsite.example", "a.www.badsite.example", "worse.example", "x-badsite.example",
		"a-a.example", "a.a.example", "b.a-a.example", "a.example", "b.a.example", "c.b.a.example", "under_score.badsite.example",
	}
	allowed := 0
	for _, set := range sets {
		template := intermediate()
		template.PermittedDNSDomains, template.ExcludedDNSDomains = set[0], set[1]
		page := root.sign(t, template)
		a := load(t, page.config(t))
		for _, name := range names {
			l := a.plan(a.now())
			der, err := a.sign(name, l.notBefore, l.notAfter)
			if err != nil {
				t.Fatal(err)
			}
			want := a.chain.verify(der, a.now()) == nil
			if got := a.chain.permits(name); got != want {
				t.Errorf("Permitted %q, excluded %q: %s is permitted %v, to clients %v", set[0], set[1], name, got, want)
			}
			if want {
				allowed++
			}
		}
	}
	if allowed == 0 || allowed == len(sets)*len(names) {
		t.Errorf("%d names are permitted: nothing was told apart", allowed)
	}
}

// TestPermitsChain: a constraint further up the chain counts as well.
func TestPermitsChain(t *testing.T) {
	root := newRoot(t)
	upper := intermediate()
	upper.Subject.CommonName, upper.MaxPathLenZero, upper.MaxPathLen = "upper", false, 1
	upper.ExcludedDNSDomains = []string{"listed.example"}
	above := root.sign(t, upper)
	a := load(t, above.sign(t, intermediate()).config(t, above.cert))
	cert, err := get(a, "badsite.example")
	if err != nil {
		t.Fatal(err)
	}
	if accept(t, root.cert, cert, "badsite.example", a.now()); len(cert.Certificate) != 3 {
		t.Errorf("%d certificates are sent, want 3", len(cert.Certificate))
	}
	if _, err := get(a, "listed.example"); err != ErrExcluded {
		t.Errorf("A name that only the upper one excludes: %v", err)
	}
}
