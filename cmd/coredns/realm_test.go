package main

import (
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/packettest"
)

// realm is what the tests of random questions list, and a naive twin of the
// filter: rules are looked up by the lower-case name on the wire.
type realm struct {
	subtree, exact, below, pass, allow []string

	rules map[string]string // name on the wire: what the rule is
}

// hasHosts reports whether names of a class are judged.
func hasHosts(class uint16) bool { return class == dns.ClassINET || class == dns.ClassANY }

func newRealm() *realm {
	w := &realm{
		subtree: []string{"badsite.example", "of.a.listed.tree.example", "xn--bdsite-gva.example", strings.Repeat("ab.", 78) + "longest.example"},
		exact:   []string{"exact.example", "both.example"},
		below:   []string{"below.example", "both.example"},
		pass:    []string{"ok.both.example"},
		allow:   []string{"fine.badsite.example"},
		rules:   map[string]string{},
	}
	for kind, names := range map[string][]string{"subtree ": w.subtree, "exact ": w.exact, "below ": w.below, "pass ": w.pass, "allow ": w.allow} {
		for _, name := range names {
			w.rules[string(packettest.Name(name))] += kind
		}
	}
	return w
}

// names returns the names of all rules on the wire.
func (w *realm) names() (names [][]byte) {
	for _, list := range [][]string{w.subtree, w.exact, w.below, w.pass, w.allow} {
		for _, name := range list {
			names = append(names, packettest.Name(name))
		}
	}
	return names
}

// directive writes the lists into a folder and returns the directive for them.
func (w *realm) directive(t *testing.T) string {
	t.Helper()
	zone := []string{"$TTL 60", "@ SOA localhost. hostmaster.example.org. 7 300 120 2592000 60", " NS localhost."}
	for form, names := range map[string][]string{"%s CNAME .": w.exact, "*.%s CNAME .": w.below, "%s CNAME rpz-passthru.": w.pass} {
		for _, name := range names {
			zone = append(zone, fmt.Sprintf(form, name))
		}
	}
	dir := t.TempDir()
	for name, lines := range map[string][]string{"list.txt": w.subtree, "list.rpz": zone} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("nonudify {\n list %s/list.txt\n list %s/list.rpz name zone\n allow %s\n}\n", dir, dir, strings.Join(w.allow, " "))
}

// allowed reports whether the operator lets a name pass, whatever it leads to.
func (w *realm) allowed(name []byte) bool {
	for name = packettest.Lower(name); len(name) > 1; name = name[1+int(name[0]):] {
		if strings.Contains(w.rules[string(name)], "allow") {
			return true
		}
	}
	return false
}

// rcode returns the response code of the denial of a name on the wire, and
// whether the name is denied.
func (w *realm) rcode(name []byte) (rcode int, denied bool) {
	name = packettest.Lower(name)
	whole := w.rules[string(name)]
	if w.allowed(name) || strings.Contains(whole, "pass") {
		return 0, false
	}
	if strings.Contains(whole, "exact") {
		return dns.RcodeSuccess, true
	}
	for at := 0; len(name)-at > 1; at += 1 + int(name[at]) {
		rule := w.rules[string(name[at:])]
		if strings.Contains(rule, "subtree") || at > 0 && strings.Contains(rule, "below") {
			return w.denial(name), true
		}
	}
	return 0, false
}

// denial returns the response code for a name that is denied with all that is
// below it, but for what is allowed there.
func (w *realm) denial(name []byte) int {
	for _, allow := range w.allow {
		if strings.HasSuffix(string(packettest.Name(allow)), string(name)) {
			return dns.RcodeSuccess
		}
	}
	return dns.RcodeNameError
}

// oracle is an upstream that answers every question, as a function of the
// question and of the room that there is: all response codes, chains of
// aliases, records of unknown types, answers that lead to listed names.
type oracle struct {
	addr  string
	realm *realm // nil: it may be asked for anything

	mu    sync.Mutex
	asked int
	leaks []string // names that it should not have been asked for
}

func newOracle(t *testing.T, w *realm) *oracle {
	t.Helper()
	o := &oracle{realm: w}
	o.addr = serveBoth(t, o)
	return o
}

func (o *oracle) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	o.hear(r)
	m := foretell(r)
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		size := dns.MinMsgSize
		if o := r.IsEdns0(); o != nil {
			size = max(size, int(o.UDPSize()))
		}
		m.Truncate(size)
	}
	w.WriteMsg(m)
}

func (o *oracle) hear(r *dns.Msg) {
	q, denied := r.Question[0], false
	if o.realm != nil && r.Opcode == dns.OpcodeQuery && hasHosts(q.Qclass) {
		_, denied = o.realm.rcode(packettest.FromText(q.Name))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	if denied {
		o.leaks = append(o.leaks, q.Name)
	}
}

// heard returns how many questions there were, and the names that were denied
// to whoever asked for them.
func (o *oracle) heard() (int, []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked, o.leaks
}

// manner is a way of answering: it fills in the reply. The number differs from
// question to question.
type manner func(m *dns.Msg, n int)

// manners are all of them, and cloaks those that lead to a listed name.
var (
	manners = []manner{
		plain, plain, plain, plain, plain, chain, chain, renamed, absent, absent, empty, silent, failing, failing, large,
		explained, extended, referred, signed, strange, neighbourly,
	}
	cloaks = []manner{
		cloaked("CNAME www.BadSite.example."),
		cloaked("HTTPS 1 . alpn=h2", "SVCB 0 badsite.example."),
		cloaked("DNAME badsite.example."),
		cloaked("CNAME cdn.test.", "cdn.test.: CNAME a.of.a.listed.tree.example."),
		cloaked("HTTPS 1 x.below.example. alpn=h2"), // from here on the list is the zone
		cloaked("A 192.0.2.1", "+cdn.test.: CNAME both.example."),
	}
)

// cloakShare is one of how many questions is answered with something listed.
const cloakShare = 12

// foretell returns the reply to a query.
func foretell(r *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(r)
	m.RecursionAvailable = true
	q := r.Question[0]
	n := number(q)
	if way := n % cloakShare; way == 0 {
		cloaks[n/cloakShare%len(cloaks)](m, n)
	} else {
		manners[n/cloakShare%len(manners)](m, n/1000)
	}
	if m.Rcode > 15 && r.IsEdns0() == nil { // no server has room for it
		m.Rcode = dns.RcodeRefused
	}
	m.Compress = n%3 == 0
	return m
}

// number returns one that stands for a question, in any letter case.
func number(q dns.Question) int {
	h := fnv.New64a()
	h.Write([]byte(strings.ToLower(q.Name)))
	h.Write(packettest.Octets(q.Qtype, q.Qclass))
	return int(h.Sum64() >> 8 % (1 << 31))
}

// leads reports whether the answer to a question of class IN leads to a listed
// name. The minimal plugin takes
// the additional section off an answer, but not off one of a name that does not
// exist.
func (w *realm) leads(q dns.Question, minimal bool) bool {
	name, n := packettest.FromText(q.Name), number(q)
	if n%cloakShare > 0 || q.Qtype == dns.TypeAXFR || q.Qtype == dns.TypeIXFR || w.allowed(name) {
		return false
	}
	excepted := strings.Contains(w.rules[string(packettest.Lower(name))], "pass") // from the zone
	which := n / cloakShare % len(cloaks)
	return !(excepted && which >= 4 || minimal && which == 5 && !dangling(n))
}

// lasting is the time to live of most records, in seconds: longer than any test.
const lasting = 86400

// header returns the header of a record of the name that is asked for.
func header(m *dns.Msg, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: m.Question[0].Name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: lasting}
}

// parsed holds the records that were read from text.
var parsed sync.Map

// record returns one of the name that is asked for, from its type and data.
func record(m *dns.Msg, text string) dns.RR { return recordOf(m.Question[0].Name, text) }

// recordOf returns one of any name.
func recordOf(owner, text string) dns.RR {
	first, known := parsed.Load(text)
	if !known {
		rr, err := dns.NewRR(fmt.Sprintf(". %d %s", lasting, text))
		if err != nil {
			panic(err) // the texts are in this file
		}
		first, _ = parsed.LoadOrStore(text, rr)
	}
	rr := dns.Copy(first.(dns.RR))
	rr.Header().Name = owner
	return rr
}

// plain answers with records of the type that is asked for, if it has any.
func plain(m *dns.Msg, n int) {
	qtype := m.Question[0].Qtype
	for i := range 1 + n%4 {
		switch {
		case qtype == dns.TypeA:
			m.Answer = append(m.Answer, &dns.A{Hdr: header(m, qtype), A: net.IPv4(192, 0, 2, byte(n+i))})
		case qtype == dns.TypeAAAA:
			m.Answer = append(m.Answer, &dns.AAAA{Hdr: header(m, qtype), AAAA: net.IP{0x20, 1, 0xd, 0xb8, 15: byte(n + i)}})
		case qtype == dns.TypeTXT:
			m.Answer = append(m.Answer, &dns.TXT{Hdr: header(m, qtype), Txt: []string{fmt.Sprint("text ", n, i)}})
		case texts[qtype] != "" && i == 0:
			m.Answer = append(m.Answer, record(m, texts[qtype]))
		case qtype > 300 && dns.TypeToString[qtype] == "":
			m.Answer = append(m.Answer, &dns.RFC3597{Hdr: header(m, qtype), Rdata: fmt.Sprintf("%08x", n+i)})
		}
	}
}

// texts are records of further types.
var texts = map[uint16]string{
	dns.TypeHTTPS: `HTTPS 1 . alpn="h2,h3" ipv4hint=192.0.2.7 ech=AEX+DQ==`,
	dns.TypeSVCB:  "SVCB 1 svc.test. port=8443 key65333=xyz",
	dns.TypeMX:    "MX 10 mail.badsite.example.",
	dns.TypeNS:    "NS ns.badsite.example.",
	dns.TypeSOA:   "SOA badsite.example. hostmaster.test. 1 2 3 4 5",
	dns.TypeSRV:   "SRV 1 2 443 badsite.example.",
	dns.TypePTR:   "PTR badsite.example.",
	dns.TypeDS:    "DS 1 13 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF",
	dns.TypeCAA:   `CAA 0 issue "ca.test"`,
	dns.TypeCNAME: "CNAME cdn.test.",
	dns.TypeDNAME: "DNAME new.test.",
	dns.TypeANY:   `HINFO "RFC8482" ""`,
}

func chain(m *dns.Msg, n int) {
	target := fmt.Sprintf("c%d.cdn.test.", n%9)
	m.Answer = []dns.RR{record(m, "CNAME "+target)}
	for i := range n % 5 {
		next := fmt.Sprintf("d%d.cdn.test.", i)
		m.Answer = append(m.Answer, recordOf(target, "CNAME "+next))
		target = next
	}
	if m.Question[0].Qtype == dns.TypeA {
		m.Answer = append(m.Answer, recordOf(target, "A 192.0.2.80"))
	}
	if n%7 == 0 { // a loop
		m.Answer = append(m.Answer, recordOf(target, fmt.Sprintf("CNAME c%d.cdn.test.", n%9)))
	}
}

func renamed(m *dns.Msg, n int) {
	m.Answer = []dns.RR{recordOf("test.", "DNAME new.example."), record(m, fmt.Sprintf("CNAME a%d.new.example.", n%9))}
}

func soa(m *dns.Msg) { m.Ns = []dns.RR{recordOf("test.", "SOA ns.test. hostmaster.test. 1 2 3 4 5")} }

func absent(m *dns.Msg, n int) {
	m.Rcode = dns.RcodeNameError
	if n%6 > 0 {
		soa(m)
	}
	if n%5 == 0 {
		m.Answer = []dns.RR{record(m, "CNAME gone.test.")}
	}
}

func empty(m *dns.Msg, _ int) { soa(m) }

func silent(*dns.Msg, int) {}

func failing(m *dns.Msg, n int) { m.Rcode = 1 + n%15 }

func large(m *dns.Msg, n int) {
	for i := range 1 + n%20 {
		m.Answer = append(m.Answer, &dns.TXT{Hdr: header(m, dns.TypeTXT), Txt: []string{strings.Repeat(string(rune('a'+i)), 250)}})
	}
}

// explained has an extended error and an option that nobody knows.
func explained(m *dns.Msg, n int) {
	failing(m, n%4)
	m.SetEdns0(1232, n%2 == 0)
	o := m.IsEdns0()
	o.Option = append(o.Option, &dns.EDNS0_EDE{InfoCode: uint16(n % 30), ExtraText: "as you like"}, &dns.EDNS0_LOCAL{Code: 65001, Data: []byte("odd")})
}

// extended has a response code of more than four bits, an OPT record of a
// version that there is not, and sometimes a second one.
func extended(m *dns.Msg, n int) {
	m.SetEdns0(uint16(n), false)
	m.Rcode = dns.RcodeBadCookie
	if n%2 == 0 {
		m.Rcode = dns.RcodeSuccess
		m.IsEdns0().SetVersion(7)
		plain(m, n)
	}
	if n%5 == 0 {
		m.Extra = append(m.Extra, dns.Copy(m.Extra[0]))
	}
}

func referred(m *dns.Msg, _ int) {
	m.Authoritative = true
	m.Ns = []dns.RR{recordOf("test.", "NS ns.badsite.example."), recordOf("test.", "CNAME badsite.example.")}
	m.Extra = []dns.RR{recordOf("ns.badsite.example.", "A 192.0.2.2")}
}

func signed(m *dns.Msg, n int) {
	plain(m, n)
	m.AuthenticatedData = n%2 == 0
	m.Answer = append(m.Answer, record(m, "RRSIG A 13 2 300 20300101000000 20200101000000 1 badsite.example. AAAA"))
	m.Ns = []dns.RR{recordOf("x.test.", "NSEC badsite.example. A RRSIG NSEC")}
}

// strange has records of a class and of types that nobody asked for.
func strange(m *dns.Msg, n int) {
	plain(m, n)
	m.Answer = append(m.Answer, recordOf("x.test.", "CH CNAME badsite.example."), record(m, `TYPE65400 \# 4 01020304`), record(m, `NULL \# 3 010203`))
	m.Zero, m.Authoritative = n%2 == 0, n%3 == 0
}

// neighbourly is an answer at the address that the listed site has, too.
func neighbourly(m *dns.Msg, _ int) {
	m.Answer = []dns.RR{record(m, "CNAME notbadsite.example."), recordOf("notbadsite.example.", "A 192.0.2.1"), recordOf("notbadsite.example.", "HTTPS 1 . ipv4hint=192.0.2.1")}
	m.Extra = []dns.RR{recordOf("badsite.example.", "A 192.0.2.1")}
}

// dangling reports whether an answer that leads to a listed name says that there
// is no such name.
func dangling(n int) bool { return n/100%4 == 0 }

// cloaked answers with these records of the name that is asked for, or of the
// one in front; "+" is for the additional section.
func cloaked(rrs ...string) manner {
	return func(m *dns.Msg, n int) {
		if dangling(n) {
			m.Rcode = dns.RcodeNameError
		}
		for _, text := range rrs {
			owner, data, other := strings.Cut(text, ": ")
			switch {
			case !other:
				m.Answer = append(m.Answer, record(m, text))
			case owner[0] == '+':
				m.Extra = append(m.Extra, recordOf(owner[1:], data))
			default:
				m.Answer = append(m.Answer, recordOf(owner, data))
			}
		}
	}
}
