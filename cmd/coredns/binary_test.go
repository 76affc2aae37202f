//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/builtin"
)

// The tests in this file are about the program as a stranger meets it: built,
// started with a Corefile, asked by dig and kdig, signalled.

// apart is set, to the path of the resolver, in a process that has a network of
// its own.
const apart = "NONUDIFY_TEST_APART"

// binary builds the resolver once.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(apart); path != "" {
		return path, nil
	}
	path := filepath.Join(scratch, "coredns")
	out, err := build(path).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// build is the Makefile's way to build the resolver.
func build(path string) *exec.Cmd {
	return exec.Command("make", "-C", "../..", "build", "BIN="+filepath.Dir(path), "VERSION=test")
}

// process is a running resolver.
type process struct {
	cmd  *exec.Cmd
	port string
	out  *syncBuffer
}

// syncBuffer is what a process has printed so far.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// run starts the binary with a Corefile and waits until it serves.
func run(t *testing.T, corefile string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return started(t, exec.Command(path, "-conf", corefile))
}

// started starts a command that is a resolver and waits until it serves.
func started(t *testing.T, command *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: command, port: freePort(t), out: &syncBuffer{}}
	p.cmd.Env = append(os.Environ(), "PORT="+p.port)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Signal(syscall.SIGTERM)
		p.cmd.Wait()
		if t.Failed() {
			t.Log(p.out)
		}
	})
	p.wait(t)
	return p
}

// wait returns once the resolver answers.
func (p *process) wait(t *testing.T) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		c := dns.Client{Net: "tcp", Timeout: time.Second}
		if _, _, err := c.Exchange(new(dns.Msg).SetQuestion("blocked.example.", dns.TypeA), net.JoinHostPort("127.0.0.1", p.port)); err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatal("The resolver does not answer:\n" + p.out.String())
		case <-again.C:
		}
	}
}

// example is the Corefile of "make run", on the port in PORT and for the
// addresses that this machine has.
func example(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../corefile.example")
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(".:1053 "), []byte(".:{$PORT} "), 1)
	text = bytes.Replace(text, []byte("page 127.0.0.1:8080 [::1]:8080"), []byte("page "+freeAddress(t)), 1) // its own may be taken
	if !hasIPv6() {
		t.Log("This machine has no IPv6 loopback address: IPv4 only")
		text = bytes.Replace(text, []byte(" ::1"), nil, 1)
	}
	file := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// client returns the output of a DNS client, or skips the test where there is
// none; setup installs it.
func client(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed: %v", name, err)
		}
		t.Skipf("%s is not installed (make setup)", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// builtinNames returns the names of the built-in list.
func builtinNames() []string {
	var names []string
	for line := range strings.Lines(string(builtin.List())) {
		if name, _, _ := strings.Cut(strings.TrimSpace(line), " "); name != "" && name != "#" {
			names = append(names, name)
		}
	}
	return names
}

// TestClients asks the running binary with dig and kdig, over UDP and TCP, IPv4
// and IPv6.
func TestClients(t *testing.T) {
	p := run(t, example(t))
	servers := []string{"127.0.0.1"}
	if hasIPv6() {
		servers = append(servers, "::1")
	}
	want := []*regexp.Regexp{
		regexp.MustCompile(`(?i)status: NXDOMAIN`),
		regexp.MustCompile(`(?mi)^BlocKed\.example\.\s+60\s+IN\s+SOA\s+blocked\.invalid\. hostmaster\.blocked\.invalid\.`),
		regexp.MustCompile(`17 \(Filtered\)`),
	}
	for _, server := range servers {
		for _, transport := range []string{"+notcp", "+tcp"} {
			for _, name := range []string{"dig", "kdig"} {
				t.Run(name+transport+server, func(t *testing.T) {
					out := client(t, name, "@"+server, "-p", p.port, transport, "+edns=0", "www.BlocKed.example", "HTTPS")
					for _, re := range want {
						if !re.MatchString(out) {
							t.Errorf("%v is not in\n%s", re, out)
						}
					}
				})
			}
		}
	}
}

// TestBuiltin has dig ask for every name of the built-in list.
func TestBuiltin(t *testing.T) {
	p := run(t, example(t))
	names := builtinNames()
	if len(names) != 100 {
		t.Fatalf("The built-in list holds %d names, want 100", len(names))
	}
	batch := filepath.Join(t.TempDir(), "names")
	if err := os.WriteFile(batch, []byte(strings.Join(names, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := client(t, "dig", "@127.0.0.1", "-p", p.port, "-f", batch, "+noall", "+comments")
	if got := strings.Count(out, "status: NXDOMAIN"); got != len(names) {
		t.Errorf("%d of %d names are denied\n%s", got, len(names), out)
	}
}

// TestBuiltinEveryWay asks for every built-in name, mixed in letter case and as
// sub-name, for every type that could lead somewhere, with and without EDNS,
// DO and CD. Nothing of it may be asked upstream.
func TestBuiltinEveryWay(t *testing.T) {
	up := newUpstream(t)
	corefile := filepath.Join(t.TempDir(), "Corefile")
	text := fmt.Sprintf(".:{$PORT} {\n bind 127.0.0.1\n nonudify\n cache\n forward . %s\n}\n", up.addr)
	if err := os.WriteFile(corefile, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p := run(t, corefile)
	conn, err := dns.Dial("udp", net.JoinHostPort("127.0.0.1", p.port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	types := []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeSVCB, dns.TypeMX, dns.TypeTXT, dns.TypeNS,
		dns.TypeSOA, dns.TypeDS, dns.TypeDNSKEY, dns.TypeCAA, dns.TypeANY}
	asked := 0
	for _, name := range builtinNames() {
		for _, qname := range []string{name, mixedCase(name), "www." + name, "_443._tcp.A.B." + name} {
			for _, qtype := range types {
				for _, m := range everyFlag(qname, qtype) {
					if err := denied(conn, m); err != nil {
						t.Errorf("%s %s: %v", qname, dns.TypeToString[qtype], err)
					}
					asked++
				}
			}
		}
	}
	t.Logf("%d queries denied", asked)
	for _, name := range up.asked() {
		if name != "." && name != "blocked.example." { // a health check, and what run waits for
			t.Errorf("The upstream was asked for %s", name)
		}
	}
}

// denied asks one query and returns why its answer is no denial.
func denied(conn *dns.Conn, m *dns.Msg) error {
	reply, err := exchangeOn(conn, m)
	switch {
	case err != nil:
		return err
	case reply.Rcode != dns.RcodeNameError || len(reply.Answer) > 0 || len(reply.Ns) != 1:
		return fmt.Errorf("got %v", reply)
	}
	return proper(reply, m)
}

// TestReload changes the Corefile between queries, by SIGUSR1 and for the reload
// plugin to find: no query may be lost, and the new Corefile must come into
// force. Not both in one process: the signal ends the plugin's watching
// (coredns/coredns#6263).
func TestReload(t *testing.T) {
	for name, tt := range map[string]struct {
		property string
		rounds   int
		nudge    func(*process) error
	}{
		"signal": {"", 5, func(p *process) error { return p.cmd.Process.Signal(syscall.SIGUSR1) }},
		"plugin": {"reload 2s 1s", 1, func(*process) error { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			corefile := filepath.Join(t.TempDir(), "Corefile")
			set := func(action string) {
				text := fmt.Sprintf(".:{$PORT} {\n bind 127.0.0.1\n %s\n nonudify {\n block blocked.example\n action %s\n }\n}\n", tt.property, action)
				if err := os.WriteFile(corefile+".new", []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(corefile+".new", corefile); err != nil { // never half a Corefile
					t.Fatal(err)
				}
			}
			set("nxdomain")
			p := run(t, corefile)
			for range tt.rounds {
				for _, step := range []struct {
					action string
					want   int
				}{{"nodata", dns.RcodeSuccess}, {"nxdomain", dns.RcodeNameError}} {
					set(step.action)
					if err := tt.nudge(p); err != nil {
						t.Fatal(err)
					}
					p.untilRcode(t, step.want)
				}
			}
		})
	}
}

// TestSize holds the stripped program to the size that small routers can take.
func TestSize(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	const limit = 23e6
	t.Logf("%d bytes", info.Size())
	if info.Size() > limit {
		t.Errorf("The resolver has grown to %d bytes, over %.0f", info.Size(), float64(limit))
	}
}

// untilRcode asks until the answer has the given code; each query must get one.
func (p *process) untilRcode(t *testing.T, want int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		c := dns.Client{Timeout: 5 * time.Second}
		reply, _, err := c.Exchange(new(dns.Msg).SetQuestion("blocked.example.", dns.TypeA), net.JoinHostPort("127.0.0.1", p.port))
		if err != nil {
			t.Fatalf("A query was lost: %v", err)
		}
		if reply.Rcode == want {
			return
		}
	}
	t.Fatal("The new Corefile did not come into force:\n" + p.out.String())
}

// TestBadCorefile checks that the program says what is wrong, where, and stops.
func TestBadCorefile(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	tests := []struct{ name, body, want string }{
		{"unknown", "nonudify {\n nonsense yes\n}", "Corefile:3 - Error during parsing: unknown property 'nonsense'"},
		{"missing list", "nonudify {\n list " + dir + "/absent.txt\n}", "absent.txt: no such file or directory"},
		{"public suffix", "nonudify {\n block co.uk\n}", "Corefile:3 - Error during parsing: 'co.uk': a public suffix is never blocked"},
		{"twice", "nonudify\n nonudify", "can only be used once per Server Block"},
		{"bad ttl", "nonudify {\n ttl soon\n}", "Corefile:3 - Error during parsing: bad ttl 'soon'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			corefile := filepath.Join(t.TempDir(), "Corefile")
			if err := os.WriteFile(corefile, []byte(".:"+freePort(t)+" {\n"+tt.body+"\n}\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			out, err := exec.CommandContext(ctx, path, "-conf", corefile).CombinedOutput()
			if err == nil || ctx.Err() != nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("Ended with %v, printed\n%s\nwant %q", err, out, tt.want)
			}
		})
	}
}
