//go:build unix

package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The tests in this file hold docs/isp.md against the programs that it is about.

// guideBlocks returns what stands in a guide between fences that name a language.
func guideBlocks(t *testing.T, guide, language string) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + guide)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("%s shows nothing in the language %s", guide, language)
	}
	return blocks
}

// guideBlock returns the one of these blocks that has a text in it.
func guideBlock(t *testing.T, guide, language, text string) string {
	t.Helper()
	for _, b := range guideBlocks(t, guide, language) {
		if strings.Contains(b, text) {
			return b
		}
	}
	t.Fatalf("%s shows nothing with %q", guide, text)
	return ""
}

// swapped replaces what stands in a text, which must be there.
func swapped(t *testing.T, text string, oldnew ...string) string {
	t.Helper()
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(text, oldnew[i]) {
			t.Fatalf("The guide does not say %q any more:\n%s", oldnew[i], text)
		}
	}
	return strings.NewReplacer(oldnew...).Replace(text)
}

// expected finds a program that make setup installs, or that is here by chance.
func expected(t *testing.T, program string) string {
	t.Helper()
	setup, err := os.ReadFile("../../deploy/setup.sh")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath(program); err != nil && !strings.Contains(string(setup), "need "+program+" ") {
		t.Skipf("%s is not installed, and make setup does not install it", program)
	}
	return installed(t, program)
}

// verdictOn asks a server for a name, as a client that has an address, and says what
// came of it: "NXDOMAIN 17" with an extended error.
func verdictOn(network, server, client, name string) string {
	var from net.Addr = &net.UDPAddr{IP: net.ParseIP(client)}
	if network == "tcp" {
		from = &net.TCPAddr{IP: net.ParseIP(client)}
	}
	c := dns.Client{Net: network, Timeout: 10 * time.Second, Dialer: &net.Dialer{LocalAddr: from}}
	reply, _, err := c.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA).SetEdns0(1232, false), server)
	if err != nil {
		return err.Error()
	}
	said := []string{dns.RcodeToString[reply.Rcode]}
	if e := reply.IsEdns0(); e != nil {
		for _, o := range e.Option {
			if ede, ok := o.(*dns.EDNS0_EDE); ok {
				said = append(said, fmt.Sprint(ede.InfoCode))
			}
		}
	}
	return strings.Join(said, " ")
}

// guideFiles writes files for a Corefile of the guide and returns their directory.
func guideFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestOneAddressForEverybody: an order of a court holds for all, the filter for those
// who have asked for it, and both say why. Whoever is denied asks nobody behind.
func TestOneAddressForEverybody(t *testing.T) {
	up := newUpstream(t)
	dir := guideFiles(t, map[string]string{"nudify.txt": "badsite.example\n", "orders.txt": "ordered.example\n", "optin.clients": "127.0.4.0/24\n"})
	front, back := freePort(t), freePort(t)
	corefile := swapped(t, guideBlock(t, "isp.md", "corefile", ":5300"), ".:53 {", ".:"+front+" {", ":5300", ":"+back, "bind 192.0.2.53", "bind 127.0.0.1",
		"192.0.2.10 192.0.2.11", up.addr, "/etc/coredns", dir, "127.0.0.1:8181", "127.0.0.1:0", "127.0.0.1:9153", "127.0.0.1:0")
	i := start(t, corefile)
	defer stop(i)
	server := net.JoinHostPort("127.0.0.1", front)
	for _, c := range []struct{ client, name, want string }{
		{"127.0.4.1", "www.badsite.example.", "NXDOMAIN 17"},
		{"127.0.5.1", "www.badsite.example.", "NOERROR"},
		{"127.0.4.1", "www.ordered.example.", "NXDOMAIN 16"},
		{"127.0.5.1", "www.ordered.example.", "NXDOMAIN 16"},
		{"127.0.5.1", "www.ordered.example.", "NXDOMAIN 16"}, // once more: no cache has lost it
		{"127.0.4.1", "good.example.", "NOERROR"},
	} {
		for _, network := range []string{"udp", "tcp"} {
			if got := verdictOn(network, server, c.client, c.name); got != c.want {
				t.Errorf("%s for %s over %s: %s, want %s", c.name, c.client, network, got, c.want)
			}
		}
	}
	for _, name := range up.asked() {
		if strings.Contains(name, "ordered") {
			t.Errorf("The upstream was asked for %s", name)
		}
	}
}

// TestBehindDnsdist: dnsdist sends those who have asked for it to the filter, and
// tells it who they are.
func TestBehindDnsdist(t *testing.T) {
	d := newPeer(t, expected(t, "dnsdist"))
	up := newUpstream(t)
	dir := guideFiles(t, map[string]string{"nudify.txt": "badsite.example\n", "paused.clients": "127.0.4.9\n"})
	port := freePort(t)
	corefile := swapped(t, guideBlock(t, "isp.md", "corefile", "proxyproto"), ".:53 {", ".:"+port+" {", "bind 192.0.2.53", "bind 127.0.0.1", "allow 192.0.2.40/32", "allow 127.0.0.1/32",
		"192.0.2.10 192.0.2.11\n    }\n    cache", up.addr+"\n    }\n    cache", "forward . 192.0.2.10 192.0.2.11", "forward . "+up.addr,
		"/etc/coredns", dir, "/var/lib/nonudify", filepath.Join(dir, "state"), "127.0.0.1:8181", "127.0.0.1:0", "127.0.0.1:9153", "127.0.0.1:0")
	corefile = regexp.MustCompile(`list https.*`).ReplaceAllString(corefile, "list "+filepath.Join(dir, "nudify.txt"))
	i := start(t, corefile)
	defer stop(i)
	config := swapped(t, guideBlocks(t, "isp.md", "dnsdist")[0], "192.0.2.40:53", d.addr(), "192.0.2.10:53", up.addr, "192.0.2.11:53", up.addr,
		"192.0.2.53:53", net.JoinHostPort("127.0.0.1", port), "192.0.2.55:53", net.JoinHostPort("127.0.0.1", port), `"198.51.100.0/24"`, `"127.0.4.0/24"`)
	path := d.write("dnsdist.conf", "setSecurityPollSuffix('')\n"+config)
	if out, err := exec.Command(d.name, "--check-config", "--config", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	d.start(nil, "--supervised", "--disable-syslog", "--config", path)
	for _, c := range []struct{ client, name, want string }{
		{"127.0.4.1", "www.badsite.example.", "NXDOMAIN 17"},
		{"127.0.4.9", "www.badsite.example.", "NOERROR"}, // has paused the filter
		{"127.0.5.1", "www.badsite.example.", "NOERROR"},
		{"127.0.4.1", "filter-blocked.isp.example.", "NXDOMAIN 17"},
		{"127.0.4.1", "good.example.", "NOERROR"},
		{"127.0.5.1", "good.example.", "NOERROR"},
	} {
		err := poll(func() error { // until dnsdist has seen that the servers are up
			for _, network := range []string{"udp", "tcp"} {
				if got := verdictOn(network, d.addr(), c.client, c.name); got != c.want {
					return fmt.Errorf("%s for %s over %s: %s, want %s", c.name, c.client, network, got, c.want)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestRoute has BIRD read its configuration, and sh the scripts around it.
func TestRoute(t *testing.T) {
	dir := t.TempDir()
	for i, script := range guideBlocks(t, "isp.md", "sh") {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, []byte(script), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("sh", "-n", path).CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, script)
		}
	}
	bird := expected(t, "bird")
	for i, config := range guideBlocks(t, "isp.md", "bird") {
		path := filepath.Join(dir, fmt.Sprint(i, ".conf"))
		if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(bird, "-p", "-c", path).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// TestRouteCheck runs the check that a route hangs on: it fails when the filter does
// not act, unless that is meant so, and when nobody answers.
func TestRouteCheck(t *testing.T) {
	installed(t, "curl")
	installed(t, "dig")
	up := newUpstream(t)
	dir, port, ready := t.TempDir(), freePort(t), freeAddress(t)
	script := swapped(t, guideBlock(t, "isp.md", "sh", "nonudify-check: exit 0"), "192.0.2.53 192.0.2.54", "127.0.0.1", `"@$address"`, `-p `+port+` "@$address"`, "/etc/coredns", dir, "127.0.0.1:8181", ready)
	check := func(state string, want int) {
		t.Helper()
		cmd := exec.Command("sh", "-c", script)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("%s: the check ends with %d, want %d\n%s", state, got, want, out)
		}
	}
	serve := func(more string) func() {
		i := start(t, fmt.Sprintf(".:%s {\n bind 127.0.0.1\n ready %s\n nonudify {\n  block filter-blocked.isp.example\n %s\n }\n forward . %s\n}\n", port, ready, more, up.addr))
		return func() { stop(i) }
	}
	check("nobody is there", 1)
	end := serve("")
	check("it filters", 0)
	end()
	defer serve("action shadow")()
	check("it filters nothing", 1)
	if err := os.WriteFile(filepath.Join(dir, "filter-off"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	check("it is off on purpose", 0)
}

// TestSeeItRefuse: of the editions of the guide, the first is taken, and each of the
// others is refused for what the guide says.
func TestSeeItRefuse(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "www"), 0o755); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(dir, "www"))))
	defer web.Close()
	script := guideBlock(t, "isp.md", "sh", "nonudify keygen")
	want := regexp.MustCompile(`take +# (.*)`).FindAllStringSubmatch(script, -1)
	cmd := exec.Command("sh", "-c", swapped(t, script, "http://127.0.0.1:8000", web.URL))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(toolPath(t))+":"+os.Getenv("PATH"))
	out, _ := cmd.CombinedOutput() // the last is refused
	got := regexp.MustCompile(`(?m)nudify\.txt: (new|refused\n +cause +\w+)$`).FindAllStringSubmatch(string(out), -1)
	if len(got) != len(want) || len(want) < 5 {
		t.Fatalf("%d editions were judged, and the guide has %d:\n%s", len(got), len(want), out)
	}
	for i := range got {
		if said := regexp.MustCompile(`\n +cause +`).ReplaceAllString(got[i][1], ": "); said != want[i][1] {
			t.Errorf("Edition %d: %s, want %s\n%s", i+1, said, want[i][1], out)
		}
	}
}
