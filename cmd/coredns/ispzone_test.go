//go:build unix

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// guideFleet is the hidden primary of docs/isp.md, and what the resolvers that it
// feeds have behind them.
type guideFleet struct {
	t        *testing.T
	dir      string // with transfer.key, and the certificate
	upstream *upstream
	dns, tls string // ports of the primary
}

// newGuideFleet starts the primary of the guide, with lists of files.
func newGuideFleet(t *testing.T) *guideFleet {
	t.Helper()
	f := &guideFleet{t: t, upstream: newUpstream(t), dns: freePort(t), tls: freePort(t)}
	f.dir = guideFiles(t, map[string]string{"nudify.txt": "badsite.example\n", "orders.txt": "ordered.example\n", "allow.txt": "fine.badsite.example\n", "transfer.key": standIn("transfer.key")})
	certify(t, f.dir)
	corefile := swapped(t, guideBlock(t, "isp.md", "corefile", "zone nudify.rpz"), "\n.:53 {", "\n.:"+f.dns+" {", "tls://.:853", "tls://.:"+f.tls, "bind 192.0.2.1", "bind 127.0.0.1",
		"/etc/coredns", f.dir, "/var/lib/nonudify", filepath.Join(f.dir, "state"), "127.0.0.1:8181", "127.0.0.1:0", "127.0.0.1:9153", "127.0.0.1:0")
	corefile = regexp.MustCompile(`list https.*`).ReplaceAllString(corefile, "list "+filepath.Join(f.dir, "nudify.txt")+" name nudify")
	corefile = regexp.MustCompile(`(?m)^( +to) .*`).ReplaceAllString(corefile, "$1 127.0.0.1:1 *")
	corefile = regexp.MustCompile(`bootstrap .*`).ReplaceAllString(corefile, "")
	i := start(t, corefile)
	t.Cleanup(func() { stop(i) })
	return f
}

// holds asks a resolver what the guide promises of it: the filter is for those who
// have asked for it, the order for everybody.
func (f *guideFleet) holds(server string) {
	f.t.Helper()
	for _, c := range []struct{ client, name, want string }{
		{"127.0.4.1", "www.badsite.example.", "denied"},
		{"127.0.5.1", "www.badsite.example.", upstreamAddress},
		{"127.0.4.1", "www.ordered.example.", "denied"},
		{"127.0.5.1", "www.ordered.example.", "denied"},
		{"127.0.4.1", "good.example.", upstreamAddress},
		{"127.0.5.1", "good.example.", upstreamAddress},
	} {
		f.comes(server, c.client, c.name, c.want)
	}
}

// comes waits for an answer, until the zone has arrived. Each time another name is
// asked for where one is to be denied: some resolvers answer before they have the
// zone, and keep what they said.
func (f *guideFleet) comes(server, client, name, want string) {
	f.t.Helper()
	asked := 0
	err := poll(func() error {
		d := dns.Client{Net: "tcp", Dialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}}
		qname := name
		if asked++; want == "denied" {
			qname = fmt.Sprintf("w%d%s", asked, strings.TrimPrefix(name, "www"))
		}
		reply, _, err := d.Exchange(new(dns.Msg).SetQuestion(qname, dns.TypeA), server)
		if err != nil {
			return err
		}
		if got, _ := outcomeOf(reply); got != want {
			return fmt.Errorf("%s for %s: %s, want %s", name, client, got, want)
		}
		return nil
	})
	if err != nil {
		f.t.Error(err)
	}
}

// excepts asks for a name that the primary's file of exceptions has.
func (f *guideFleet) excepts(server string) {
	f.t.Helper()
	f.comes(server, "127.0.4.1", "fine.badsite.example.", upstreamAddress)
}

// hears wants a resolver to take the primary's word that the zones have changed.
func (f *guideFleet) hears(server string) {
	f.t.Helper()
	c := dns.Client{Timeout: 10 * time.Second, Dialer: &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP("127.0.0.1")}}}
	for _, zone := range []string{"nudify.rpz.", "orders.rpz."} {
		reply, _, err := c.Exchange(new(dns.Msg).SetNotify(zone), server)
		if err != nil {
			f.t.Fatal(err)
		}
		if reply.Rcode != dns.RcodeSuccess {
			f.t.Errorf("A NOTIFY of the primary for %s is answered with %s", zone, dns.RcodeToString[reply.Rcode])
		}
	}
}

// switches has a resolver switched off and on again, as the guide says: the orders stay.
func (f *guideFleet) switches(server string, off, on func()) {
	f.t.Helper()
	off()
	f.comes(server, "127.0.4.1", "www.badsite.example.", upstreamAddress)
	f.comes(server, "127.0.4.1", "www.ordered.example.", "denied")
	on()
	f.comes(server, "127.0.4.1", "www.badsite.example.", "denied")
}

// does runs a command of the guide.
func (f *guideFleet) does(program string, args ...string) {
	f.t.Helper()
	if out, err := exec.Command(installed(f.t, program), args...).CombinedOutput(); err != nil {
		f.t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
}

// checked runs a program's own check of its configuration.
func (f *guideFleet) checked(program string, args ...string) {
	f.t.Helper()
	if out, err := exec.Command(installed(f.t, program), args...).CombinedOutput(); err != nil {
		f.t.Errorf("%s %v: %v\n%s", program, args, err, out)
	}
}

// upstreamParts are host and port of what is behind.
func (f *guideFleet) upstreamParts() (host, port string) {
	host, port, _ = net.SplitHostPort(f.upstream.addr)
	return host, port
}

// TestPolicyZoneForBIND: views make it the subscriber's choice.
func TestPolicyZoneForBIND(t *testing.T) {
	p := newPeer(t, expected(t, "named"))
	f := newGuideFleet(t)
	host, port := f.upstreamParts()
	config := swapped(t, guideBlocks(t, "isp.md", "bind")[0], "/etc/bind", f.dir, "198.51.100.0/24", "127.0.4.0/24",
		"192.0.2.1 key", "127.0.0.1 port "+f.dns+" key", "192.0.2.1; optin", "127.0.0.1; optin")
	control, key := freePort(t), p.write("rndc.key", "key \"control\" { algorithm hmac-sha256; secret \""+zoneSecret+"\"; };\n")
	conf := fmt.Sprintf(`options {
	directory "%[1]s"; pid-file none; lock-file none; session-keyfile none;
	listen-on port %[2]s { 127.0.0.1; }; listen-on-v6 { none; };
	allow-query { 127.0.0.0/8; }; dnssec-validation no; forward only; forwarders { %[3]s port %[4]s; };
};
include "%[6]s";
controls { inet 127.0.0.1 port %[7]s allow { 127.0.0.1; } keys { control; }; };
%[5]s`, p.dir, p.port, host, port, config, key, control)
	path := p.write("named.conf", conf)
	f.checked("named-checkconf", path)
	p.start(nil, "-g", "-c", path)
	f.holds(p.addr())
	f.excepts(p.addr())
	f.hears(p.addr())
	reconfigured := func(conf string) {
		p.write("named.conf", conf)
		f.does("rndc", "-s", "127.0.0.1", "-p", control, "-k", key, "reconfig")
	}
	off := strings.Replace(conf, `zone "nudify.rpz" policy given`, `zone "nudify.rpz" policy disabled`, 1)
	f.switches(p.addr(), func() { reconfigured(off) }, func() { reconfigured(conf) })
}

// TestPolicyZoneForUnbound: tags make it the subscriber's choice, and the zone comes
// over TLS.
func TestPolicyZoneForUnbound(t *testing.T) {
	p := newPeer(t, expected(t, "unbound"))
	f := newGuideFleet(t)
	config := swapped(t, guideBlocks(t, "isp.md", "unbound")[0], "/etc/ssl/certs/ca-certificates.crt", os.Getenv("SSL_CERT_FILE"), "198.51.100.0/24", "127.0.4.0/24",
		"192.0.2.1@853#rpz.isp.example", "127.0.0.1@"+f.tls+"#"+serverName, "192.0.2.1\n", "127.0.0.1@"+f.dns+"\n", "192.0.2.1 allow", "127.0.0.1 allow", "/var/lib/unbound", p.dir)
	path := p.write("unbound.conf", fmt.Sprintf(`%[5]s
server:
    interface: 127.0.0.1@%[2]s
    access-control: 127.0.0.0/24 refuse
    access-control: 127.0.5.0/24 allow
    do-not-query-localhost: no
    do-ip6: no
    username: ""
    chroot: ""
    directory: "%[1]s"
    pidfile: ""
    use-syslog: no
    num-threads: 1
    trust-anchor-file: ""
remote-control:
    control-enable: yes
    control-interface: "%[1]s/control"
forward-zone:
    name: "."
    forward-addr: %[3]s@%[4]s
`, p.dir, p.port, "127.0.0.1", f.upstream.addr[strings.LastIndex(f.upstream.addr, ":")+1:], config))
	f.checked("unbound-checkconf", path)
	p.start(nil, "-d", "-c", path)
	f.holds(p.addr())
	f.excepts(p.addr())
	f.hears(p.addr())
	told := func(verb string) func() { return func() { f.does("unbound-control", "-c", path, verb, "nudify.rpz") } }
	f.switches(p.addr(), told("rpz_disable"), told("rpz_enable"))
}

// TestPolicyZoneForPowerDNS: a script makes it the subscriber's choice.
func TestPolicyZoneForPowerDNS(t *testing.T) {
	p := newPeer(t, expected(t, "pdns_recursor"))
	f := newGuideFleet(t)
	config := swapped(t, guideBlocks(t, "isp.md", "recursor")[0], "192.0.2.1", "127.0.0.1:"+f.dns, "c2VjcmV0IG9mIHRoZSBleGFtcGxl", zoneSecret, "/var/lib/pdns-recursor", p.dir)
	script := swapped(t, guideBlocks(t, "isp.md", "recursor-script")[0], "198.51.100.0/24", "127.0.4.0/24")
	p.write("recursor.conf", fmt.Sprintf("local-address=%s\nlocal-port=%s\nsocket-dir=%s\ndaemon=no\nwrite-pid=no\nthreads=1\nforward-zones-recurse=.=%s\ndont-query=\n"+
		"dnssec=off\nsecurity-poll-suffix=\nextended-resolution-errors=yes\nlua-config-file=%s\nlua-dns-script=%s\n",
		p.host, p.port, p.dir, f.upstream.addr, p.write("rpz.lua", config), p.write("script.lua", script)))
	p.start(nil, "--config-dir="+p.dir)
	f.holds(p.addr())
	f.excepts(p.addr())
	scripted := func(script string) {
		p.write("script.lua", script)
		f.does("rec_control", "--config-dir="+p.dir, "--socket-dir="+p.dir, "reload-lua-script")
		f.does("rec_control", "--config-dir="+p.dir, "--socket-dir="+p.dir, "wipe-cache", "$")
	}
	off := swapped(t, script, `if not optin:match(dq.remoteaddr) then dq:discardPolicy("nudify") end`, `dq:discardPolicy("nudify")`)
	f.switches(p.addr(), func() { scripted(off) }, func() { scripted(script) })
}

// TestPolicyZoneForKnotResolver: the zone is fetched and converted, by the commands
// of the guide, and views make it the subscriber's choice. It is not asked for what is
// excepted, which it would look up from the root.
func TestPolicyZoneForKnotResolver(t *testing.T) {
	p := newPeer(t, expected(t, "kresd"))
	f := newGuideFleet(t)
	tool := toolPath(t)
	fetch := guideBlock(t, "isp.md", "sh", "nonudify fetch -tsig")
	for _, zone := range []string{"nudify", "orders"} {
		script := strings.ReplaceAll(swapped(t, fetch, "192.0.2.1", "127.0.0.1:"+f.dns, "/var/lib/knot-resolver", p.dir), "nudify.", zone+".")
		cmd := exec.Command("sh", "-ec", script)
		cmd.Dir = f.dir
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(tool)+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	config := swapped(t, guideBlocks(t, "isp.md", "kresd")[0], "/var/lib/knot-resolver", p.dir, "198.51.100.0/24", "127.0.4.0/24")
	host, port := f.upstreamParts()
	path := p.write("config", fmt.Sprintf(`net.listen('%s', %s, {kind = 'dns'})
net.ipv6 = false
cache.size = 10 * MB
trust_anchors.remove('.')
for _, m in ipairs({'priming', 'ta_update', 'ta_signal_query', 'ta_sentinel', 'detect_time_skew', 'detect_time_jump'}) do modules.unload(m) end
%s
policy.add(policy.all(policy.STUB('%s@%s')))
`, p.host, p.port, config, host, port))
	p.start(nil, "-n", "-c", path, p.dir)
	f.holds(p.addr())
}
