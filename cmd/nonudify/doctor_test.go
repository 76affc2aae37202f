package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/source/sourcetest"
)

// patient is a resolver that stands in for one, and a machine. The zero value of each
// part is well.
type patient struct {
	answers map[string]string // by question, such as "x.example. A": records, NXDOMAIN, REFUSED, or "" for no records
	foreign bool              // it does not say that it is this resolver

	mu    sync.Mutex
	asked []string // "+" behind those with recursion
}

// start serves and returns the address.
func (p *patient) start(t *testing.T) string { return sourcetest.ResolverFunc(t, p.ServeDNS).String() }

// nobodyAt returns an address at which nobody listens. It is on loopback, and none that other
// tests are given when they want any port.
func nobodyAt(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.77:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// questions returns what was asked.
func (p *patient) questions() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// arpa is what this resolver says of itself.
const arpa = "resolver.arpa. 300 IN SOA resolver.arpa. hostmaster.invalid. 1 3600 600 604800 300"

func (p *patient) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	q := r.Question[0]
	key := q.Name + " " + dns.TypeToString[q.Qtype]
	p.mu.Lock()
	p.asked = append(p.asked, key+map[bool]string{true: "+"}[r.RecursionDesired])
	p.mu.Unlock()
	m := new(dns.Msg).SetReply(r)
	text, known := p.answers[key]
	switch {
	case q.Name == "resolver.arpa." && !p.foreign:
		m.Authoritative = true
		m.Answer = []dns.RR{record(arpa)}
	case !known && q.Name == ".":
		m.Answer = []dns.RR{record(". 60 IN NS a.root.example.")}
	case !known || text == "NXDOMAIN":
		m.Rcode = dns.RcodeNameError
	case text == "REFUSED":
		m.Rcode = dns.RcodeRefused
	case strings.HasPrefix(text, "EDE "):
		deny(m, text)
	case text != "":
		m.Answer = []dns.RR{record(text)}
	}
	_ = w.WriteMsg(m) // whoever asks says that there is no answer
}

// deny makes a denial with the extended error of a text such as "EDE 17".
func deny(m *dns.Msg, text string) {
	var code uint16
	fmt.Sscanf(text, "EDE %d", &code)
	m.Rcode = dns.RcodeNameError
	if code == dns.ExtendedErrorCodeNotReady {
		m.Rcode = dns.RcodeServerFailure
	}
	m.SetEdns0(udpSize, false)
	m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: code})
}

func record(text string) dns.RR {
	rr, err := dns.NewRR(text)
	if err != nil {
		panic(err) // it stands in a test
	}
	return rr
}

// conf returns a Corefile with a block that listens at an address.
func conf(at, properties, more string) string {
	host, port, _ := net.SplitHostPort(at)
	return fmt.Sprintf(".:%s {\n bind %s\n nonudify {\n%s\n }\n%s\n}\n", port, host, properties, more)
}

// healthy returns an examination of a machine that is well, on a day on which the built-in
// list is fresh.
func healthy(t *testing.T, corefile string) *examination {
	t.Helper()
	e := quietEnv(new(bytes.Buffer))
	e.now = func() time.Time { return made().Add(24 * time.Hour) }
	m := thisMachine
	m.root = t.TempDir()
	m.files = func() (int64, string, error) { return 1 << 16, "a program", nil }
	m.free = func(string) (int64, error) { return 1 << 30, nil }
	return &examination{env: e, machine: m, conf: write(t, "Corefile", corefile), user: "no-such-user", patience: 3 * time.Second}
}

// run examines, and returns the lines.
func (x *examination) run(t *testing.T) []string {
	t.Helper()
	if err := x.examine(t.Context()); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, d := range x.found {
		lines = append(lines, d.String())
	}
	return lines
}

// listening looks at the listeners alone, with the tables of this machine's kernel, and
// returns the lines.
func (x *examination) listening(t *testing.T) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(x.conf)
	if err != nil || !x.readCorefile(text) {
		t.Fatal(err, x.found)
	}
	x.machine.root = "/"
	x.lookAtListeners(t.Context())
	for _, d := range x.found {
		lines = append(lines, d.String())
	}
	return lines
}

// wants checks that there is a line with each text, and nothing else that is wrong.
func wants(t *testing.T, lines []string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, text) }) {
			t.Errorf("no %q in\n%s", text, strings.Join(lines, "\n"))
		}
	}
	for _, l := range lines {
		if strings.HasPrefix(l, levelWrong) && !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(l, text) }) {
			t.Errorf("not expected: %s", l)
		}
	}
}

// well are the answers of a resolver that blocks own.example and a name of the built-in
// list.
func well() map[string]string {
	return map[string]string{"own.example. A": "EDE 17", firstListed() + ". A": "EDE 17", checkName + ". A": checkName + ". 60 IN A 127.0.0.1"}
}

// firstListed is the name of the built-in list that doctor tries.
func firstListed() string {
	l, err := builtinList()
	if err != nil {
		panic(err) // it is part of the program
	}
	for r := range l.Set.All() {
		return string(r.Name)
	}
	panic("the built-in list is empty")
}

// TestDoctorWell examines a resolver that is well, and asks nothing that it must not.
func TestDoctorWell(t *testing.T) {
	t.Parallel()
	p := &patient{answers: well()}
	up := &patient{}
	at := p.start(t)
	lines := healthy(t, conf(at, "list builtin\nblock own.example\nstate "+t.TempDir(), "forward . "+up.start(t))).run(t)
	wants(t, lines, "fine   resolver: it answers at "+at, "fine   filter: a name of list block is denied at "+at,
		"fine   filter: a name of list builtin is denied", "fine   upstream: ", "fine   clock: ", "fine   files: ", "fine   disk: ",
		"fine   list: builtin has 100 rules", "hint   device: doctor cannot see which devices use this resolver. 'nslookup filter-check.test'",
		"fine   bypass: canary is closed")
	for _, asked := range p.questions() {
		if strings.HasSuffix(asked, "+") && !strings.HasPrefix(asked, "use-application-dns.net.") && !strings.HasPrefix(asked, "mask.icloud.com.") {
			t.Errorf("asked with recursion: %s", asked)
		}
	}
	for _, asked := range up.questions() {
		if asked != ". NS+" && asked != checkName+". A+" && !strings.HasSuffix(asked, ".invalid. A+") {
			t.Errorf("asked of the resolver behind: %s", asked)
		}
	}
	if joined := strings.Join(lines, "\n"); strings.Contains(joined, firstListed()) {
		t.Errorf("a listed name is shown:\n%s", joined)
	}
}

// TestDoctorFilter has the resolver answer otherwise than it should.
func TestDoctorFilter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		test, properties, question, answer, want string
	}{
		{"not denied", "block own.example", "own.example. A", "own.example. 60 IN A 192.0.2.1", "wrong  filter: a name of list block is not denied at"},
		{"another reason", "block own.example", "own.example. A", "EDE 15", "wrong  filter: a name of list block is not denied at"},
		{"a list is not there", "block own.example", firstListed() + ". A", "NXDOMAIN", "wrong  filter: a name of list builtin is not denied at"},
		{"waits", "block own.example", checkName + ". A", "EDE 14", "waits for a list that was never there, and answers nothing that might be on it. 'nonudify fetch -conf"},
		{"shadow", "block own.example\naction shadow", "own.example. A", "", "hint   filter: listed names are counted and not blocked"},
		{"not this machine", "block own.example\nclients 10.0.0.0/8", "own.example. A", "", "hint   filter: this machine is none of those that are filtered"},
		{"excepted", "block own.example\nexcept 127.0.0.0/8", "own.example. A", "", "hint   filter: this machine is none of those that are filtered"},
		{"firefox", "block own.example", "use-application-dns.net. A", "use-application-dns.net. 60 IN A 192.0.2.1", "hint   bypass: Firefox may turn on DNS over HTTPS by itself, past this resolver. In a school or a family, 'bypass canary'"},
		{"apple", "block own.example", "mask.icloud.com. A", "", "hint   bypass: iPhones, iPads and Macs may use iCloud Private Relay"},
		{"bypass not in force", "block own.example\nbypass canary", "use-application-dns.net. A", "", "wrong  bypass: 'bypass canary' is not in force at"},
		{"no check name", "block own.example", checkName + ". A", "", "nobody answers for filter-check.test here"},
		{"no listener", "block own.example\nresolver dns.home.example", "_dns.resolver.arpa. SVCB", "", "wrong  discovery: devices are told of no encrypted listener"},
	} {
		t.Run(tt.test, func(t *testing.T) {
			p := &patient{answers: well()}
			p.answers[tt.question] = tt.answer
			up := &patient{}
			wants(t, healthy(t, conf(p.start(t), tt.properties, "forward . "+up.start(t))).run(t), tt.want)
		})
	}
}

// TestDoctorViews cannot tell what views decide.
func TestDoctorViews(t *testing.T) {
	t.Parallel()
	at, up := (&patient{answers: well()}).start(t), &patient{}
	wants(t, healthy(t, conf(at, "block own.example", "view a {\n expr true\n}\nforward . "+up.start(t))).run(t), "hint   filter: views decide who is filtered at "+at)
}

// TestDoctorPort has nobody, or another program, at the address of the resolver. Of none
// of them a listed name is asked.
func TestDoctorPort(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	nobody := nobodyAt(t)
	other := &patient{foreign: true}
	us := ""
	if runtime.GOOS == "linux" { // there it is known which program it is
		us = fmt.Sprintf("%.15s (process %d)", filepath.Base(os.Args[0]), os.Getpid())
	}
	for _, tt := range []struct{ at, want string }{
		{nobody, "wrong  resolver: it is not running: nobody answers at " + nobody + ", and no program listens there. Start it"},
		{silent.LocalAddr().String(), "wrong  port: " + silent.LocalAddr().String() + " is taken by " + us},
		{other.start(t), "which answers in the place of this resolver"},
	} {
		x := healthy(t, conf(tt.at, "block own.example", "forward . "+(&patient{}).start(t)))
		if tt.at == silent.LocalAddr().String() {
			x.patience = 100 * time.Millisecond // there is nothing to wait for
		}
		lines := x.listening(t)
		if us == "" && tt.at != nobody {
			wants(t, lines, "wrong  port: ")
			continue
		}
		wants(t, lines, tt.want)
	}
	if got := strings.Join(other.questions(), " "); got != "resolver.arpa. SOA" {
		t.Errorf("asked of another program: %s", got)
	}
}

// TestDoctorSilence says why an address cannot be listened at.
func TestDoctorSilence(t *testing.T) {
	t.Parallel()
	l := &listener{at: netip.MustParseAddrPort("127.0.0.1:53")}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)}, "wrong  permission: nobody answers at 127.0.0.1:53, and this user may not listen there. Start it as a service"},
		{errors.New("it rains"), "it cannot be listened at: it rains"},
	} {
		x := healthy(t, "")
		x.explainSilence(l, errors.New("timeout"), tt.err)
		if len(x.found) != 1 || !strings.Contains(x.found[0].String(), tt.want) {
			t.Errorf("%v: %v", tt.err, x.found)
		}
	}
	if !errors.Is(syscall.EACCES, fs.ErrPermission) {
		t.Error("EACCES is no lack of permission")
	}
}

// TestDoctorBind names what this machine does not have. Nothing is sent there.
func TestDoctorBind(t *testing.T) {
	t.Parallel()
	up := (&patient{}).start(t)
	x := healthy(t, ".:53 {\n bind 192.0.2.7 nowhere0\n nonudify\n forward . "+up+"\n}\n")
	x.machine.links = func() ([]link, error) {
		return []link{{name: "eth0", prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.7/24")}}}, nil
	}
	wants(t, x.run(t), "wrong  bind: no interface of this machine has the address 192.0.2.7", "wrong  bind: this machine has no network interface that is called nowhere0")
	if got := x.bound("eth0"); len(got) != 1 || got[0] != netip.MustParseAddr("198.51.100.7") {
		t.Errorf("bound to %v", got)
	}
}

// TestDoctorMachine has one thing of the machine be wrong.
func TestDoctorMachine(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	for _, tt := range []struct {
		test  string
		spoil func(*examination)
		want  string
	}{
		{"clock", func(x *examination) { x.env.now = func() time.Time { return time.Unix(1e9, 0) } }, "wrong  clock: the clock says 2001-09-09T01:46:40Z, and this program was made after"},
		{"files", func(x *examination) {
			x.machine.files = func() (int64, string, error) { return 256, "a program", nil }
		}, "wrong  files: a program may have 256 files open"},
		{"disk", func(x *examination) { x.machine.free = func(string) (int64, error) { return 1 << 20, nil } }, "wrong  disk: 1.0 MiB is free at " + state},
		{"built-in list", func(x *examination) { x.env.now = func() time.Time { return made().AddDate(2, 0, 0) } }, "wrong  list: list builtin has expired at"},
		{"built-in list soon", func(x *examination) {
			l, err := builtinList()
			if err != nil {
				t.Fatal(err)
			}
			x.env.now = func() time.Time { return l.Header.Expires.Add(-time.Hour) }
		}, "hint   list: list builtin expires at"},
	} {
		t.Run(tt.test, func(t *testing.T) {
			at, up := (&patient{answers: well()}).start(t), &patient{}
			x := healthy(t, conf(at, "list "+builtin.Name+"\nblock own.example\nstate "+state, "forward . "+up.start(t)))
			tt.spoil(x)
			wants(t, x.run(t), tt.want)
		})
	}
}

// TestDoctorUpstream has something be wrong with the resolver behind.
func TestDoctorUpstream(t *testing.T) {
	t.Parallel()
	nobody := nobodyAt(t)
	own := (&patient{answers: well()}).start(t)
	for _, tt := range []struct{ test, to, want string }{
		{"gone", nobody, "wrong  upstream: " + nobody + " does not answer: "},
		{"refuses", (&patient{answers: map[string]string{". NS": "REFUSED"}}).start(t), "refuses to look names up: REFUSED"},
		{"itself", own, "wrong  upstream: " + own + " is this resolver itself"},
		{"nobody's TLS", "tls://" + nobody, "wrong  upstream: " + nobody + " does not answer: "},
		{"an empty file", "/etc/resolv.conf", "wrong  upstream: /etc/resolv.conf names no resolver"},
		{"not tried", "https://192.0.2.1", "fine   upstream: https://192.0.2.1 is not tried"},
	} {
		t.Run(tt.test, func(t *testing.T) {
			wants(t, healthy(t, conf(own, "block own.example", "forward . "+tt.to)).run(t), tt.want)
		})
	}
	controller := (&patient{answers: map[string]string{". NS": "REFUSED", "school.example. SOA": "", "1.0.10.in-addr.arpa. SOA": "", "other.example. SOA": "REFUSED"}}).start(t)
	for _, tt := range []struct{ zone, want string }{
		{"school.example", "fine   upstream: " + controller + " answers"},
		{"SCHOOL.example.", "fine   upstream: " + controller + " answers"},
		{"10.0.1.0/24", "fine   upstream: " + controller + " answers"},
		{"other.example", "wrong  upstream: " + controller + " refuses to look up other.example: REFUSED"},
		{"third.example", "hint   upstream: " + controller + " knows no third.example. See"},
		{".", "wrong  upstream: " + controller + " refuses to look names up: REFUSED"},
	} {
		t.Run("of a zone, "+tt.zone, func(t *testing.T) {
			wants(t, healthy(t, conf(own, "block own.example", "forward "+tt.zone+" "+controller)).run(t), tt.want)
		})
	}
	t.Run("hijacks", func(t *testing.T) {
		wants(t, healthy(t, conf(own, "block own.example", "forward . "+startLiar(t))).run(t), "answers with addresses for names that do not exist")
	})
	for _, tt := range []struct{ test, zone, address, want string }{
		{"asks this one in turn", ".", "127.0.0.1", "asks this resolver in turn: what is not blocked goes round in a circle, and no site is found. If it is your router, take this machine out"},
		{"a filter of its own", ".", "192.0.2.80", "fine   upstream: "},
		{"a domain controller that asks this one", "school.example", "127.0.0.1", "hint   upstream: "},
	} {
		t.Run(tt.test, func(t *testing.T) {
			up := &patient{answers: map[string]string{checkName + ". A": checkName + ". 5 IN A " + tt.address}}
			wants(t, healthy(t, conf(own, "block own.example", "forward "+tt.zone+" "+up.start(t))).run(t), tt.want)
		})
	}
	t.Run("itself, stopped", func(t *testing.T) {
		wants(t, healthy(t, conf(nobody, "block own.example", "forward . "+nobody)).run(t), "wrong  resolver: it is not running", "wrong  upstream: "+nobody+" is this resolver itself")
	})
	t.Run("none", func(t *testing.T) {
		wants(t, healthy(t, conf(own, "block own.example", "")).run(t), "hint   upstream: no resolver is named")
	})
}

// TestZoneOf: the zone that forward is for, as doctor asks for it.
func TestZoneOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		".": ".", "School.Example": "school.example.", "10.0.0.0/8": "10.in-addr.arpa.", "172.16.0.0/12": "16.172.in-addr.arpa.", "0.0.0.0/0": "in-addr.arpa.",
		"192.0.2.7/32": "7.2.0.192.in-addr.arpa.", "2001:db8::/32": "8.b.d.0.1.0.0.2.ip6.arpa.",
	} {
		if got := zoneOf(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// startLiar starts a resolver to which every name exists.
func startLiar(t *testing.T) string {
	p := &patient{}
	return sourcetest.ResolverFunc(t, func(w dns.ResponseWriter, r *dns.Msg) {
		if q := r.Question[0]; q.Qtype == dns.TypeA {
			m := new(dns.Msg).SetReply(r)
			m.Answer = []dns.RR{record(q.Name + " 60 IN A 192.0.2.80")}
			_ = w.WriteMsg(m) // the test sees it
			return
		}
		p.ServeDNS(w, r)
	}).String()
}

// TestDoctorPage has nobody, or another program, where the help page should be.
func TestDoctorPage(t *testing.T) {
	t.Parallel()
	at, up := (&patient{answers: well()}).start(t), &patient{}
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	nobody := nobodyAt(t)
	there := strings.TrimPrefix(web.URL, "http://")
	wants(t, healthy(t, conf(at, "block own.example\npage "+nobody+" "+there, "forward . "+up.start(t))).run(t),
		"wrong  page: the help page does not answer at http://"+nobody+"/: ", " answers at http://"+there+"/ in the place of the help page")
}

// TestDoctorMetrics reads what the server itself says.
func TestDoctorMetrics(t *testing.T) {
	t.Parallel()
	at, up := (&patient{answers: well()}).start(t), &patient{}
	now := made().Add(24 * time.Hour)
	var text string
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }))
	defer web.Close()
	corefile := conf(at, "block own.example", "prometheus "+strings.TrimPrefix(web.URL, "http://")+"\nforward . "+up.start(t))
	for _, tt := range []struct{ line, want string }{
		{`list_failing{list="a",cause="shrunk"} 1`, "wrong  list: the resolver cannot use the source of list a: shrunk. Compare with 'nonudify diff'"},
		{`list_failing{cause="clock",list="a"} 1`, ": clock. Set the clock"},
		{`list_failing{list="a",cause="signature"} 1`, ": signature. Its publisher or a mirror is at fault"},
		{`list_failing{list="a",cause="network"} 1`, ": network. 'nonudify fetch -conf "},
		{`list_failing{list="a",cause="file"} 1`, ": file. Mend the file"},
		{`list_failing{list="a",cause="none"} 1`, "fine   resolver"},
		{`list_failing{list="a",cause="network"} 0`, "fine   resolver"},
		{`list_not_saved{list="a"} 1`, "wrong  state: the resolver could not save list a"},
		{`list_unread{list="a"} 1`, "wrong  disk: a copy of list a could not be read"},
		{fmt.Sprintf(`list_last_success_timestamp_seconds{list="a"} %g`, float64(now.Add(-25*time.Hour).Unix())), "wrong  list: the resolver has had no answer about list a for a day"},
		{fmt.Sprintf(`list_last_success_timestamp_seconds{list="a"} %g`, float64(now.Add(-23*time.Hour).Unix())), "fine   resolver"},
	} {
		text = "# HELP\ngo_goroutines 7\ncoredns_nonudify_page_requests_total 3\ncoredns_nonudify_" + tt.line + "\n"
		wants(t, healthy(t, corefile).run(t), tt.want)
	}
	web.Close()
	wants(t, healthy(t, corefile).run(t), "wrong  metrics: nobody tells the metrics at ")
}

// TestDoctorNetwork asks the server of a list for the time, with -network only.
func TestDoctorNetwork(t *testing.T) {
	s := newRemote(t, goodHeader+"badsite.example\nother.example\n")
	at, up := (&patient{answers: well()}).start(t), &patient{}
	state := t.TempDir()
	corefile := conf(at, s.property()+" refresh 1h\nblock own.example\nstate "+state, "forward . "+up.start(t))
	if code, _, stderr := tool(t, nil, "fetch", "-conf", write(t, "Corefile", corefile)); code != fine {
		t.Fatal(stderr)
	}
	asked := s.Count("/a.txt")
	patience := 3 * time.Second
	run := func(network bool, now time.Time) []string {
		x := healthy(t, corefile)
		x.patience = patience
		x.network, x.env.now = network, func() time.Time { return now }
		return x.run(t)
	}
	lines := run(false, time.Now())
	if s.Count("/a.txt") != asked || slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, " source: ") }) {
		t.Errorf("asked without -network: %q", lines)
	}
	if joined := strings.Join(run(true, time.Now()), "\n"); !strings.Contains(joined, "fine   source: 127.0.0.1:") {
		t.Error(joined)
	}
	if joined := strings.Join(run(true, time.Now().Add(time.Hour)), "\n"); !strings.Contains(joined, "wrong  clock: the clock differs by 1h0m0s from that of 127.0.0.1:") {
		t.Error(joined)
	}
	s.Set("/a.txt", sourcetest.Reply{Fault: sourcetest.Silent})
	patience = 300 * time.Millisecond
	if joined := strings.Join(run(true, time.Now()), "\n"); !strings.Contains(joined, "wrong  source: "+s.Plain("/a.txt")+" does not answer") {
		t.Error(joined)
	}
}

// TestDoctorHeld finds an edition that was not taken.
func TestDoctorHeld(t *testing.T) {
	s := newRemote(t, goodHeader+"a.example\nb.example\nc.example\nd.example\n")
	at, up := (&patient{answers: well()}).start(t), &patient{}
	corefile := conf(at, s.property()+"\nblock own.example\nstate "+t.TempDir(), "forward . "+up.start(t))
	path := write(t, "Corefile", corefile)
	tool(t, nil, "fetch", "-conf", path)
	s.publish(t, goodHeader+"a.example\n")
	if code, stdout, _ := tool(t, nil, "fetch", "-conf", path); code != finding {
		t.Fatal(stdout)
	}
	if joined := strings.Join(healthy(t, corefile).run(t), "\n"); !strings.Contains(joined, "wrong  list: an edition of a is held back: it has 1 entries instead of 4. Look at it with 'nonudify approve -state ") {
		t.Error(joined)
	}
}

// TestDoctorOwn looks whom this machine asks itself.
func TestDoctorOwn(t *testing.T) {
	t.Parallel()
	x := healthy(t, "")
	x.ours = []*listener{{at: netip.MustParseAddrPort("127.0.0.1:53"), any: true}}
	for text, want := range map[string]string{
		"nameserver 127.0.0.53\n": "fine   device: this machine asks this resolver",
		"nameserver 192.0.2.1\n":  "hint   device: this machine itself asks 192.0.2.1",
		"":                        "",
	} {
		file := filepath.Join(x.machine.root, "etc", "resolv.conf")
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
		x.found = nil
		x.lookAtOwn()
		if got := fmt.Sprint(x.found); want == "" && len(x.found) > 0 || !strings.Contains(got, want) {
			t.Errorf("%q: %s", text, got)
		}
	}
}

// TestDoctorLimits reaches what is bounded.
func TestDoctorLimits(t *testing.T) {
	t.Parallel()
	x := healthy(t, "")
	for i := range maxDiagnoses + 1 {
		x.fine("clock", "%d", i)
		x.fine("clock", "%d", i) // is said once
	}
	if len(x.found) != maxDiagnoses || x.found[1].Text != "1" {
		t.Errorf("%d diagnoses", len(x.found))
	}
	for i := range maxListeners + 1 {
		x.addListener(netip.AddrFrom4([4]byte{127, 0, 1, byte(i)}), 53, &server{})
	}
	if len(x.listeners) != maxListeners {
		t.Errorf("%d listeners", len(x.listeners))
	}
	var forward strings.Builder
	for i := range maxResolvers + 1 {
		fmt.Fprintf(&forward, " 127.0.2.%d", i)
	}
	var err error
	if x.blocks, err = parseCorefile(x.env, "Corefile", []byte(".:53 {\n nonudify\n forward ."+forward.String()+"\n}\n")); err != nil {
		t.Fatal(err)
	}
	if all, words := x.upstreams(); len(all) != maxResolvers || words != maxResolvers+1 {
		t.Errorf("%d resolvers of %d words", len(all), words)
	}

	s := server{}
	s.config = configWithLists(t, maxTried+1)
	if names, err := x.listed(context.Background(), &s); err != nil || len(names) != maxTried {
		t.Errorf("%d names, %v", len(names), err)
	}
}

// configWithLists returns a directive with some lists of a name each.
func configWithLists(t *testing.T, n int) *directive.Config {
	t.Helper()
	var properties strings.Builder
	for i := range n {
		fmt.Fprintf(&properties, "list %s name list%d\n", write(t, "list.txt", fmt.Sprintf("name%d.example\n", i)), i)
	}
	e := quietEnv(new(bytes.Buffer))
	parsed, err := parseCorefile(e, "Corefile", []byte(conf("127.0.0.1:53", properties.String(), "")))
	if err != nil {
		t.Fatal(err)
	}
	servers, err := e.serversOf("Corefile", parsed)
	if err != nil {
		t.Fatal(err)
	}
	return servers[0].config
}

// TestDoctorCertificate tells what came of a handshake.
func TestDoctorCertificate(t *testing.T) {
	t.Parallel()
	x := healthy(t, "")
	now := x.env.now()
	for _, tt := range []struct {
		expires time.Time
		err     error
		want    string
	}{
		{now.Add(certificateSoon), nil, "fine   discovery: 127.0.0.1:853 is dns.home.example until "},
		{now.Add(certificateSoon - time.Second), nil, "wrong  discovery: the certificate at 127.0.0.1:853 ends at "},
		{time.Time{}, errors.New("unknown authority"), "wrong  discovery: nobody can ask 127.0.0.1:853 as dns.home.example: unknown authority. Renew the certificate"},
	} {
		x.found = nil
		x.lookAtCertificate("discovery", "127.0.0.1:853", "dns.home.example", tt.expires, tt.err)
		if got := fmt.Sprint(x.found); !strings.Contains(got, tt.want) {
			t.Errorf("%v, %v: %s", tt.expires, tt.err, got)
		}
	}
}
