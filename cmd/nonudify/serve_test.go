package main

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nonudify/nonudify/plugin/source/sourcetest"
)

// scriptTB has what is started for a script end with it.
type scriptTB struct {
	testing.TB
	script *testscript.TestScript
}

func (s scriptTB) Cleanup(f func())                  { s.script.Defer(f) }
func (s scriptTB) Fatal(args ...any)                 { s.script.Fatalf("%s", fmt.Sprint(args...)) }
func (s scriptTB) Fatalf(format string, args ...any) { s.script.Fatalf(format, args...) }

// serverKey is where a script keeps its web server.
type serverKey struct{}

// web is the web server of a script.
type web struct{ *sourcetest.Server }

// serve is a command of scripts that starts a web server. It sets $HTTP and $HTTPS
// to the beginning of its URLs, $HOSTS to a resolver that knows it, and
// SSL_CERT_FILE to the authority that its certificate is from.
func serve(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) > 0 {
			ts.Fatalf("usage: serve")
		}
		s := sourcetest.New(scriptTB{t, ts})
		ts.Value(serverKey{}).(*web).Server = s
		ts.Setenv("HTTP", s.Plain(""))
		ts.Setenv("HTTPS", s.URL(""))
		ts.Setenv("HOSTS", s.Resolver().String())
		ts.Check(os.WriteFile(ts.MkAbs("authority.pem"), sourcetest.Authority(), 0o644))
		ts.Setenv("SSL_CERT_FILE", ts.MkAbs("authority.pem"))
	}
}

// putOnline is the command publish of scripts that puts a file on the web server; with "!" it
// takes the path off.
func putOnline(ts *testscript.TestScript, neg bool, args []string) {
	if neg && len(args) != 1 || !neg && len(args) != 2 {
		ts.Fatalf("usage: publish PATH FILE, ! publish PATH")
	}
	reply := sourcetest.Reply{Status: 404}
	if !neg {
		body := ts.ReadFile(args[1])
		reply = sourcetest.Text(body)
		reply.ETag = fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(body)))
	}
	ts.Value(serverKey{}).(*web).Set(args[0], reply)
}

// primary is a command of scripts that starts a primary of a zone and sets $PRIMARY
// to its address. It reads the zone from the file at each transfer, and wants
// questions that are signed if it is given the name and the secret of a key.
func primary(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 && len(args) != 3 {
		ts.Fatalf("usage: primary FILE [KEY SECRET]")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	s := &dns.Server{Listener: l, Handler: zoneHandler{ts.MkAbs(args[0]), len(args) == 3}}
	if len(args) == 3 {
		s.TsigSecret = map[string]string{args[1]: args[2]}
	}
	started, ended := make(chan struct{}), make(chan error, 1)
	s.NotifyStartedFunc = func() { close(started) }
	go func() { ended <- s.ActivateAndServe() }()
	<-started
	ts.Defer(func() {
		_ = s.Shutdown() // it has been used up to here
		<-ended
	})
	ts.Setenv("PRIMARY", l.Addr().String())
}

// zoneHandler answers for the zone in a file, whole.
type zoneHandler struct {
	path   string
	signed bool
}

func (z zoneHandler) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	if tsig := q.IsTsig(); tsig != nil && w.TsigStatus() == nil {
		m.SetTsig(tsig.Hdr.Name, tsig.Algorithm, 300, int64(tsig.TimeSigned))
	} else if z.signed {
		m.Rcode = dns.RcodeRefused
		_ = w.WriteMsg(m)
		return
	}
	text, err := os.ReadFile(z.path)
	if err != nil {
		return // no answer
	}
	p := dns.NewZoneParser(strings.NewReader(string(text)), "", "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		m.Answer = append(m.Answer, rr)
	}
	if q.Question[0].Qtype == dns.TypeSOA {
		m.Answer = m.Answer[:1]
	} else {
		m.Answer = append(m.Answer, m.Answer[0])
	}
	_ = w.WriteMsg(m)
}
