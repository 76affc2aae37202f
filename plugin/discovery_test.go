package nonudify

import (
	"crypto/tls"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/coredns/coredns/core/dnsserver"
)

// TestAdmits: a listener that wants a certificate of its clients is not for all.
func TestAdmits(t *testing.T) {
	for auth, want := range map[tls.ClientAuthType]bool{
		tls.NoClientCert: true, tls.RequestClientCert: true, tls.VerifyClientCertIfGiven: true,
		tls.RequireAnyClientCert: false, tls.RequireAndVerifyClientCert: false,
	} {
		c := &dnsserver.Config{TLSConfig: &tls.Config{ClientAuth: auth}}
		if admits(c) != want {
			t.Errorf("%v: %v", auth, !want)
		}
		if c.ViewName = "some"; admits(c) {
			t.Errorf("%v: a view is for all", auth)
		}
	}
	if admits(&dnsserver.Config{}) {
		t.Error("A listener without a certificate is told")
	}
}

// TestHints: an address that only this machine or one link knows is told to
// nobody else.
func TestHints(t *testing.T) {
	for hosts, want := range map[string]string{
		"":                         "",
		"192.0.2.1 ":               "", // to all
		"192.0.2.1 0.0.0.0":        "",
		"127.0.0.1 192.0.2.1":      "192.0.2.1",
		"127.0.0.1 ::1":            "127.0.0.1 ::1",
		"fe80::1%eth0 2001:db8::1": "2001:db8::1",
		"fe80::1%eth0":             "",
	} {
		c := &dnsserver.Config{Transport: "tls", Port: "853", ListenHosts: strings.Split(hosts, " ")}
		got, _ := listenerOf(c, &dnsserver.Config{ListenHosts: []string{"127.0.0.1"}}, "dot")
		if text := sprint(got.Addresses); text != want {
			t.Errorf("%q: got %q, want %q", hosts, text, want)
		}
	}
}

func sprint(all []netip.Addr) string {
	texts := make([]string, len(all))
	for i, a := range all {
		texts[i] = a.String()
	}
	return strings.Join(texts, " ")
}

// TestNear: what listens on all addresses listens on each.
func TestNear(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"", "127.0.0.1", true}, {"192.0.2.1", "0.0.0.0", true}, {"192.0.2.1 192.0.2.2", "192.0.2.2", true}, {"192.0.2.1", "192.0.2.2", false},
	} {
		a, b := &dnsserver.Config{ListenHosts: strings.Split(tt.a, " ")}, &dnsserver.Config{ListenHosts: strings.Split(tt.b, " ")}
		if got := []bool{near(a, b), near(b, a)}; !slices.Equal(got, []bool{tt.want, tt.want}) {
			t.Errorf("%q and %q: %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}
