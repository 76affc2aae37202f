//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/idna"

	"github.com/nonudify/nonudify/plugin/list"
)

// product is a program of others that uses a list that nonudify has converted.
type product struct {
	name   string
	to     string // what the list is converted to; "" if it is not
	config string // what the tool calls the product; "" if it needs no configuration
	start  func(t *testing.T, files productFiles) running
}

// productFiles is what a product is started with.
type productFiles struct {
	source   string // the list
	list     string // what it is converted to
	settings string // what convert -config says
	upstream string // who is to be asked for what is not listed
}

// running is a product that runs.
type running struct {
	// asks says what becomes of questions: passing when they were answered as the
	// upstream answers them, else the response code or address.
	asks func([]inquiry) []string
	// renew has it read the list again, or does nothing where it does so by itself;
	// nil where it would have to be started anew.
	renew func()
	// again kills it and starts it once more; nil where nothing goes on.
	again func()
	port  string
}

const passing = "passes"

// products are what is tried.
var products = []product{
	{"this resolver", "", "", startOurs},
	{"BIND", "rpz", "bind", startBIND},
	{"Unbound", "rpz", "unbound", startUnbound},
	{"Unbound zones", "unbound", "unbound-zones", startUnbound},
	{"PowerDNS", "rpz", "powerdns-lua", startPowerDNS},
	{"Knot", "rpz", "knot5", startKnotResolver},
	{"dnsmasq", "dnsmasq", "dnsmasq", startDnsmasq},
	{"dnsdist", "cdb", "dnsdist", startDnsdist},
	{"AdGuard", "adblock", "", startAdGuard},
}

// lossy is what a format cannot say of the list: what convert tells of it, and the
// kinds of names that are let through therefore.
type lossy struct {
	list.Loss
	through []string
}

var losses = map[string]lossy{
	"rpz":     {list.Loss{Unfit: copies}, []string{"253 characters"}},
	"adblock": {list.Loss{Left: copies}, []string{"block in that"}},
	"dnsmasq": {list.Loss{Left: copies, Widened: copies}, []string{"alone", "below that"}},
	"unbound": {list.Loss{Left: 2 * copies, Widened: 2 * copies}, []string{"sub-name of that", "below it but not it", "below that", "above one for sub-names"}},
	"cdb":     {list.Loss{Left: 3 * copies, Widened: 2 * copies}, []string{"alone", "sub-name of that", "below it but not it", "below that", "above one for sub-names"}},
}

// TestProducts has programs of others load what nonudify makes of one list, with the
// configuration that it says they need, and asks all of them the same: no name is
// blocked that the list lets pass, and none passes that the list blocks, unless the
// format cannot say it.
func TestProducts(t *testing.T) {
	t.Parallel()
	upstream := serveBoth(t, dns.HandlerFunc(answerAll))
	file := filepath.Join(t.TempDir(), "list.txt")
	putFile(t, file, []byte(productList()))
	questions := inquiries()
	results := &table{}
	t.Cleanup(func() { results.log(t) })
	for _, p := range products {
		t.Run(p.name, func(t *testing.T) {
			files := p.files(t, file, upstream)
			running := p.start(t, files)
			p.judge(t, questions, running.asks(questions), results)
			if running.renew != nil {
				p.follows(t, running, files, results)
			}
		})
	}
}

// files makes what the product is started with.
func (p product) files(t *testing.T, source, upstream string) productFiles {
	t.Helper()
	f := productFiles{source: source, list: filepath.Join(t.TempDir(), "nudify."+p.to), upstream: upstream}
	if p.to != "" {
		if loss := convertList(t, source, p.to, f.list); loss != losses[p.to].Loss {
			t.Errorf("%s loses %+v, want %+v", p.to, loss, losses[p.to].Loss)
		}
	}
	if p.config != "" {
		f.settings = string(nonudify(t, "convert", "-config", p.config, f.list))
	}
	return f
}

// follows has the product read the next edition of the list, in which one name is
// new, and another is no more.
func (p product) follows(t *testing.T, r running, f productFiles, results *table) {
	t.Helper()
	questions := []inquiry{
		{kind{"new in an edition", "other0.example.", true}, dns.TypeA, false},
		{kind{"gone in an edition", "site0.example.", false}, dns.TypeA, false},
	}
	next := filepath.Join(t.TempDir(), "list.txt")
	putFile(t, next, []byte(strings.Replace(productList(), "||site0.example^", "||other0.example^", 1)))
	convertList(t, next, p.to, f.list)
	later := time.Now().Add(2 * time.Second) // dnsdist looks at whole seconds
	if err := os.Chtimes(f.list, later, later); err != nil {
		t.Fatal(err)
	}
	r.renew()
	err := poll(func() error {
		if got := r.asks(questions); !denials[got[0]] || got[1] != passing {
			return fmt.Errorf("%q", got)
		}
		return nil
	})
	for i, q := range questions {
		results.judge(t, p.name, q.title, r.asks(questions)[i], err)
	}
}

// judge compares what became of the questions with what should have.
func (p product) judge(t *testing.T, questions []inquiry, outcomes []string, results *table) {
	t.Helper()
	seen := map[string][]string{}
	for i, q := range questions {
		want := q.denied && !slices.Contains(losses[p.to].through, q.title)
		if got := outcomes[i]; got != passing && !denials[got] || (got != passing) != want {
			t.Errorf("%s (%s): %s, denied by the list: %v", q, q.title, got, q.denied)
		}
		if !slices.Contains(seen[q.title], outcomes[i]) {
			seen[q.title] = append(seen[q.title], outcomes[i])
		}
	}
	for _, q := range questions {
		slices.Sort(seen[q.title])
		results.add(p.name, q.title, strings.Join(seen[q.title], ", "))
	}
}

// denials are the ways to deny a name.
var denials = map[string]bool{"NXDOMAIN": true, "NODATA": true, "0.0.0.0": true}

// nonudify runs the tool, which is built with the resolver, and returns its output.
func nonudify(t *testing.T, args ...string) []byte {
	t.Helper()
	resolver, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(filepath.Dir(resolver), "nonudify"), args...).Output()
	if err != nil {
		t.Fatalf("nonudify %v: %v", args, err)
	}
	return out
}

// convertList converts a list and returns what the format cannot say.
func convertList(t *testing.T, from, to, out string) list.Loss {
	t.Helper()
	var done struct{ Lost list.Loss }
	if err := json.Unmarshal(nonudify(t, "convert", "-to", to, "-json", "-o", out, from), &done); err != nil {
		t.Fatal(err)
	}
	return done.Lost
}

// ascii returns the form of a name that is asked for.
func ascii(name string) string {
	a, err := idna.ToASCII(name)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", name, err))
	}
	return a
}

// What the upstream answers.
const (
	openA     = "192.0.2.80"
	openAAAA  = "2001:db8::80"
	openHTTPS = "1 . alpn=\"h2\""
)

// answerAll is an upstream where every name exists. To whoever wants signatures it
// sends one, as from a signed zone, that nobody can check.
func answerAll(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg).SetReply(r)
	m.RecursionAvailable = true
	q := r.Question[0]
	data := map[uint16]string{dns.TypeA: "A " + openA, dns.TypeAAAA: "AAAA " + openAAAA, dns.TypeHTTPS: "HTTPS " + openHTTPS}[q.Qtype]
	if rr, err := dns.NewRR(q.Name + " 60 IN " + data); data != "" && err == nil {
		m.Answer = append(m.Answer, rr)
	} else {
		m.Ns = append(m.Ns, &dns.SOA{
			Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60},
			Ns:  "ns.test.", Mbox: "ns.test.", Serial: 1, Minttl: 60,
		})
	}
	if o := r.IsEdns0(); o != nil {
		m.SetEdns0(1232, o.Do())
		if o.Do() && len(m.Answer) > 0 {
			m.Answer = append(m.Answer, signatureOf(q))
		}
	}
	w.WriteMsg(m)
}

// signatureOf returns a record that looks like the signature of an answer.
func signatureOf(q dns.Question) dns.RR {
	return &dns.RRSIG{
		Hdr:         dns.RR_Header{Name: q.Name, Rrtype: dns.TypeRRSIG, Class: dns.ClassINET, Ttl: 60},
		TypeCovered: q.Qtype, Algorithm: dns.ECDSAP256SHA256, Labels: uint8(dns.CountLabel(q.Name)), OrigTtl: 60,
		Inception: 1767225600, Expiration: 4070908800, KeyTag: 1, SignerName: q.Name[strings.LastIndexByte(q.Name[:len(q.Name)-1], '.')+1:],
		Signature: strings.Repeat("A", 86) + "==",
	}
}

// answered says what an answer to a question is.
func answered(reply *dns.Msg) string {
	for _, rr := range reply.Answer {
		_, data, _ := strings.Cut(rr.String(), "\tIN\t")
		switch strings.ReplaceAll(data, "\t", " ") {
		case "A " + openA, "AAAA " + openAAAA, "HTTPS " + openHTTPS:
			return passing
		case "A 0.0.0.0", "AAAA ::":
			return "0.0.0.0"
		}
	}
	switch {
	case reply.Rcode != dns.RcodeSuccess:
		return dns.RcodeToString[reply.Rcode]
	case len(reply.Answer) == 0:
		return "NODATA"
	}
	return fmt.Sprint(reply.Answer)
}

// asks asks a peer, each question twice: the second answer may be from its cache.
func (p *peer) asks(questions []inquiry) []string {
	outcomes := make([]string, len(questions))
	for i, q := range questions {
		for range 2 {
			m := new(dns.Msg).SetQuestion(q.name, q.qtype)
			if q.dnssec {
				m.SetEdns0(1232, true)
			}
			reply, err := p.ask(m, "udp")
			switch {
			case err != nil:
				outcomes[i] = err.Error()
			case outcomes[i] == "" || outcomes[i] == answered(reply):
				outcomes[i] = answered(reply)
			default:
				outcomes[i] += ", then " + answered(reply)
			}
		}
	}
	return outcomes
}
