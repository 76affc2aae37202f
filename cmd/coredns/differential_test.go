package main

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/packettest"
)

// The number of questions of the differential test, and how many clients ask
// them; each has so many under way at a time.
const (
	differentialQueries = 100_000
	differentialClients = 4
	differentialBatch   = 16
)

// seedVariable is what sets the seed of random questions.
const seedVariable = "NONUDIFY_SEED"

// seed returns the seed of a test, which it logs.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := uint64(5)
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
	}
	t.Logf("%s=%d", seedVariable, n)
	return n
}

// setting is a Corefile under which the two servers are compared.
type setting struct {
	name    string
	share   int // of the questions, in percent
	plugins string
	rewrite map[string]string // what the rewrite plugin makes of the end of a name
}

// settings are all of them. What is cached stays until the end, so that a server
// has in its cache whatever the other one has.
var settings = []setting{
	{name: "cache", share: 60, plugins: "NONUDIFY cache 3600 {\n success 1000000 3600 3600\n denial 1000000 1800 1800\n servfail 5m\n}\n FORWARD"},
	{name: "forward", share: 25, plugins: "NONUDIFY FORWARD"},
	{
		name: "rewrite", share: 15,
		plugins: `rewrite stop {
    name suffix .alias.test. .badsite.example. answer auto
}
rewrite stop {
    name suffix .moved.test. .elsewhere.test. answer auto
}
NONUDIFY
header {
    response set ra
}
minimal
template IN A local.test {
    answer "{{ .Name }} 60 IN A 192.0.2.9"
}
template IN HTTPS local.test {
    answer "{{ .Name }} 60 IN HTTPS 1 badsite.example."
}
FORWARD`,
		rewrite: map[string]string{".alias.test": ".badsite.example", ".moved.test": ".elsewhere.test"},
	},
}

// TestDifferential asks random questions of the resolver and of the same CoreDNS
// without the plugin, each in front of an upstream that knows an answer to
// everything. What is neither listed nor leads to something listed is answered by
// both with the same octets, but for the id and times to live. What is listed is
// denied, and the upstream is never asked for it.
func TestDifferential(t *testing.T) {
	n := seed(t)
	for i, s := range settings {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			newComparison(t, s).run(differentialQueries*s.share/100, n+uint64(i)<<32)
		})
	}
}

// comparison is a pair of servers.
type comparison struct {
	*setting
	t      *testing.T
	realm  *realm
	oracle *oracle // of the server with the plugin
	udp    [2]string
	tcp    [2]string

	same, denied, led, refused atomic.Int64 // what became of the questions
	faults                     atomic.Int64
}

func newComparison(t *testing.T, s setting) *comparison {
	t.Helper()
	c := &comparison{setting: &s, t: t, realm: newRealm()}
	c.oracle = newOracle(t, c.realm)
	bystander := newOracle(t, nil)
	for i, o := range []*oracle{c.oracle, bystander} {
		directive := []string{c.realm.directive(t), ""}[i]
		plugins := strings.NewReplacer("NONUDIFY", directive, "FORWARD", "forward . "+o.addr+" {\n max_fails 0\n read_timeout 20s\n}").Replace(s.plugins)
		instance := start(t, ".:0 {\n bind 127.0.0.1\n"+plugins+"\n}\n")
		t.Cleanup(func() { stop(instance) })
		c.udp[i], c.tcp[i] = addrs(instance)
	}
	return c
}

// maxFaults is how many are told before the test gives up.
const maxFaults = 5

// run has all questions asked. Those about one name are asked by one client, one
// after the other, so that both caches learn of them in the same order.
func (c *comparison) run(queries int, seed uint64) {
	var clients sync.WaitGroup
	share := make([]chan *ordeal, differentialClients)
	for i := range share {
		share[i] = make(chan *ordeal, 4*differentialBatch)
		clients.Go(func() { c.client(share[i]) })
	}
	r := rand.New(rand.NewPCG(seed, 0))
	made := newMaker(r, c.realm, c.rewrite)
	for range queries {
		o := made.ordeal()
		share[crc32.ChecksumIEEE(packettest.Lower(o.judged))%differentialClients] <- o
	}
	for _, s := range share {
		close(s)
	}
	clients.Wait()
	asked, leaks := c.oracle.heard()
	c.t.Logf("%d questions: %d answered alike, %d denied, %d lead to a listed name, %d refused by both; the upstream was asked %d times",
		queries, c.same.Load(), c.denied.Load(), c.led.Load(), c.refused.Load(), asked)
	if len(leaks) > 0 {
		c.t.Errorf("The upstream was asked for %d denied names, the first %s", len(leaks), leaks[0])
	}
	for _, n := range []int64{c.same.Load() / 10, c.denied.Load() / 4, c.led.Load(), c.refused.Load() * 4} {
		if n < int64(queries)/200 {
			c.t.Error("The random realm tests too little")
		}
	}
}

// client asks the questions that come, a batch at a time.
func (c *comparison) client(questions <-chan *ordeal) {
	var lines [4]*line // UDP and TCP to the server with the plugin and to the other one
	for i := range lines {
		var err error
		if lines[i], err = dial([]string{"udp", "tcp"}[i/2], [][2]string{c.udp, c.tcp}[i/2][i%2]); err != nil {
			c.t.Error(err)
			c.faults.Add(maxFaults)
			break
		}
		defer lines[i].Close()
	}
	var batch []*ordeal
	flush := func() {
		if c.faults.Load() < maxFaults {
			c.ask(lines, batch)
		}
		batch = batch[:0]
	}
	for o := range questions {
		same := func(other *ordeal) bool { return bytes.EqualFold(other.judged, o.judged) }
		if len(batch) == differentialBatch || slices.ContainsFunc(batch, same) {
			flush()
		}
		o.wire[0] = byte(len(batch))
		batch = append(batch, o)
	}
	flush()
}

// ask sends a batch to both servers and compares the replies.
func (c *comparison) ask(lines [4]*line, batch []*ordeal) {
	for i, l := range lines {
		for _, o := range batch {
			if o.tcp == (i > 1) {
				l.send(o.wire)
			}
		}
	}
	replies := make([][2][]byte, len(batch))
	for i, l := range lines {
		for _, o := range batch {
			if o.tcp != (i > 1) {
				continue
			}
			b, err := l.receive()
			if err != nil || len(b) < 12 || int(b[0]) >= len(batch) || replies[b[0]][i%2] != nil {
				c.t.Errorf("Server %d: %v: % x", i%2, err, b)
				c.faults.Add(maxFaults)
				return
			}
			replies[b[0]][i%2] = b
		}
	}
	for i, o := range batch {
		if err := c.judge(o, replies[i][0], replies[i][1]); err != nil {
			c.faults.Add(1)
			c.t.Errorf("%v\nquery % x", err, o.wire)
		}
	}
}

// judge holds the replies of both servers to a query against each other.
func (c *comparison) judge(o *ordeal, ours, theirs []byte) error {
	q := new(dns.Msg)
	parsed := q.Unpack(o.arrives()) == nil
	if opt := q.IsEdns0(); !parsed || opt != nil && opt.Version() > 0 || len(o.judged) > packettest.MaxName { // turned away before the plugin sees it
		c.refused.Add(1)
		return alike(ours, theirs)
	}
	if hasHosts(q.Question[0].Qclass) {
		if rcode, denied := c.realm.rcode(o.judged); denied {
			c.denied.Add(1)
			return c.denial(o, q, ours, rcode)
		}
		if c.leads(o, q) {
			c.led.Add(1)
			return c.denial(o, q, ours, dns.RcodeSuccess)
		}
	}
	c.same.Add(1)
	return alike(ours, theirs)
}

// leads reports whether the answer to a query leads to a listed name, and nothing
// allows that.
func (c *comparison) leads(o *ordeal, q *dns.Msg) bool {
	if c.rewrite == nil {
		return c.realm.leads(q.Question[0], false)
	}
	if bytes.HasSuffix(packettest.Lower(o.judged), packettest.Name("local.test")) { // the answer is not the upstream's
		switch q.Question[0].Qtype {
		case dns.TypeA, dns.TypeANY:
			return false
		case dns.TypeHTTPS:
			return true
		}
	}
	seen := q.Question[0]
	seen.Name = packettest.Text(o.judged)
	return c.realm.leads(seen, true)
}

// denial holds a reply against what a denial must be.
func (c *comparison) denial(o *ordeal, q *dns.Msg, wire []byte, rcode int) error {
	reply := new(dns.Msg)
	if err := reply.Unpack(wire); err != nil {
		return fmt.Errorf("reply % x: %w", wire, err)
	}
	if err := proper(reply, q); err != nil {
		return fmt.Errorf("%w: %v", err, reply)
	}
	soa, lone := new(dns.SOA), false
	if len(reply.Ns) == 1 {
		soa, lone = reply.Ns[0].(*dns.SOA)
	}
	facts := describe(reply)
	limit := dns.MaxMsgSize
	if !o.tcp {
		limit = dns.MinMsgSize
		if opt := q.IsEdns0(); opt != nil {
			limit = max(limit, int(opt.UDPSize()))
		}
	}
	rewritten := !bytes.Equal(o.judged, o.qname)
	switch {
	case rewritten && !o.tcp && reply.Truncated && reply.Rcode == rcode && len(reply.Answer)+len(reply.Ns) == 0:
		return nil // the owner of the SOA was rewritten in another letter case, and so does not compress any more
	case reply.Rcode != rcode || len(reply.Answer) > 0 || !lone || soa.Ns != "blocked.invalid.":
		return fmt.Errorf("no denial with %s: %v", dns.RcodeToString[rcode], reply)
	case reply.Authoritative || reply.AuthenticatedData || reply.Truncated || reply.Zero || len(wire) > limit:
		return fmt.Errorf("%d octets, flags: %v", len(wire), reply)
	case q.IsEdns0() == nil && len(reply.Extra) > 0 || q.IsEdns0() != nil && (len(reply.Extra) != 1 || facts["ede"] != "17"):
		return fmt.Errorf("additional section: %v", reply)
	case !bytes.Equal(wire[12:12+len(o.qname)], o.qname):
		return fmt.Errorf("the question came back in other octets: %v", reply)
	case !rewritten && !bytes.HasSuffix(o.qname, packettest.FromText(soa.Hdr.Name)):
		return fmt.Errorf("the owner of the SOA: %v", reply)
	}
	return nil
}

// alike returns what two replies differ in: in nothing but their times to live.
func alike(ours, theirs []byte) error {
	a, err := timeless(ours)
	if err != nil {
		return fmt.Errorf("our reply % x: %w", ours, err)
	}
	b, err := timeless(theirs)
	if err != nil {
		return fmt.Errorf("their reply % x: %w", theirs, err)
	}
	if !bytes.Equal(a, b) {
		return fmt.Errorf("the replies differ:\n% x\n% x\n%s\n%s", ours, theirs, text(ours), text(theirs))
	}
	return nil
}

func text(wire []byte) string {
	m := new(dns.Msg)
	err := m.Unpack(wire)
	return fmt.Sprint(m, err)
}

// timeless returns a reply with the time to live of every record zero. That field
// of an OPT record is none.
func timeless(wire []byte) ([]byte, error) {
	b := bytes.Clone(wire)
	at := 12
	for range int(b[4])<<8 | int(b[5]) {
		_, end, err := dns.UnpackDomainName(b, at)
		if err != nil {
			return nil, err
		}
		at = end + 4
	}
	for at < len(b) {
		_, end, err := dns.UnpackDomainName(b, at)
		if err != nil || end+10 > len(b) {
			return nil, fmt.Errorf("record at octet %d: %w", at, err)
		}
		if b[end] != 0 || b[end+1] != byte(dns.TypeOPT) {
			clear(b[end+4 : end+8])
		}
		at = end + 10 + int(b[end+8])<<8 + int(b[end+9])
	}
	if at != len(b) {
		return nil, fmt.Errorf("it ends at octet %d, its records at %d", len(b), at)
	}
	return b, nil
}

// line is a connection over which queries are sent before the replies to others
// have come.
type line struct {
	*dns.Conn
	buf []byte // for one datagram
	err error
}

func dial(network, addr string) (*line, error) {
	conn, err := net.DialTimeout(network, addr, 30*time.Second)
	if err != nil {
		return nil, err
	}
	return &line{Conn: &dns.Conn{Conn: conn}, buf: make([]byte, dns.MaxMsgSize)}, nil
}

// send sends a query. An error is kept for receive.
func (l *line) send(wire []byte) {
	if _, err := l.Write(wire); err != nil {
		l.err = err
	}
}

func (l *line) receive() ([]byte, error) {
	if l.err != nil {
		return nil, l.err
	}
	l.SetDeadline(time.Now().Add(time.Minute))
	n, err := l.Read(l.buf)
	return bytes.Clone(l.buf[:n]), err
}
