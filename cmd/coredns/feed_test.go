package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aead.dev/minisign"
	"github.com/coredns/caddy"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/source/sourcetest"
)

// unsaid is in every password, token and query name of these tests. TestMain
// sees that it is in no line of the log.
const unsaid = "unsaid7q"

// logged is what the servers of this process have logged.
var logged journal

// journal is a log by its lines.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, string(line))
	return len(line), nil
}

// with returns the lines in which all the words are.
func (j *journal) with(words ...string) (lines []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
next:
	for _, line := range j.lines {
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue next
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// until repeats a check until it finds nothing wrong.
func until(t *testing.T, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	again := time.NewTicker(25 * time.Millisecond)
	defer again.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-again.C:
		}
	}
}

// untilFailing waits until the last round of a list has the given cause, which
// is "none" for a good one, and no other.
func untilFailing(t *testing.T, list, cause string) {
	t.Helper()
	until(t, func() error {
		var got []string
		for key, value := range lately(t) {
			labels, failing := strings.CutPrefix(key, "coredns_nonudify_list_failing{cause=")
			if c, ours := strings.CutSuffix(labels, ",list="+list+"}"); failing && ours {
				got = append(got, fmt.Sprint(c, " ", value))
			}
		}
		want := cause + " 1"
		if cause == "none" {
			want = "none 0"
		}
		if len(got) != 1 || got[0] != want {
			return fmt.Errorf("list_failing of %s is %v, want %s", list, got, want)
		}
		return nil
	})
}

// untilRounds waits until so many rounds of a list have had a result.
func untilRounds(t *testing.T, list, result string, least float64) {
	t.Helper()
	until(t, func() error {
		key := listSeries(list, "rounds_total", "result="+result)
		if got := lately(t)[key]; got < least {
			return fmt.Errorf("%s is %v, want %v", key, got, least)
		}
		return nil
	})
}

// untilMetric waits until a metric of a list has a value.
func untilMetric(t *testing.T, list, name string, want float64) {
	t.Helper()
	until(t, func() error {
		if got, ok := lately(t)[listSeries(list, name)]; !ok || got != want {
			return fmt.Errorf("%s of %s is %v, want %v", name, list, got, want)
		}
		return nil
	})
}

var names atomic.Int64

// fresh returns a name that no other test has, and that is in no other name:
// metrics and log are those of the whole process.
func fresh(what string) string { return fmt.Sprintf("%s-%d-", what, names.Add(1)) }

// together runs sub-tests all at once: they wait more than they work.
func together[T any](t *testing.T, tests map[string]T, run func(t *testing.T, test T)) {
	t.Helper()
	var all sync.WaitGroup
	defer all.Wait()
	for name, test := range tests {
		all.Go(func() { t.Run(name, func(t *testing.T) { run(t, test) }) })
	}
}

// publisher is a web server with a signed list, and the resolver that knows it.
type publisher struct {
	*sourcetest.Server
	t    *testing.T
	name string // of the list, and of its file
	// bare leaves out what tells versions apart.
	bare     bool
	public   minisign.PublicKey
	private  minisign.PrivateKey
	resolver string

	mu      sync.Mutex
	address string   // of the web server: "" is no such name
	asked   []string // of the resolver
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &publisher{Server: sourcetest.New(t), t: t, name: fresh("list"), public: public, private: private, address: "127.0.0.1"}
	p.resolver = sourcetest.ResolverFunc(t, p.resolve).String()
	return p
}

// resolve answers every name with the address of the moment.
func (p *publisher) resolve(w dns.ResponseWriter, q *dns.Msg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, q.Question[0].Name)
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	switch {
	case p.address == "":
		m.Rcode = dns.RcodeNameError
	case q.Question[0].Qtype == dns.TypeA:
		rr, _ := dns.NewRR(q.Question[0].Name + " 1 IN A " + p.address)
		m.Answer = []dns.RR{rr}
	}
	w.WriteMsg(m)
}

// lead has every name lead to an address. Of those on loopback, only 127.0.0.1
// has a server.
func (p *publisher) lead(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.address = address
}

func (p *publisher) path() string { return "/" + p.name + ".txt" }

// plain is the URL of the list over HTTP.
func (p *publisher) plain() string { return p.secret(p.PlainAt("lists.example", p.path())) }

// tls is the URL of the list over HTTPS. Only some systems can be told which
// authorities to trust.
func (p *publisher) tls() string {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		p.t.Skip("This system does not read SSL_CERT_FILE")
	}
	return p.secret(p.URL(p.path()))
}

// secret adds a password and a token to a URL.
func (p *publisher) secret(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		p.t.Fatal(err)
	}
	u.User, u.RawQuery = url.UserPassword("user", unsaid), "token="+unsaid
	return u.String()
}

// list is the property that names the list, by a signed mirror at a URL.
func (p *publisher) list(options string, urls ...string) string {
	return fmt.Sprintf("list %s name %s key %s %s\n bootstrap %s", strings.Join(urls, " "), p.name, p.public, options, p.resolver)
}

// reply sets what the list's path answers, and nothing of its signature.
func (p *publisher) reply(r sourcetest.Reply) { p.Set(p.path(), r) }

// signature sets what the signature's path answers.
func (p *publisher) signature(r sourcetest.Reply) { p.Set(p.path()+".minisig", r) }

// sign returns the signature of a text.
func (p *publisher) sign(text string) string {
	r := minisign.NewReader(strings.NewReader(text))
	if _, err := io.Copy(io.Discard, r); err != nil {
		p.t.Fatal(err)
	}
	return string(r.SignWithComments(p.private, "trusted", "untrusted"))
}

// publish puts a signed text on the web server.
func (p *publisher) publish(text string) {
	r := sourcetest.Text(text)
	if !p.bare {
		r.ETag = fmt.Sprintf("\"%x\"", sha256.Sum256([]byte(text)))
	}
	p.signature(sourcetest.Text(p.sign(text)))
	p.reply(r)
}

// heal makes everything good again, with another edition.
func (p *publisher) heal(serial int) {
	p.lead("127.0.0.1")
	p.Present("")
	p.publish(edition(serial))
}

// edition is the text of a list of 22 names: always.example, editionN.example and
// others.
func edition(serial int) string { return editionOf("feed", serial, 20) }

func editionOf(id string, serial, more int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# List-ID: %s\n# Serial: %d\nalways.example\nedition%d.example\n", id, serial, serial)
	for i := range more {
		fmt.Fprintf(&b, "more%d.example\n", i)
	}
	return b.String()
}

// serving is a server under test.
type serving struct {
	t *testing.T
	*caddy.Instance
}

// serve starts a server block with the body of a nonudify directive, which hands
// other queries on to an upstream.
func serve(t *testing.T, up *upstream, body string) *serving {
	t.Helper()
	s := &serving{t, start(t, block(up, body))}
	t.Cleanup(func() { stop(s.Instance) })
	return s
}

// block is a server block.
func block(up *upstream, body string) string {
	return ".:0 {\n bind 127.0.0.1\n nonudify {\n " + body + "\n }\n forward . " + up.addr + "\n}\n"
}

// reload restarts the server with another Corefile.
func (s *serving) reload(corefile string) error {
	s.t.Helper()
	next, err := s.Restart(caddy.CaddyfileInput{Contents: []byte(corefile), Filepath: "Corefile", ServerTypeName: "dns"})
	s.Instance = next
	up(s.t, next)
	return err
}

// ask asks for a name as it is.
func (s *serving) ask(name string) *dns.Msg {
	s.t.Helper()
	udp, _ := addrs(s.Instance)
	c := dns.Client{Timeout: 10 * time.Second, Dialer: &net.Dialer{Timeout: 10 * time.Second}}
	reply, _, err := c.Exchange(new(dns.Msg).SetQuestion(name+".", dns.TypeA).SetEdns0(1232, false), udp)
	if err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
	return reply
}

// The answers that a name may get.
const (
	denies       = "NXDOMAIN ede=17"
	deniesTarget = "NOERROR ede=17" // the name is not listed, but leads to one that is
	passes       = "NOERROR a=" + upstreamAddress
	waiting      = "SERVFAIL ede=14"
)

// answers says what became of a name; it is asked for one below it, which a log
// must not tell.
func (s *serving) answers(name string) string {
	s.t.Helper()
	return answer(s.ask(unsaid + "." + name))
}

// answer is a reply in short.
func answer(reply *dns.Msg) string {
	facts := describe(reply)
	words := []string{dns.RcodeToString[reply.Rcode]}
	for _, key := range []string{"a", "ede"} {
		if facts[key] != "" {
			words = append(words, key+"="+facts[key])
		}
	}
	return strings.Join(words, " ")
}

// want asks for names and holds the answers against what is wanted, in pairs.
func (s *serving) want(pairs ...string) {
	s.t.Helper()
	if err := s.check(pairs...); err != nil {
		s.t.Error(err)
	}
}

// until waits until want finds nothing wrong.
func (s *serving) until(pairs ...string) {
	s.t.Helper()
	until(s.t, func() error { return s.check(pairs...) })
}

func (s *serving) check(pairs ...string) error {
	s.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := s.answers(pairs[i]); got != pairs[i+1] {
			return fmt.Errorf("%s: %s, want %s", pairs[i], got, pairs[i+1])
		}
	}
	return nil
}

// repeated is a text of so many bytes that a list may begin with.
func repeated(n int) []byte { return bytes.Repeat([]byte("# nothing\n"), n/10) }
