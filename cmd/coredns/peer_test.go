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
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/miekg/dns"
)

// The tests whose files are called peer*_test.go have programs of others as
// clients of the resolver, as resolvers that forward to it, and as its upstreams.
// All run as children of the test, on loopback.

// peer is a program that serves DNS while a test runs.
type peer struct {
	t    *testing.T
	name string // of the program
	dir  string
	host string
	port string
	out  *syncBuffer // of all its lives
	cmd  *exec.Cmd   // nil: it is not running
}

// newPeer returns a peer that is not running yet, on a free port. It ends with the
// test.
func newPeer(t *testing.T, program string) *peer {
	t.Helper()
	p := &peer{t: t, name: installed(t, program), dir: t.TempDir(), host: "127.0.0.1", port: freePort(t), out: &syncBuffer{}}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s:\n%s", p.name, p.out)
		}
	})
	return p
}

func (p *peer) addr() string { return net.JoinHostPort(p.host, p.port) }

// write writes a file into the peer's directory and returns its path.
func (p *peer) write(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// start runs the peer and waits until it answers, whatever the answer is.
func (p *peer) start(env []string, args ...string) {
	p.t.Helper()
	p.startUntil(dns.Question{Name: "id.server.", Qtype: dns.TypeTXT}, 0, env, args...)
}

// startUntil runs the peer and waits until its answer to a question has at least so
// many records.
func (p *peer) startUntil(q dns.Question, records int, env []string, args ...string) {
	p.t.Helper()
	cmd := exec.Command(p.name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = p.out, p.out
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.cmd = cmd
	err := poll(func() error {
		m, err := p.ask(new(dns.Msg).SetQuestion(q.Name, q.Qtype), "tcp")
		if err == nil && len(m.Answer) < records {
			err = fmt.Errorf("not ready yet: %v", m)
		}
		return err
	})
	switch {
	case err == nil:
	case os.Getenv("CI") == "" && strings.Contains(strings.ToLower(p.out.String()), "permission denied"):
		p.t.Skipf("%s may not read %s; AppArmor or the like confines it", p.name, p.dir)
	default:
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// kill ends the peer as a power cut would.
func (p *peer) kill() {
	if p.cmd == nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGKILL)
	p.cmd.Wait()
	p.cmd = nil
}

// ask sends one query. Whatever of it a validating peer has to look up first may
// take a while on a busy machine.
func (p *peer) ask(m *dns.Msg, network string) (*dns.Msg, error) {
	c := dns.Client{Net: network, Timeout: 10 * time.Second, UDPSize: 4096}
	reply, _, err := c.Exchange(m, p.addr())
	return reply, err
}

// outcome asks a question as a stub resolver does that wants to know whether the
// answer was validated, and says what came of it: "denied" if there is no such
// name or no data, "failed", or the address, and whether it was validated. Shown
// is the same with codes.
func (p *peer) outcome(q question) (outcome, shown string) {
	m := new(dns.Msg).SetQuestion(q.name, q.qtype).SetEdns0(1232, false)
	m.AuthenticatedData = true
	reply, err := p.ask(m, "udp")
	if err != nil {
		return err.Error(), err.Error()
	}
	return outcomeOf(reply)
}

func outcomeOf(reply *dns.Msg) (outcome, shown string) {
	facts := describe(reply)
	outcome, shown = facts["a"]+facts["aaaa"], dns.RcodeToString[reply.Rcode]
	switch {
	case reply.Rcode == dns.RcodeServerFailure:
		outcome = "failed"
	case len(reply.Answer) == 0 && (reply.Rcode == dns.RcodeNameError || reply.Rcode == dns.RcodeSuccess):
		outcome = "denied"
	case outcome == "":
		outcome = facts["answers"] + " records"
	}
	if reply.AuthenticatedData {
		outcome += " validated"
	}
	switch {
	case facts["ede"] != "":
		shown += " EDE " + facts["ede"]
	case len(reply.Answer) > 0:
		shown = ""
	}
	if outcome != "denied" && outcome != "failed" {
		shown = strings.TrimSpace(outcome + " " + shown)
	}
	return outcome, shown
}

// table collects what peers were asked and what they answered.
type table struct{ rows [][3]string }

func (a *table) add(peer, question, outcome string) {
	a.rows = append(a.rows, [3]string{peer, question, outcome})
}

// judge adds what was found fine, or what is wrong, which fails the test.
func (a *table) judge(t *testing.T, peer, question, fine string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %s: %v", peer, question, err)
		fine = "WRONG"
	}
	a.add(peer, question, fine)
}

// log prints the table: one line a question, one column a peer.
func (a *table) log(t *testing.T) {
	t.Helper()
	var peers, questions []string
	cells := map[[2]string]string{}
	for _, row := range a.rows {
		if !slices.Contains(peers, row[0]) {
			peers = append(peers, row[0])
		}
		if !slices.Contains(questions, row[1]) {
			questions = append(questions, row[1])
		}
		cells[[2]string{row[0], row[1]}] = row[2]
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "question\t"+strings.Join(peers, "\t"))
	for _, q := range questions {
		fmt.Fprint(w, q)
		for _, p := range peers {
			fmt.Fprint(w, "\t"+cells[[2]string{p, q}])
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	t.Log("\n" + b.String())
}
