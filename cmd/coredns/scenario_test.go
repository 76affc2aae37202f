package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestScenarios plays every file of testdata/scenario against the real server.
//
// A scenario is a txtar archive: a Corefile, the files it names, and a file
// "queries" of steps, one a line. UPSTREAM in the Corefile is the address of a
// resolver that knows every name, DIR the folder of the files. A step is a
// query with what is to come back,
//
//	www.badsite.example A +do => NXDOMAIN soa=badsite.example. ede=17
//
// It goes over UDP, or over the transport that a flag names (+tcp, +https-post:
// transports has them all), or with +all over every route that leads to the
// server, and then the answer must be the same on each. LOOPBACK in the Corefile
// is what to bind to for IPv4 and IPv6, CERTIFICATE and KEY are for the tls
// plugin. @127.0.0.2 is where the query comes from, +proxy=192.0.2.7 what a
// PROXY protocol header says of that, +name=NAME and +path=PATH what a client asks
// for in the TLS handshake and over HTTPS. The other flags are in newQuery. The code
// DROPPED is no answer.
//
// Other steps change something: "cp FROM TO" replaces a file, "rm FILE" removes one, "reload
// COREFILE" restarts with another Corefile, "!reload COREFILE" expects that to
// be refused. A query after a change to a file begins with "eventually": it is
// repeated until it is true.
//
// A file "upstream" has the upstream answer some questions otherwise. Each is a
// line, with records indented below it; "+" puts one into the additional section.
// With TC, the answer is cut short over UDP: it has only the records with "!".
//
//	cloaked.example A NOERROR [TC]
//	    ! cloaked.example. 60 CNAME www.badsite.example.
//	    www.badsite.example. 60 A 192.0.2.1
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../../testdata/scenario/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("No scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			play(t, file, "")
		})
	}
}

// scenario is one that is being played.
type scenario struct {
	t        *testing.T
	dir      string
	upstream *upstream
	address  string // of the upstream, or of what answers in its place
	instance *caddy.Instance
	denied   map[string]bool // names that must not reach the upstream: never answered otherwise
	written  int
	port     string // of the servers that have a UDP front; "": none has one
}

// play plays the scenario of a file, with a UDP front before the servers of plain
// DNS if they are given a port.
func play(t *testing.T, file, port string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &scenario{t: t, dir: t.TempDir(), upstream: newUpstream(t), denied: map[string]bool{}, port: port}
	s.address = s.upstream.addr
	var steps string
	for _, f := range archive.Files {
		s.write(f.Name, f.Data)
		switch f.Name {
		case "queries":
			steps = string(f.Data)
		case "upstream":
			s.address = newScript(t, string(f.Data), s.upstream)
		}
	}
	s.instance = start(t, s.corefile("Corefile"))
	defer func() { stop(s.instance) }()
	line := 0
	for step := range strings.Lines(steps) {
		line++
		if step = strings.TrimSpace(step); step == "" || step[0] == '#' {
			continue
		}
		if err := s.step(step); err != nil {
			t.Errorf("Step %d, %q: %v", line, step, err)
		}
	}
	for _, name := range s.upstream.asked() {
		if s.denied[name] {
			t.Errorf("The upstream was asked for the denied name %s", name)
		}
	}
}

// script answers the questions of an "upstream" file over UDP and TCP, and has
// the other upstream answer the rest.
type script struct {
	whole, cut map[dns.Question]*dns.Msg // cut: where it differs over UDP
	rest       dns.Handler
}

// newScript starts the server of a script and returns its address.
func newScript(t *testing.T, text string, rest dns.Handler) string {
	t.Helper()
	s := &script{map[dns.Question]*dns.Msg{}, map[dns.Question]*dns.Msg{}, rest}
	var q dns.Question
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case line[0] != ' ':
			if len(f) < 3 || dns.StringToType[f[1]] == 0 {
				t.Fatalf("Upstream: %q: want NAME TYPE RCODE [TC]", line)
			}
			q = dns.Question{Name: dns.Fqdn(f[0]), Qtype: dns.StringToType[f[1]], Qclass: dns.ClassINET}
			s.whole[q] = &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: dns.StringToRcode[f[2]]}}
			if len(f) > 3 {
				s.cut[q] = &dns.Msg{MsgHdr: dns.MsgHdr{Truncated: true}}
			}
		default:
			s.record(t, q, line)
		}
	}
	return serveBoth(t, s)
}

// record adds the record of a line to the answer to a question.
func (s *script) record(t *testing.T, q dns.Question, line string) {
	t.Helper()
	mark, text := "", strings.TrimSpace(line)
	if strings.ContainsAny(text[:1], "+!") {
		mark, text = text[:1], strings.TrimSpace(text[1:])
	}
	rr, err := dns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	whole, cut := s.whole[q], s.cut[q]
	if mark == "+" {
		whole.Extra = append(whole.Extra, rr)
		return
	}
	whole.Answer = append(whole.Answer, rr)
	if mark == "!" {
		cut.Answer = append(cut.Answer, rr)
	}
}

func (s *script) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	q := r.Question[0]
	q.Name = strings.ToLower(q.Name)
	m, known := s.cut[q]
	if _, udp := w.RemoteAddr().(*net.UDPAddr); !known || !udp {
		m, known = s.whole[q]
	}
	if !known {
		s.rest.ServeDNS(w, r)
		return
	}
	m = m.Copy()
	m.SetRcode(r, m.Rcode)
	m.RecursionAvailable = true
	w.WriteMsg(m)
}

// serveBoth serves UDP and TCP at one address of loopback, which it returns.
func serveBoth(t *testing.T, h dns.Handler) string {
	t.Helper()
	for range 20 { // the port that is free for one may be taken for the other
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.ListenPacket("udp", l.Addr().String())
		if err != nil {
			l.Close()
			continue
		}
		for _, s := range []*dns.Server{{Listener: l, Handler: h}, {PacketConn: c, Handler: h}} {
			started := make(chan struct{})
			s.NotifyStartedFunc = func() { close(started) }
			go s.ActivateAndServe()
			<-started
			t.Cleanup(func() { s.Shutdown() })
		}
		return l.Addr().String()
	}
	t.Fatal("No port is free for both UDP and TCP")
	return ""
}

// write puts a file into the scenario's folder, as one that was left alone for
// a while, but never with the same time twice.
func (s *scenario) write(name string, data []byte) {
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", data, 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.written++
	old := time.Now().Add(-time.Hour + time.Duration(s.written)*time.Second)
	if err := os.Chtimes(path+".new", old, old); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scenario) read(name string) []byte {
	data, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

func (s *scenario) corefile(name string) string {
	text := string(s.read(name))
	if strings.Contains(text, "CERTIFICATE") {
		certify(s.t, s.dir)
	}
	if s.port != "" {
		text = fronted(text, s.port)
	}
	return strings.NewReplacer("UPSTREAM", s.address, "DIR", s.dir, "LOOPBACK", loopback(), "SECRET", tsigSecret,
		"CERTIFICATE", filepath.Join(s.dir, "certificate.pem"), "KEY", filepath.Join(s.dir, "key.pem")).Replace(text)
}

func (s *scenario) step(step string) error {
	f := strings.Fields(step)
	switch f[0] {
	case "cp":
		s.write(f[2], s.read(f[1]))
		return nil
	case "rm":
		return os.Remove(filepath.Join(s.dir, f[1]))
	case "reload", "!reload":
		return s.reload(f[1], f[0] == "reload")
	case "eventually":
		return s.eventually(f[1:])
	}
	return s.ask(f)
}

// reload restarts with another Corefile. Where there is DNS over QUIC, that is a
// new start: in a reload, CoreDNS goes on reading from its socket for connections
// of before, and takes what is meant for the new listener.
func (s *scenario) reload(corefile string, want bool) error {
	if want && overQUICToo(s.instance) {
		stop(s.instance)
		s.instance = start(s.t, s.corefile(corefile))
		return nil
	}
	input := caddy.CaddyfileInput{Contents: []byte(s.corefile(corefile)), Filepath: corefile, ServerTypeName: "dns"}
	next, err := s.instance.Restart(input)
	s.instance = next
	up(s.t, next)
	if (err == nil) != want {
		return fmt.Errorf("reload: %v", err)
	}
	return nil
}

// eventually repeats a query until it gets its answer, for as long as several
// looks at the files take.
func (s *scenario) eventually(f []string) error {
	deadline := time.After(20 * time.Second)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := s.ask(f)
		if err == nil {
			return nil
		}
		select {
		case <-deadline:
			return err
		case <-again.C:
		}
	}
}

// ask sends one query and holds the reply against what stands behind "=>".
func (s *scenario) ask(f []string) error {
	arrow := slices.Index(f, "=>")
	if arrow < 2 || arrow+1 >= len(f) {
		return fmt.Errorf("want NAME TYPE [+FLAG...] => RCODE [KEY=VALUE...]")
	}
	q, err := newQuery(f[:arrow])
	if err != nil {
		return err
	}
	if f[arrow+1] == dropped {
		if q.then, err = newProbe().Pack(); err != nil {
			return err
		}
	}
	all := q.routes(s.instance)
	if len(all) == 0 {
		return s.impassable(q)
	}
	said := ""
	for _, r := range all {
		says, err := s.walk(r, q, f[arrow+1:])
		if err == nil && said != "" && says != said {
			err = fmt.Errorf("%s, before it was %s", says, said)
		}
		if err != nil {
			return fmt.Errorf("%v: %w", r, err)
		}
		said = says
	}
	return nil
}

// walk asks over one route, holds the reply against what is wanted and returns it
// in words.
func (s *scenario) walk(r route, q query, want []string) (string, error) {
	reply, err := r.ask(q.msg, q.secret)
	if err != nil {
		if errors.Is(err, errDropped) && want[0] == dropped {
			return dropped, nil
		}
		return "", err
	}
	name := strings.ToLower(q.msg.Question[0].Name)
	if before, known := s.denied[name]; before || !known {
		s.denied[name] = reply.Rcode == dns.RcodeNameError
	}
	return fmt.Sprint(reply.Rcode, describe(reply)), compare(reply, q.msg, want[0], want[1:])
}

// query is the left side of a step.
type query struct {
	msg    *dns.Msg
	route         // +tcp, @127.0.0.2, +proxy=192.0.2.7
	all    bool   // +all
	secret string // +tsig: of the key that it is signed with
}

func newQuery(f []string) (query, error) {
	qtype, err := typeOf(f[1])
	if err != nil {
		return query{}, err
	}
	q := query{msg: new(dns.Msg).SetQuestion(dns.Fqdn(f[0]), qtype), route: route{transport: "udp"}}
	for _, flag := range f[2:] {
		switch {
		case transports[strings.TrimPrefix(flag, "+")] != nil:
			q.transport = flag[1:]
		case flag == "+all":
			q.all = true
		case flag == "+cd":
			q.msg.CheckingDisabled = true
		case flag == "+nord":
			q.msg.RecursionDesired = false
		case flag == "+ch":
			q.msg.Question[0].Qclass = dns.ClassCHAOS
		case flag == "+any":
			q.msg.Question[0].Qclass = dns.ClassANY
		case flag == "+tsig":
			q.secret = tsigSecret
		case strings.HasPrefix(flag, "+proxy="):
			q.proxy = net.ParseIP(flag[7:])
		case strings.HasPrefix(flag, "+name="):
			q.name = flag[6:]
		case strings.HasPrefix(flag, "+path="):
			q.path = flag[6:]
		case strings.HasPrefix(flag, "@"):
			q.from = net.ParseIP(flag[1:])
		default:
			if err := q.edns(flag); err != nil {
				return query{}, err
			}
		}
	}
	if q.secret != "" { // the record comes last
		q.msg.SetTsig(tsigName, dns.HmacSHA256, 300, time.Now().Unix())
	}
	return q, nil
}

// typeOf returns the number of a type, which may be a TYPE65280 (RFC 3597 §5).
func typeOf(name string) (uint16, error) {
	if qtype, ok := dns.StringToType[name]; ok {
		return qtype, nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(name, "TYPE"), 10, 16)
	return uint16(n), err
}

// edns applies a flag that needs an OPT record.
func (q *query) edns(flag string) error {
	o := q.msg.IsEdns0()
	if o == nil {
		o = q.msg.SetEdns0(1232, false).IsEdns0()
	}
	switch {
	case flag == "+edns":
	case flag == "+do":
		o.SetDo()
	case flag == "+sde":
		o.Option = append(o.Option, &dns.EDNS0_LOCAL{Code: 26})
	case flag == "+sdedata":
		o.Option = append(o.Option, &dns.EDNS0_LOCAL{Code: 26, Data: []byte{0xaa, 0xbb}})
	case flag == "+nsid":
		o.Option = append(o.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID})
	case strings.HasPrefix(flag, "+ecs="):
		_, subnet, err := net.ParseCIDR(flag[5:])
		if err != nil {
			return err
		}
		o.Option = append(o.Option, ecs(subnet))
	case flag == "+oldsde":
		o.Option = append(o.Option, &dns.EDNS0_EDE{})
	case strings.HasPrefix(flag, "+size="):
		n, err := strconv.Atoi(flag[6:])
		o.SetUDPSize(uint16(n))
		return err
	default:
		return fmt.Errorf("unknown flag %s", flag)
	}
	return nil
}

// compare holds a reply against the right side of a step. What every reply of
// a resolver must be like is checked without being asked for, unless "by" says
// that it was made by another plugin, which has its own ideas.
func compare(reply, q *dns.Msg, rcode string, want []string) error {
	facts := describe(reply)
	if last := want[max(0, len(want)-1):]; len(last) == 1 && strings.HasPrefix(last[0], "by=") {
		want = want[:len(want)-1]
	} else if err := proper(reply, q); err != nil {
		return err
	}
	if got := dns.RcodeToString[reply.Rcode]; got != rcode {
		return fmt.Errorf("got %s (%v)", got, facts)
	}
	for _, w := range want {
		key, value, _ := strings.Cut(w, "=")
		key, part := strings.CutSuffix(key, "~")
		got := facts[key]
		if part && !strings.Contains(got, value) || !part && got != value {
			return fmt.Errorf("%s is %q, want %q (%v)", key, got, value, facts)
		}
	}
	return nil
}

// proper checks what holds of every reply of a resolver.
func proper(reply, q *dns.Msg) error {
	switch {
	case reply.Question[0] != q.Question[0]:
		return fmt.Errorf("the question came back as %v", reply.Question[0])
	case reply.RecursionDesired != q.RecursionDesired || reply.CheckingDisabled != q.CheckingDisabled || !reply.RecursionAvailable:
		return fmt.Errorf("flags: %v", reply.MsgHdr)
	case reply.IsEdns0() != nil && q.IsEdns0() == nil:
		return fmt.Errorf("an OPT record for a client that sent none")
	}
	return nil
}

// describe puts a reply into words: soa, ede, text, members (of the object that
// the text is, if it is JSON), answers, authority, a, aaaa, cname, txt, resinfo, nsid,
// tc, ad, aa, do.
func describe(reply *dns.Msg) map[string]string {
	facts := map[string]string{
		"answers": strconv.Itoa(len(reply.Answer)), "authority": strconv.Itoa(len(reply.Ns)),
		"tc": strconv.FormatBool(reply.Truncated), "ad": strconv.FormatBool(reply.AuthenticatedData), "aa": strconv.FormatBool(reply.Authoritative),
	}
	for _, rr := range reply.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			facts["soa"], facts["ttl"], facts["serial"] = soa.Hdr.Name, strconv.Itoa(int(soa.Minttl)), strconv.Itoa(int(soa.Serial))
		}
	}
	for _, rr := range reply.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			facts["a"] = rr.A.String()
		case *dns.AAAA:
			facts["aaaa"] = rr.AAAA.String()
		case *dns.CNAME:
			facts["cname"] = rr.Target
		case *dns.TXT:
			facts["txt"] = strings.Join(rr.Txt, "")
		case *dns.RESINFO:
			facts["resinfo"] = strings.Join(rr.Txt, ",")
		}
	}
	if o := reply.IsEdns0(); o != nil {
		facts["do"] = strconv.FormatBool(o.Do())
		for _, opt := range o.Option {
			if e, ok := opt.(*dns.EDNS0_EDE); ok {
				facts["ede"], facts["text"] = facts["ede"]+strconv.Itoa(int(e.InfoCode)), e.ExtraText
				facts["members"] = members(e.ExtraText)
			}
			if n, ok := opt.(*dns.EDNS0_NSID); ok {
				facts["nsid"] = n.Nsid
			}
		}
	}
	return facts
}

// members returns the names of the members of a JSON object, sorted; nothing for
// a text that is none.
func members(text string) string {
	var object map[string]any
	if json.Unmarshal([]byte(text), &object) != nil {
		return ""
	}
	return strings.Join(slices.Sorted(maps.Keys(object)), ",")
}

// moduleDir returns where the source of a module lies.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
