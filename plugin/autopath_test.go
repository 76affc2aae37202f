package nonudify

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	_ "github.com/coredns/coredns/plugin/autopath"
	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"
)

// autopath returns that plugin with a search path in front of another handler. It
// is not in our resolver, but a CoreDNS that somebody else builds may have it.
func autopath(t *testing.T, next plugin.Handler, search string) plugin.Handler {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("search "+search+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	setup, err := caddy.DirectiveAction("dns", "autopath")
	if err != nil {
		t.Fatal(err)
	}
	c := caddy.NewTestController("dns", "autopath . "+path)
	if err := setup(c); err != nil {
		t.Fatal(err)
	}
	return dnsserver.GetConfig(c).Plugin[0](next)
}

// existing answers for names of the zone b.test and for one other, and NXDOMAIN
// for the rest.
func existing() plugin.Handler {
	return plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
		m, name := new(dns.Msg).SetReply(r), r.Question[0].Name
		m.Rcode = dns.RcodeNameError
		if dns.IsSubDomain("b.test.", name) || name == "www.good.example." {
			m.Rcode = dns.RcodeSuccess
			m.Answer = []dns.RR{test.A(name + " 60 IN A 192.0.2.1")}
		}
		return dns.RcodeSuccess, w.WriteMsg(m)
	})
}

// TestAutopath: autopath tries one name of a search path after the other, as the
// client would, and every one is judged. So a denial with NXDOMAIN is not the end
// of the search, but the name that is denied is never what is found; NODATA and a
// sinkhole are the end.
func TestAutopath(t *testing.T) {
	tests := []struct {
		name, config, search, qname string
		rcode, answers              int
		filtered                    bool // an extended error tells of the filter
	}{
		{"nothing listed", "block badsite.example", "a.test b.test", "www.good.example.a.test.", dns.RcodeSuccess, 2, false},
		{"listed below the search path", "block x.a.test", "a.test b.test", "x.a.test.", dns.RcodeSuccess, 2, false},
		{"all of it listed", "block x.a.test x.b.test", "a.test b.test", "x.a.test.", dns.RcodeNameError, 0, true},
		{"the name itself", "block badsite.example", "a.test", "www.badsite.example.a.test.", dns.RcodeNameError, 0, false},
		{"by NODATA", "block badsite.example\naction nodata", "a.test", "www.badsite.example.a.test.", dns.RcodeSuccess, 0, true},
		{"to a sinkhole", "block badsite.example\naction sinkhole 203.0.113.7", "a.test", "www.badsite.example.a.test.", dns.RcodeSuccess, 2, true},
		{"outside of the search path", "block badsite.example", "a.test", "www.badsite.example.", dns.RcodeNameError, 0, true},
	}
	for _, tt := range tests {
		n := handler(t, tt.config)
		n.Next = existing()
		w := newWriter()
		q := new(dns.Msg).SetQuestion(tt.qname, dns.TypeA).SetEdns0(1232, false)
		if _, err := autopath(t, n, tt.search).ServeDNS(t.Context(), w, q); err != nil || len(w.messages) != 1 {
			t.Errorf("%s: %d messages, %v", tt.name, len(w.messages), err)
			continue
		}
		m := w.messages[0]
		o := m.IsEdns0()
		if m.Rcode != tt.rcode || len(m.Answer) != tt.answers || (o != nil && len(o.Option) != 0) != tt.filtered {
			t.Errorf("%s:\n%v", tt.name, m)
		}
	}
}
