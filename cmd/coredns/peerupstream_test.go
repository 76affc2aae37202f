//go:build unix

package main

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// aliases are the questions whose answers lead to a listed name, and how.
var aliases = []struct {
	how, name string
	qtype     uint16
}{
	{"CNAME", "badalias.signed.example.", dns.TypeA},
	{"CNAME, asked for another type", "badalias.signed.example.", dns.TypeTXT},
	{"CNAME of an unsigned zone", "badalias.unsigned.example.", dns.TypeAAAA},
	{"CNAME to a CNAME", "chain.signed.example.", dns.TypeA},
	{"DNAME", "www.badtree.signed.example.", dns.TypeA},
	{"HTTPS", "badsvc.signed.example.", dns.TypeHTTPS},
	{"HTTPS, alias", "badmoved.signed.example.", dns.TypeHTTPS},
	{"SVCB", "_bad._tcp.signed.example.", dns.TypeSVCB},
}

// straight are questions whose answers do not, signed and unsigned ones, and
// proofs that there is nothing.
var straight = []dns.Question{
	{Name: "www.signed.example.", Qtype: dns.TypeA},
	{Name: "TeXt.SiGned.eXample.", Qtype: dns.TypeTXT},
	{Name: "alias.signed.example.", Qtype: dns.TypeA},
	{Name: "far.signed.example.", Qtype: dns.TypeA},
	{Name: "x.tree.signed.example.", Qtype: dns.TypeA},
	{Name: "svc.signed.example.", Qtype: dns.TypeHTTPS},
	{Name: "moved.signed.example.", Qtype: dns.TypeHTTPS},
	{Name: "_dns._tcp.signed.example.", Qtype: dns.TypeSVCB},
	{Name: "none.signed.example.", Qtype: dns.TypeA},
	{Name: "www.signed.example.", Qtype: dns.TypeAAAA},
	{Name: "signed.example.", Qtype: dns.TypeDS},
	{Name: "unsigned.example.", Qtype: dns.TypeDS},
	{Name: "signed.example.", Qtype: dns.TypeDNSKEY},
	{Name: ".", Qtype: dns.TypeNS},
	{Name: "www.unsigned.example.", Qtype: dns.TypeA},
}

// TestSignedUpstream asks through the resolver what a server of signed zones and a
// validating resolver answer. What leads to a listed name is denied under the name
// that was asked for, whatever the flags; the rest arrives as it was signed.
func TestSignedUpstream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	results := &table{}
	defer results.log(t)
	for name, upstream := range map[string]*peer{"Knot DNS": w.peer, "Unbound, validating": newUnbound(t, w.addr(), w.anchor)} {
		ours := newFilter(t, upstream.addr(), "")
		for _, q := range aliases {
			err := eachFlag(q.name, q.qtype, ours.deniesAlias)
			results.judge(t, name, q.how, "denied", err)
		}
		for _, q := range straight {
			err := eachFlag(q.Name, q.Qtype, func(m *dns.Msg) error { return sameRecords(upstream, ours.peer, m) })
			results.judge(t, name, q.Name+" "+dns.TypeToString[q.Qtype], "the same records", err)
		}
	}
}

// eachFlag checks a query without EDNS, with it, and with DO and CD.
func eachFlag(name string, qtype uint16, check func(*dns.Msg) error) error {
	for _, m := range everyFlag(name, qtype) {
		if err := check(m); err != nil {
			return err
		}
	}
	return nil
}

// deniesAlias asks one query and returns why its answer is no denial of a name
// that nobody listed: one without data, unsigned, for the name itself.
func (f filter) deniesAlias(m *dns.Msg) error {
	reply, err := f.ask(m, "udp")
	if err != nil {
		return err
	}
	facts := describe(reply)
	switch {
	case reply.Rcode != dns.RcodeSuccess || len(reply.Answer) > 0 || len(reply.Ns) != 1 || reply.AuthenticatedData || reply.Truncated:
		return fmt.Errorf("got %v", reply)
	case !strings.HasSuffix(m.Question[0].Name, facts["soa"]) || facts["soa"] == "":
		return fmt.Errorf("the SOA record is of %q", facts["soa"])
	case m.IsEdns0() != nil && (facts["ede"] != "17" || facts["do"] != fmt.Sprint(m.IsEdns0().Do())):
		return fmt.Errorf("got %v", reply)
	}
	return proper(reply, m)
}

// sameRecords asks a server and us in front of it, and returns how our records
// differ from its in anything but the time to live and the order.
func sameRecords(server, ours *peer, m *dns.Msg) error {
	want, err := server.ask(m, "tcp")
	if err != nil {
		return err
	}
	got, err := ours.ask(m, "tcp")
	if err != nil {
		return err
	}
	if got.Rcode != want.Rcode || got.AuthenticatedData != want.AuthenticatedData || got.CheckingDisabled != want.CheckingDisabled {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	for _, section := range [][2][]dns.RR{{got.Answer, want.Answer}, {got.Ns, want.Ns}, {got.Extra, want.Extra}} {
		g, err := wires(section[0])
		if err != nil {
			return err
		}
		w, err := wires(section[1])
		if err != nil {
			return err
		}
		if !slices.Equal(g, w) {
			return fmt.Errorf("got %v, want %v", got, want)
		}
	}
	return nil
}

// wires returns records as they are on the wire, without their times to live, in
// order. The OPT record is between neighbours.
func wires(rrs []dns.RR) ([]string, error) {
	var all []string
	for _, rr := range rrs {
		if rr.Header().Rrtype == dns.TypeOPT {
			continue
		}
		rr = dns.Copy(rr)
		rr.Header().Ttl = 0
		b := make([]byte, dns.Len(rr)+1)
		n, err := dns.PackRR(rr, b, 0, nil, false)
		if err != nil {
			return nil, err
		}
		all = append(all, hex.EncodeToString(b[:n]))
	}
	slices.Sort(all)
	return all, nil
}

// TestValidatingClient has delv, which does all the checking itself, look at what
// comes through: answers and their absence are fully validated, what lies in the
// unsigned zone is shown not to be signed, and denials are no proof.
func TestValidatingClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ours := newFilter(t, w.addr(), "")
	anchors := w.write("anchors", w.trustAnchors())
	results := &table{}
	defer results.log(t)
	for _, tt := range []struct{ name, qtype, want string }{
		{"www.signed.example", "A", "; fully validated"},
		{"alias.signed.example", "A", "; fully validated"},
		{"svc.signed.example", "HTTPS", "; fully validated"},
		{"none.signed.example", "A", "; negative response, fully validated"},
		{"www.unsigned.example", "A", "; unsigned answer"},
		{"www.bad.signed.example", "A", ";; resolution failed: "},
		{"bad.example", "A", ";; resolution failed: "},
		{"badalias.signed.example", "A", ";; resolution failed: "},
		{"bad.unsigned.example", "A", ";; resolution failed: "},
	} {
		args := fmt.Sprintf("@127.0.0.1 -p %s -a %s +root=. %s %s", ours.peer.port, anchors, tt.name, tt.qtype)
		out := stub(t, clientQuestion{name: "delv", args: args}, "")
		if !strings.Contains(out, tt.want) || strings.Contains(out, badAddress) {
			t.Errorf("%s: %q is not in\n%s", tt.name, tt.want, out)
		}
		results.add("delv", tt.name+" "+tt.qtype, lineWith(out, tt.want))
	}
}

// lineWith returns the first line that holds a text.
func lineWith(out, text string) string {
	for line := range strings.Lines(out) {
		if strings.Contains(line, text) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
