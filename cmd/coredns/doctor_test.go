//go:build unix

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// The tests in this file are about the first hour of somebody who installs the resolver:
// 'nonudify init', the start, and what 'nonudify doctor' says.

// honest is a resolver to which only names in .example and the two names by which programs
// look for a way round the filter exist, at an address of this machine.
type honest struct{}

func (honest) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	q := r.Question[0]
	m := new(dns.Msg).SetReply(r)
	m.RecursionAvailable = true
	switch name := strings.ToLower(q.Name); {
	case name == ".":
		m.Answer = rrs(". 60 IN NS a.root.example.")
	case strings.HasSuffix(name, ".example."), name == "use-application-dns.net.", name == "mask.icloud.com.":
		if q.Qtype == dns.TypeA {
			m.Answer = rrs(q.Name + " 60 IN A 127.0.0.1")
		}
	default:
		m.Rcode = dns.RcodeNameError
	}
	w.WriteMsg(m)
}

func rrs(text string) []dns.RR {
	rr, err := dns.NewRR(text)
	if err != nil {
		panic(err) // it stands in a test
	}
	return []dns.RR{rr}
}

// patient is a directory with a Corefile, and the resolver that runs with it.
type patient struct {
	t        *testing.T
	dir      string
	corefile string
	port     string
}

// tool runs the list tool, and returns its exit code and what it writes.
func (p *patient) tool(args ...string) (code int, out string) {
	p.t.Helper()
	resolver, err := binary()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(filepath.Dir(resolver), "nonudify"), args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "PORT="+p.port)
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// write writes the Corefile.
func (p *patient) write(text string) {
	p.t.Helper()
	if err := os.WriteFile(p.corefile, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// examine has doctor look at the Corefile. Of what it says, the age of the built-in list is
// left out: that is no fault of the test.
func (p *patient) examine() (code int, lines []string) {
	p.t.Helper()
	code, out := p.tool("doctor", "-all", "-user", "no-such-user", "-conf", p.corefile)
	lines = strings.Split(strings.TrimSpace(out), "\n")
	return code, slices.DeleteFunc(lines, func(l string) bool {
		return strings.Contains(l, "list builtin has expired") || strings.Contains(l, "list builtin expires")
	})
}

// wants checks that there is a line with each text, and that nothing else is wrong.
func (p *patient) wants(texts ...string) {
	p.t.Helper()
	code, lines := p.examine()
	sick := 0
	for _, l := range lines {
		if strings.HasPrefix(l, "wrong ") {
			sick = 1
			if !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(l, text) }) {
				p.t.Errorf("Not expected: %s", l)
			}
		}
	}
	for _, text := range texts {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, text) }) {
			p.t.Errorf("No %q", text)
		}
	}
	if code > 1 || code < sick {
		p.t.Errorf("Exit code %d", code)
	}
	if p.t.Failed() {
		p.t.Log(strings.Join(lines, "\n"))
	}
}

// newPatient returns a directory without a Corefile.
func newPatient(t *testing.T) *patient {
	dir := t.TempDir()
	return &patient{t: t, dir: dir, corefile: filepath.Join(dir, "Corefile"), port: "53"}
}

// runnable changes a Corefile so that it can be run beside others: its ports are free ones,
// and addresses of other machines are on loopback.
func (p *patient) runnable(text string) string {
	for _, fixed := range []string{"127.0.0.1:8181", "127.0.0.1:9153", "127.0.0.1:8080"} {
		text = strings.ReplaceAll(text, fixed, freeAddress(p.t))
	}
	if !hasIPv6() {
		text = strings.ReplaceAll(text, " ::1", "")
	}
	return strings.NewReplacer("\n.:53 {", "\n.:{$PORT} {", "lameduck 20s", "lameduck 1ms", "203.0.113.5", "127.0.0.3", " 2001:db8::53", "").Replace(text)
}

// TestInitStarts starts every Corefile that init writes, and has doctor look at it.
func TestInitStarts(t *testing.T) {
	const key = "RWSf5258y0ESQdZf/tJenqEkOyjY3X96AlguNOQgNO6AMexVXsYiNWVH"
	well := []string{"filter: a name of list block is denied at 127.0.0.1:", "filter: a name of list builtin is denied at 127.0.0.", "upstream: 127.0.0.1:", "state can be written", "'nslookup filter-check.test' must find"}
	page, shadow := "page: the help page is at http://127.0.0.", "hint   filter: listed names are counted and not blocked"
	closed, open := "fine   bypass: canary is closed", "hint   bypass: Firefox may turn on DNS over HTTPS by itself"
	for _, tt := range []struct {
		test string
		args []string
		want []string
	}{
		{"family", []string{"-listen", "127.0.0.2", "-country", "AT", "-language", "de", "-contact", "mailto:us@home.example", "family"}, append([]string{page, open}, well...)},
		{"family without a page", []string{"-listen", "127.0.0.2", "-page", "off", "family"}, append([]string{open}, well...)},
		{"family in the open", []string{"-listen", "203.0.113.5", "-page", "off", "family"}, well},
		{"school", []string{"-listen", "127.0.0.2", "-organization", "Example School", "-contact", "mailto:it@school.example", "school"}, append([]string{page, closed}, well...)},
		{"school with groups", []string{"-listen", "127.0.0.2", "-staff", "127.1.0.0/16", "-guests", "127.2.0.0/16", "-guests", "127.3.0.0/16", "school"}, append([]string{page, closed}, well...)},
		{"provider", []string{"-listen", "127.0.0.2", "-listen", "2001:db8::53", "-contact", "mailto:dns@isp.example", "isp"}, []string{shadow, "upstream: 127.0.0.1:"}},
		{"provider with a list", []string{"-listen", "127.0.0.2", "-list", "https://lists.example/nudify.txt", "-key", key, "isp"},
			[]string{shadow, "wrong  list: nudify is not there: no copy in ", "wrong  list: the resolver says: List nudify: it could not be had yet ("}},
	} {
		t.Run(tt.test, func(t *testing.T) {
			p := newPatient(t)
			args := append([]string{"init", "-o", p.dir, "-state", filepath.Join(p.dir, "state"), "-upstream", serveBoth(t, honest{})}, tt.args...)
			if !slices.Contains(tt.args, "off") && !slices.Contains(tt.args, "isp") {
				args = slices.Insert(args, 1, "-page", freeAddress(t))
			}
			if code, out := p.tool(args...); code != 0 {
				t.Fatalf("Exit code %d: %s", code, out)
			}
			if code, out := p.tool("check", "-conf", p.corefile, "filter-blocked.test"); code != 1 {
				t.Errorf("Exit code %d: %s", code, out)
			}
			text, err := os.ReadFile(p.corefile)
			if err != nil {
				t.Fatal(err)
			}
			p.write(p.runnable(string(text)))
			p.port = run(t, p.corefile).port
			p.wants(tt.want...)
			p.tried()
		})
	}
}

// tried asks as a device would: the name to check with has an address of this machine, and
// no other type of record; all else is asked of the resolver behind.
func (p *patient) tried() {
	p.t.Helper()
	for question, want := range map[string]string{"filter-check.test. A": "127.0.0.", "filter-check.test. MX": "", "www.example. A": "127.0.0.1"} {
		name, qtype, _ := strings.Cut(question, " ")
		reply, err := dns.Exchange(new(dns.Msg).SetQuestion(name, dns.StringToType[qtype]), net.JoinHostPort("127.0.0.1", p.port))
		if err != nil || reply.Rcode != dns.RcodeSuccess || (want == "") != (len(reply.Answer) == 0) || want != "" && !strings.Contains(reply.Answer[0].String(), want) {
			p.t.Errorf("%s: %v\n%v", question, err, reply)
		}
	}
}

// TestDoctor has one thing be wrong with a resolver that runs.
func TestDoctor(t *testing.T) {
	behind := serveBoth(t, honest{})
	certificates := t.TempDir()
	certify(t, certificates)
	block := func(properties, more string) string {
		return fmt.Sprintf(".:{$PORT} {\n bind 127.0.0.1\n nonudify {\n  %s\n }\n forward . %s\n %s\n}\n", properties, behind, more)
	}
	encrypted := func(name string) string {
		return strings.Replace(block("resolver "+name, "tls "+certificates+"/certificate.pem "+certificates+"/key.pem"), " {", " tls://.:"+freePort(t)+" {", 1)
	}
	for _, tt := range []struct {
		test, runs string
		now        string // the Corefile that doctor is given, if it is another
		want       []string
	}{
		{"another Corefile", block("list builtin", ""), block("block other.example\nbypass private-relay", ""),
			[]string{"wrong  filter: a name of list block is not denied at 127.0.0.1:", "wrong  bypass: 'bypass private-relay' is not in force at "}},
		{"a zone without the filter", block("block own.example", "") + "example:{$PORT} {\n bind 127.0.0.1\n forward . " + behind + "\n}\n", "",
			[]string{"fine   filter: a name of list builtin is denied"}},
		{"waits for a list", block("list http://127.0.0.1:1/a.txt key RWSf5258y0ESQdZf/tJenqEkOyjY3X96AlguNOQgNO6AMexVXsYiNWVH\nstart wait", ""), "",
			[]string{"wrong  filter: 127.0.0.1:", "wrong  state: no directory keeps the lists that come over the network"}},
		{"a list that never came", block("block own.example\nlist https://127.0.0.1:1/a.txt\nstart open\nstate {$STATE}\nstatus unix:{$STATE}/s", ""), "",
			[]string{"wrong  list: the resolver says: List a: it could not be had yet (", "wrong  list: a is not there: no copy in "}},
		{"tells of itself", block("block own.example\nlist builtin\nstatus "+freeAddress(t), ""), "", []string{"fine   status: the resolver tells how its lists are"}},
		{"tells nothing", block("block own.example", ""), "", []string{"hint   status: the resolver does not tell how its lists are"}},
		{"encrypted", encrypted(serverName), "", []string{"wrong  discovery: the certificate at 127.0.0.1:"}}, // which is for a day
		{"a certificate for another name", encrypted("other.example"), "", []string{"wrong  discovery: nobody can ask 127.0.0.1:"}},
		{"no encrypted listener", block("resolver "+serverName, ""), "", []string{"wrong  discovery: devices are told of no encrypted listener"}},
	} {
		t.Run(tt.test, func(t *testing.T) {
			p := newPatient(t)
			tt.runs = strings.ReplaceAll(tt.runs, "{$STATE}", p.dir)
			p.write(tt.runs)
			p.port = run(t, p.corefile).port
			if tt.now != "" {
				p.write(tt.now)
			}
			p.wants(tt.want...)
		})
	}
}

// TestDoctorTaken has another program where the resolver should be.
func TestDoctorTaken(t *testing.T) {
	p := newPatient(t)
	_, p.port, _ = net.SplitHostPort(serveBoth(t, honest{}))
	p.write(".:{$PORT} {\n bind 127.0.0.1\n nonudify\n forward . " + serveBoth(t, honest{}) + "\n}\n")
	p.wants("wrong  port: 127.0.0.1:" + p.port + " is taken by ")
}
