package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// lookUp asks a server over UDP.
func lookUp(t *testing.T, name string, qtype uint16, server string) *dns.Msg {
	t.Helper()
	m, err := route{transport: "udp", server: server}.ask(new(dns.Msg).SetQuestion(name, qtype).SetEdns0(1232, false), "")
	if err != nil {
		t.Fatalf("%s at %s: %v", name, server, err)
	}
	return m
}

// TestDiscovery follows what a resolver tells of itself: each encrypted listener
// that a client is sent to is there, and filters.
func TestDiscovery(t *testing.T) {
	up := newUpstream(t)
	dir := t.TempDir()
	certify(t, dir)
	plain, dot, doh, doq := freePort(t), freePort(t), freePort(t), freePort(t)
	other := freePort(t)
	body := fmt.Sprintf(" {\n bind 127.0.0.1\n tls %s/certificate.pem %[1]s/key.pem\n nonudify {\n block blocked.example\n resolver dns.school.example\n}\n forward . %s\n}\n", dir, up.addr)
	i := start(t, ".:"+plain+" tls://.:"+dot+" https://.:"+doh+" https3://.:"+doh+" quic://.:"+doq+body+
		"tls://.:"+other+" {\n bind 127.0.0.1\n tls "+dir+"/certificate.pem "+dir+"/key.pem\n whoami\n}\n")
	defer func() { stop(i) }()
	server := "127.0.0.1:" + plain

	m := lookUp(t, "_dns.resolver.arpa.", dns.TypeSVCB, server)
	want := []string{
		`1 dns.school.example. alpn="dot" port="` + dot + `" ipv4hint="127.0.0.1"`,
		`2 dns.school.example. alpn="h2,h3" port="` + doh + `" ipv4hint="127.0.0.1" dohpath="/dns-query{?dns}"`,
		`3 dns.school.example. alpn="doq" port="` + doq + `" ipv4hint="127.0.0.1"`,
	}
	if got := rdata(m.Answer); !slices.Equal(got, want) || !m.Authoritative {
		t.Errorf("Got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, r := range routes(i) {
		if r.transport == "udp" || r.transport == "tcp" || strings.HasSuffix(r.server, ":"+other) {
			continue
		}
		if !strings.Contains(strings.Join(want, "\n"), `port="`+r.server[strings.LastIndexByte(r.server, ':')+1:]+`"`) {
			t.Errorf("Nobody is told %v", r)
		}
		if m, err := r.ask(new(dns.Msg).SetQuestion("www.blocked.example.", dns.TypeA), ""); err != nil || m.Rcode != dns.RcodeNameError {
			t.Errorf("%v: %v, %v", r, m, err)
		}
	}
}

// rdata returns records without owner, TTL, class and type.
func rdata(rrs []dns.RR) (found []string) {
	for _, rr := range rrs {
		found = append(found, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	return found
}

// TestDesignated tells of encrypted listeners only where the same filter is to be
// had at one.
func TestDesignated(t *testing.T) {
	dir := t.TempDir()
	certify(t, dir)
	files := dir + "/certificate.pem " + dir + "/key.pem"
	const named, bare = "nonudify {\n resolver dns.school.example\n}", "nonudify"
	for _, tt := range []struct {
		name, plain, encrypted string // what the two blocks hold
		want                   int    // listeners that the plain one tells of
	}{
		{"both filter", named, bare, 1},
		{"no name", bare, named, 0},
		{"not filtered", named, "whoami", 0},
		{"for some only", named, bare + "\n view some {\n expr true\n }", 0},
		{"only counts", named, "nonudify {\n action shadow\n}", 0},
		{"other clients", named, "nonudify {\n clients 10.0.0.0/8\n}", 0},
		{"another zone", named, "nonudify other.example", 0},
		{"another contact", named, "nonudify {\n contact mailto:dns@school.example\n}", 1},
		{"another address, of this machine only", named + "\n bind 0.0.0.0", bare, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plain, bind := freePort(t), "\n bind 127.0.0.1"
			if strings.Contains(tt.plain, "bind") {
				bind = ""
			}
			i := start(t, ".:"+plain+" {\n "+tt.plain+bind+"\n}\ntls://.:"+freePort(t)+" {\n bind 127.0.0.1\n tls "+files+"\n "+tt.encrypted+"\n}\n")
			defer func() { stop(i) }()
			if m := lookUp(t, "_dns.resolver.arpa.", dns.TypeSVCB, "127.0.0.1:"+plain); len(m.Answer) != tt.want || len(m.Ns) != 1-tt.want {
				t.Errorf("Got %v", m)
			}
		})
	}
}

// TestDiscoveryKeys: what is told does not depend on the order of a block's keys.
func TestDiscoveryKeys(t *testing.T) {
	dir := t.TempDir()
	certify(t, dir)
	plain := freePort(t)
	i := start(t, "lan.test:"+plain+" .:"+plain+" tls://.:"+freePort(t)+" {\n bind 127.0.0.1\n root "+dir+"\n tls certificate.pem key.pem\n nonudify {\n resolver dns.school.example\n}\n whoami\n}\n")
	defer stop(i)
	if m := lookUp(t, "_dns.resolver.arpa.", dns.TypeSVCB, "127.0.0.1:"+plain); len(m.Answer) != 1 {
		t.Errorf("Got %v", m)
	}
}

// TestErrorCodes announces those that can come, and no others.
func TestErrorCodes(t *testing.T) {
	list := filepath.Join(t.TempDir(), "court.txt")
	if err := os.WriteFile(list, []byte("law.example\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		"nonudify": `"exterr=17"`,
		"acl {\n block net 192.0.2.0/24\n}\nnonudify":                                                             `"exterr=15,17"`,
		"nonudify {\n reason blocked\n action sinkhole 198.51.100.1\n}":                                           `"exterr=4,15"`,
		"nonudify {\n list " + list + " reason censored\n list builtin\n contact tel:+15550100\n}":                `"exterr=16-17"`,
		"nonudify {\n bypass doh\n}":                                                                              `"exterr=15,17"`,
		"nonudify {\n action shadow\n}":                                                                           "",
		"nonudify {\n list https://127.0.0.1:9/x key RWSf5258y0ESQdZf/tJenqEkOyjY3X96AlguNOQgNO6AMexVXsYiNWVH\n}": `"exterr=14,17"`,
	} {
		i := start(t, ".:0 {\n bind 127.0.0.1\n "+body+"\n}\n")
		udp, _ := addrs(i)
		m := lookUp(t, "resolver.arpa.", dns.TypeRESINFO, udp)
		if got := strings.Join(rdata(m.Answer), "\n"); got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
		stop(i)
	}
}

// TestPaths opens the paths of DNS over HTTPS that are named, and no others.
func TestPaths(t *testing.T) {
	dir := t.TempDir()
	certify(t, dir)
	i := start(t, "https://.:0 https3://.:0 {\n bind 127.0.0.1\n root "+dir+"\n tls certificate.pem key.pem\n nonudify {\n except doh:/a doh:/dns-query/b\n}\n whoami\n}\n")
	defer stop(i)
	for path, want := range map[string]bool{"/dns-query": true, "/a": true, "/dns-query/b": true, "/b": false, "/a/": false, "/dns-query/": false, "/A": false} {
		for _, r := range routes(i) {
			r.path = path
			_, err := r.ask(new(dns.Msg).SetQuestion("a.example.", dns.TypeA), "")
			if (err == nil) != want || !want && !strings.HasPrefix(err.Error(), "HTTP 404 ") {
				t.Errorf("%s %v: %v", path, r, err)
			}
		}
	}
}

// TestEndpointsRefused refuses what could not work.
func TestEndpointsRefused(t *testing.T) {
	dir := t.TempDir()
	certify(t, dir)
	files := dir + "/certificate.pem " + dir + "/key.pem"
	port := freePort(t)
	for corefile, want := range map[string]string{
		"tls://.:" + port + " {\n bind 127.0.0.1\n tls " + files + "\n nonudify {\n clients tls:pupils.school.example\n }\n}\n":                         "Corefile:4 - tls:NAME in clients or except needs the metadata plugin",
		"tls://.:" + port + " {\n bind 127.0.0.1\n tls " + files + "\n metadata school.example\n nonudify {\n except tls:staff.school.example\n }\n}\n": "Corefile:5 - tls:NAME in clients or except needs the metadata plugin in this server block, for all its zones",
		".:" + port + " {\n bind 127.0.0.1\n nonudify {\n clients doh:/pupils\n }\n}\n":                                                                 "Corefile:3 - clients are known by doh: or tls: only, and this server block listens on nothing of the kind",
		".:" + port + " {\n bind 127.0.0.1\n nonudify {\n clients 10.0.0.0/8\n except 10.0.0.0/8 ::/0\n }\n}\n":                                         "Corefile:3 - except leaves nobody of clients",
		"https://.:" + port + " {\n bind 127.0.0.1\n tls " + files + "\n nonudify {\n except doh:/staff\n }\n}\n" +
			"https://inside.example:" + port + " {\n bind 127.0.0.1\n tls " + files + "\n whoami\n}\n": "Corefile:4 - doh:PATH in clients or except needs nonudify in each server block of the listener, and https://inside.example.:" + port + " has none",
		".:" + freePort(t) + " {\n bind 127.0.0.1\n nonudify {\n except doh:/staff\n }\n}\nhttps://inside.example:" + port + " {\n bind 127.0.0.1\n tls " + files + "\n whoami\n}\n": "",
	} {
		if got := refusal(t, corefile); !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("Got %q, want %q", got, want)
		}
	}
}

// TestOpenListeners warns of an encrypted way past the filter.
func TestOpenListeners(t *testing.T) {
	dir := t.TempDir()
	certify(t, dir)
	files := dir + "/certificate.pem " + dir + "/key.pem"
	const forward = "forward . 127.0.0.1:9\n"
	for _, tt := range []struct {
		name, blocks string
		want         int
	}{
		{"open", ".:PLAIN {\n bind 127.0.0.1\n nonudify\n " + forward + "}\ntls://.:TLS {\n bind 127.0.0.1\n tls " + files + "\n " + forward + "}\n", 1},
		{"filtered", ".:PLAIN {\n bind 127.0.0.1\n nonudify\n " + forward + "}\ntls://.:TLS {\n bind 127.0.0.1\n tls " + files + "\n nonudify\n " + forward + "}\n", 0},
		{"own data", ".:PLAIN {\n bind 127.0.0.1\n nonudify\n " + forward + "}\ntls://.:TLS {\n bind 127.0.0.1\n tls " + files + "\n whoami\n}\n", 0},
		{"a view", ".:PLAIN {\n bind 127.0.0.1\n nonudify\n " + forward + "}\ntls://.:TLS {\n bind 127.0.0.1\n tls " + files + "\n view staff {\n expr false\n }\n " + forward + "}\n" +
			"tls://.:TLS {\n bind 127.0.0.1\n tls " + files + "\n nonudify\n " + forward + "}\n", 0},
	} {
		port := freePort(t)
		i := start(t, strings.NewReplacer("PLAIN", freePort(t), "TLS", port).Replace(tt.blocks))
		if got := len(logged.with("Server block tls://.:" + port + " resolves names without nonudify")); got != tt.want {
			t.Errorf("%s: %d warnings, want %d", tt.name, got, tt.want)
		}
		stop(i)
	}
}

// TestManyOpenListeners: the log is not filled with them.
func TestManyOpenListeners(t *testing.T) {
	dir, zone, port := t.TempDir(), fresh("open")+".test", freePort(t)
	certify(t, dir)
	var corefile strings.Builder
	for i := range 7 {
		fmt.Fprintf(&corefile, "z%d.%s:0 {\n bind 127.0.0.1\n nonudify\n whoami\n}\n", i, zone)
		fmt.Fprintf(&corefile, "tls://z%d.%s:%s {\n bind 127.0.0.1\n tls %s/certificate.pem %[4]s/key.pem\n forward . 127.0.0.1:9\n}\n", i, zone, port, dir)
	}
	const more = "2 more server blocks on encrypted listeners resolve names without nonudify"
	before := len(logged.with(more))
	stop(start(t, corefile.String()))
	if lines := logged.with(zone, "resolves names without nonudify"); len(lines) != 5 {
		t.Errorf("%d lines about them: %q", len(lines), lines)
	}
	if after := len(logged.with(more)); after != before+1 {
		t.Errorf("The log says of the others %d times", after-before)
	}
}
