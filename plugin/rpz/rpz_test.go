package rpz_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rpz"
	"github.com/nonudify/nonudify/plugin/rule"
)

func TestParse(t *testing.T) {
	const cname = dns.TypeCNAME
	for _, tt := range []struct {
		origin, owner string
		rrtype        uint16
		target        string
		want          string
		err           error
	}{
		// The two triggers and the spellings of the two actions.
		{"rpz.example.", "bad.example.rpz.example.", cname, ".", "block exact bad.example", nil},
		{"rpz.example.", "*.bad.example.rpz.example.", cname, ".", "block below bad.example", nil},
		{"rpz.example.", "bad.example.rpz.example.", cname, "*.", "block exact bad.example", nil},
		{"rpz.example.", "*.bad.example.rpz.example.", cname, "*.", "block below bad.example", nil},
		{"rpz.example.", "ok.example.rpz.example.", cname, "rpz-passthru.", "pass exact ok.example", nil},
		{"rpz.example.", "*.ok.example.rpz.example.", cname, "RPZ-PassThru.", "pass below ok.example", nil},
		{"rpz.example.", "ok.example.rpz.example.", cname, "OK.example.", "pass exact ok.example", nil},
		{"rpz.example.", "BAD.Example.RPZ.example.", cname, ".", "block exact bad.example", nil},
		{"rpz.example.", "com.rpz.example.", cname, ".", "block exact com", nil}, // not for this package to judge

		// Owners that are relative already, and the forms of the root.
		{".", "bad.example", cname, ".", "block exact bad.example", nil},
		{"", "bad.example.", cname, ".", "block exact bad.example", nil},
		{"", "*.bad.example", cname, ".", "block below bad.example", nil},

		// The zone itself.
		{"rpz.example.", "rpz.example.", dns.TypeSOA, "", "", rpz.ErrSkip},
		{"rpz.example.", "RPZ.example.", dns.TypeNS, "", "", rpz.ErrSkip},
		{"rpz.example.", "rpz.example.", dns.TypeTXT, "", "", rpz.ErrSkip},
		{"rpz.example.", "rpz.example.", dns.TypeDNSKEY, "", "", rpz.ErrSkip},
		{"rpz.example.", "rpz.example.", dns.TypeZONEMD, "", "", rpz.ErrSkip},
		{"rpz.example.", "bad.example.rpz.example.", dns.TypeRRSIG, "", "", rpz.ErrSkip},
		{"rpz.example.", "bad.example.rpz.example.", dns.TypeNSEC, "", "", rpz.ErrSkip},
		{"rpz.example.", "_list.meta.rpz.example.", dns.TypeTXT, "", "", rpz.ErrSkip},
		{"", "_LIST.meta", dns.TypeTXT, "", "", rpz.ErrSkip},
		{"", "", dns.TypeSOA, "", "", rpz.ErrSkip},

		// Triggers that are not query names.
		{"rpz.example.", "32.1.2.0.192.rpz-ip.rpz.example.", cname, ".", "", rpz.ErrTrigger},
		{"rpz.example.", "24.0.2.0.192.rpz-client-ip.rpz.example.", cname, "rpz-drop.", "", rpz.ErrTrigger},
		{"rpz.example.", "ns.bad.example.rpz-nsdname.rpz.example.", cname, ".", "", rpz.ErrTrigger},
		{"rpz.example.", "48.zz.2.2001.RPZ-NSIP.rpz.example.", cname, ".", "", rpz.ErrTrigger},
		{"rpz.example.", "rpz-ip.rpz.example.", cname, ".", "", rpz.ErrTrigger},
		{"rpz.example.", "*.rpz.example.", cname, ".", "", rpz.ErrTrigger}, // every name
		{"rpz.example.", "rpz.example.", cname, ".", "", rpz.ErrTrigger},   // a CNAME at the apex

		// Actions that a rule does not have.
		{"rpz.example.", "bad.example.rpz.example.", cname, "rpz-drop.", "", rpz.ErrAction},
		{"rpz.example.", "bad.example.rpz.example.", cname, "rpz-tcp-only.", "", rpz.ErrAction},
		{"rpz.example.", "bad.example.rpz.example.", cname, "page.example.", "", rpz.ErrAction},
		{"rpz.example.", "bad.example.rpz.example.", cname, "*.garden.example.", "", rpz.ErrAction},
		{"rpz.example.", "bad.example.rpz.example.", cname, "rpz-passthru.rpz.example.", "", rpz.ErrAction}, // the dot was forgotten
		{"rpz.example.", "bad.example.rpz.example.", cname, "rpz-passthru", "", rpz.ErrAction},
		{"rpz.example.", "bad.example.rpz.example.", cname, "", "", rpz.ErrAction},
		{"rpz.example.", "*.ok.example.rpz.example.", cname, "*.ok.example.", "", rpz.ErrAction}, // goes to another name
		{"rpz.example.", "*.ok.example.rpz.example.", cname, "ok.example.", "", rpz.ErrAction},
		{"rpz.example.", "bad.example.rpz.example.", dns.TypeA, "", "", rpz.ErrAction},
		{"rpz.example.", "bad.example.rpz.example.", dns.TypeTXT, "", "", rpz.ErrAction},
		{"rpz.example.", "bad.example.rpz.example.", dns.TypeDNAME, ".", "", rpz.ErrAction},
		{"rpz.example.", "sub.rpz.example.", dns.TypeNS, "", "", rpz.ErrAction},

		// Owners that are no names.
		{"rpz.example.", "bad.example.", cname, ".", "", rpz.ErrOutOfZone},
		{"rpz.example.", "notrpz.example.", cname, ".", "", rpz.ErrOutOfZone},
		{"rpz.example.", "bad.xrpz.example.", cname, ".", "", rpz.ErrOutOfZone},
		{"rpz.example.", ".rpz.example.", cname, ".", "", rpz.ErrOutOfZone},
		{"rpz.example.", `bad\.rpz.example.`, cname, ".", "", dnsname.ErrEscape}, // one label, in another zone
		{"rpz.example.", `bad\.x.example.rpz.example.`, cname, ".", "", dnsname.ErrByte},
		{"rpz.example.", `\098ad.example.rpz.example.`, cname, ".", "block exact bad.example", nil},
		{"rpz.example.", "a.*.example.rpz.example.", cname, ".", "", dnsname.ErrByte},
		{"rpz.example.", "192.0.2.1.rpz.example.", cname, ".", "", dnsname.ErrAddress},
		{"rpz.example.", strings.Repeat("x", 64) + ".example.rpz.example.", cname, ".", "", dnsname.ErrLabel},
	} {
		got, err := rpz.Parse(tt.origin, tt.owner, tt.rrtype, tt.target)
		if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
			t.Errorf("Parse(%q, %q, %s, %q): error %v, want %v", tt.origin, tt.owner, dns.TypeToString[tt.rrtype], tt.target, err, tt.err)
			continue
		}
		if err == nil && got.String() != tt.want {
			t.Errorf("Parse(%q, %q, %s, %q) = %q, want %q", tt.origin, tt.owner, dns.TypeToString[tt.rrtype], tt.target, got, tt.want)
		}
		if err != nil && got != (rule.Rule{}) {
			t.Errorf("Parse(%q, %q) returns a rule beside its error: %v", tt.origin, tt.owner, got)
		}
	}
}

// FuzzRecord checks what Parse promises of any record: a rule has a canonical
// name, which is the owner's, and one of the actions; a zone's name before the
// owner changes nothing.
func FuzzRecord(f *testing.F) {
	f.Add("bad.example", uint16(dns.TypeCNAME), ".")
	f.Add("*.bad.example", uint16(dns.TypeCNAME), "*.")
	f.Add("ok.example", uint16(dns.TypeCNAME), "ok.example.")
	f.Add("32.1.2.0.192.rpz-ip", uint16(dns.TypeCNAME), "rpz-passthru.")
	f.Add(`b\.d.example`, uint16(dns.TypeCNAME), ".")
	f.Add("_list.meta", uint16(dns.TypeTXT), "")
	f.Add("xn--bcher-kva.example", uint16(dns.TypeCNAME), ".")
	f.Fuzz(func(t *testing.T, owner string, rrtype uint16, target string) {
		r, err := rpz.Parse("", owner, rrtype, target)
		if err != nil {
			if r != (rule.Rule{}) {
				t.Fatalf("a rule beside an error: %v, %v", r, err)
			}
			return
		}
		if again, err := dnsname.Parse(string(r.Name)); err != nil || again != r.Name {
			t.Fatalf("name %q is not canonical: %q, %v", r.Name, again, err)
		}
		if r.Action != rule.Block && r.Action != rule.Pass {
			t.Fatalf("action %v", r.Action)
		}
		if r.Trigger == rule.Below != strings.HasPrefix(owner, "*.") || r.Trigger == rule.Subtree {
			t.Fatalf("trigger %v of owner %q", r.Trigger, owner)
		}
		inZone, err := rpz.Parse("rpz.example.", strings.TrimSuffix(owner, ".")+".RPZ.example.", rrtype, target)
		if err != nil || inZone != r {
			t.Fatalf("with an origin: %v, %v; without: %v", inZone, err, r)
		}
	})
}
