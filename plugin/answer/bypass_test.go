package answer

import (
	"testing"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// closed blocks a way round the filter by a subtree rule with two labels.
func closed(k policy.Bypass) policy.Verdict {
	v := verdict(policy.Blocked)
	v.Bypass = k
	return v
}

// TestBypass: whatever is done with listed names, a way round the filter is denied,
// and nothing is said of such sites.
func TestBypass(t *testing.T) {
	const sentence = "This network answers DNS itself."
	plain := map[string]string{noEDNS: "", edns: sentence}
	full := map[string]string{noEDNS: "", edns: sentence,
		sde: `{"c":["mailto:dns-filter@isp.example","tel:+1-555-0100"],"s":5,"j":"This network answers DNS itself.","o":"Example ISP","l":"en"}`}
	bare := map[string]string{sde: `{"s":5,"j":"This network answers DNS itself.","l":"en"}`}
	for name, tt := range map[string]struct {
		config Config
		texts  []map[string]string
	}{
		"defaults": {Config{}, []map[string]string{plain, bare}},
		"nxdomain": {isp, []map[string]string{full}},
		"nodata":   {with(isp, func(c *Config) { c.Action = NoData }), []map[string]string{full}},
		"sinkhole": {page, []map[string]string{full}},
	} {
		a := mustNew(t, tt.config)
		for _, texts := range tt.texts {
			for client, text := range texts {
				checkBypass(t, name, a, client, text)
			}
		}
	}
}

func checkBypass(t *testing.T, config string, a *Answerer, client, text string) {
	t.Helper()
	for _, k := range []policy.Bypass{policy.Canary, policy.PrivateRelay, policy.DoH} {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeTXT, dns.TypeANY} {
			r := request(query("WWW.Bad.example.", qtype, client))
			m, _ := sent(t, r, a.Reply(r, closed(k)))
			if m.Rcode != dns.RcodeNameError || len(m.Answer) > 0 || len(m.Ns) != 1 || m.Ns[0].Header().Name != "Bad.example." {
				t.Errorf("%s, %v, %v for a client with %s:\n%v", config, k, dns.Type(qtype), client, m)
			}
			if got, code := errorOf(m); got != text || code != 0 && code != dns.ExtendedErrorCodeBlocked {
				t.Errorf("%s, %v for a client with %s: error %d %q, want %q", config, k, client, code, got, text)
			}
		}
	}
}

// errorOf returns the extended error of a reply.
func errorOf(m *dns.Msg) (text string, code uint16) {
	if o := m.IsEdns0(); o != nil {
		for _, option := range o.Option {
			if e, ok := option.(*dns.EDNS0_EDE); ok {
				return e.ExtraText, e.InfoCode
			}
		}
	}
	return "", 0
}

// TestBypassNoData: NXDOMAIN would deny what is below as well (RFC 8020 §2).
func TestBypassNoData(t *testing.T) {
	open, exact := closed(policy.DoH), closed(policy.DoH)
	open.Open, exact.Trigger = true, rule.Exact
	for _, v := range []policy.Verdict{open, exact} {
		for _, a := range []*Answerer{mustNew(t, isp), mustNew(t, page)} {
			m := a.Reply(request(query("www.bad.example.", dns.TypeA, edns)), v)
			if _, code := errorOf(m); m.Rcode != dns.RcodeSuccess || len(m.Answer) > 0 || len(m.Ns) != 1 || code != dns.ExtendedErrorCodeBlocked {
				t.Errorf("%+v:\n%v", v, m)
			}
		}
	}
}

// TestBypassSize: the largest configuration still fits every client.
func TestBypassSize(t *testing.T) {
	a := mustNew(t, page)
	for _, size := range []int{512, 600, 1232} {
		r := request(query("WWW.Bad.example.", dns.TypeA, sde))
		r.Size = size
		r.Msg.IsEdns0().SetUDPSize(uint16(size))
		m, n := sent(t, r, a.Reply(r, closed(policy.DoH)))
		if _, code := errorOf(m); n > size || m.Truncated || code != dns.ExtendedErrorCodeBlocked {
			t.Errorf("%d octets for a client that takes %d, error %d", n, size, code)
		}
	}
}
