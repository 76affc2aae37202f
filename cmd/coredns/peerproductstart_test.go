//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/list"
)

// Each starter puts the lines of convert -config into the least configuration with
// which the product asks the upstream and nobody else, has the product's own check
// look at it, if there is one, and starts it. What a product would do after a minute
// it is told to do at once.

// run runs a program that comes with the peer, to its end.
func (p *peer) run(program string, args ...string) {
	p.t.Helper()
	if out, err := exec.Command(installed(p.t, program), args...).CombinedOutput(); err != nil {
		p.t.Errorf("%s %v: %v\n%s", program, args, err, out)
	}
}

// runs starts the peer and returns it as a product.
func (p *peer) runs(renew func(), args ...string) running {
	p.t.Helper()
	p.start(nil, args...)
	return running{asks: p.asks, renew: renew, port: p.port, again: func() { p.kill(); p.start(nil, args...) }}
}

// untilDenied waits for a program that answers before it has read the list.
func (p *peer) untilDenied() {
	p.t.Helper()
	err := poll(func() error {
		if got := p.asks([]inquiry{{kind{name: "site0.example."}, dns.TypeA, false}})[0]; !denials[got] {
			return errors.New(got)
		}
		return nil
	})
	if err != nil {
		p.t.Error(err)
	}
}

// startOurs starts what all others are compared with, with the list as it is.
func startOurs(t *testing.T, f productFiles) running {
	t.Helper()
	p := &peer{t: t, dir: t.TempDir(), host: "127.0.0.1", out: &syncBuffer{}}
	corefile := p.write("Corefile", fmt.Sprintf(".:{$PORT} {\n bind 127.0.0.1\n nonudify {\n  list %s\n }\n cache\n forward . %s\n}\n", f.source, f.upstream))
	p.port = run(t, corefile).port
	return running{asks: p.asks}
}

func startBIND(t *testing.T, f productFiles) running {
	t.Helper()
	p := newPeer(t, "named")
	host, port, _ := strings.Cut(f.upstream, ":")
	options := fmt.Sprintf(`options {
	directory "%[1]s"; pid-file none; lock-file none; session-keyfile none;
	listen-on port %[3]s { %[2]s; };
	listen-on-v6 { none; };
	recursion yes; allow-query { 127.0.0.0/8; };
	forward only; forwarders { %[4]s port %[5]s; };
	dnssec-validation no;
`, p.dir, p.host, p.port, host, port)
	key, control := p.write("key", `key "rndc-key" { algorithm hmac-sha256; secret "`+zoneSecret+`"; };`), freePort(t)
	controls := fmt.Sprintf("include \"%s\";\ncontrols { inet %s port %s allow { localhost; } keys { rndc-key; }; };\n", key, p.host, control)
	config := p.write("config", controls+strings.NewReplacer("options {\n", options, " break-dnssec", " min-update-interval 0 break-dnssec").Replace(f.settings))
	p.run("named-checkconf", "-z", config)
	if f.list != "" {
		p.run("named-checkzone", "-i", "full", "-r", "fail", "-k", "fail", "-n", "fail", string(list.DefaultOrigin), f.list)
	}
	r := p.runs(func() {
		p.run("rndc", "-s", p.host, "-p", control, "-k", key, "reload", string(list.DefaultOrigin))
	}, "-g", "-c", config)
	p.untilDenied()
	return r
}

func startUnbound(t *testing.T, f productFiles) running {
	t.Helper()
	p := newPeer(t, "unbound")
	config := p.write("config", fmt.Sprintf(`server:
  interface: %[2]s@%[3]s
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  do-ip6: no
  username: ""
  chroot: ""
  directory: "%[1]s"
  pidfile: ""
  use-syslog: no
  logfile: ""
  num-threads: 1
  ede: yes
  module-config: "iterator"
remote-control:
  control-enable: yes
  control-use-cert: no
  control-interface: "%[1]s/control"
forward-zone:
  name: "."
  forward-addr: %[4]s
%[5]s`, p.dir, p.host, p.port, strings.Replace(f.upstream, ":", "@", 1), f.settings))
	p.run("unbound-checkconf", config)
	return p.runs(func() { p.run("unbound-control", "-c", config, "reload_keep_cache") }, "-d", "-c", config)
}

func startPowerDNS(t *testing.T, f productFiles) running {
	t.Helper()
	p := newPeer(t, "pdns_recursor")
	p.write("recursor.conf", fmt.Sprintf(`local-address=%s
local-port=%s
socket-dir=%s
daemon=no
write-pid=no
threads=1
forward-zones-recurse=.=%s
dont-query=
dnssec=process-no-validate
security-poll-suffix=
max-negative-ttl=60
extended-resolution-errors=yes
packetcache-ttl=1
lua-config-file=%s
`, p.host, p.port, p.dir, f.upstream, p.write("nudify.lua", f.settings)))
	p.run("pdns_recursor", "--config-dir="+p.dir, "--config=check")
	return p.runs(func() { p.run("rec_control", "--config-dir="+p.dir, "reload-lua-config") }, "--config-dir="+p.dir)
}

func startKnotResolver(t *testing.T, f productFiles) running {
	t.Helper()
	p := newPeer(t, "kresd")
	config := p.write("config", fmt.Sprintf(`net.listen('%s', %s, {kind = 'dns'})
net.ipv6 = false
cache.size = 10 * MB
trust_anchors.remove('.')
for _, m in ipairs({'priming', 'ta_update', 'ta_signal_query', 'ta_sentinel', 'detect_time_skew', 'detect_time_jump'}) do modules.unload(m) end
%s
policy.add(policy.all(policy.STUB('%s')))
if not pcall(require, 'cqueues.notify') then io.stderr:write('It cannot watch files\n') end
`, p.host, p.port, f.settings, strings.Replace(f.upstream, ":", "@", 1)))
	r := p.runs(func() {}, "-n", "-c", config, p.dir)
	if os.Getenv("CI") == "" && strings.Contains(p.out.String(), "It cannot watch files") {
		t.Log("lua-cqueues is not installed, so that new editions are not tried; make setup does")
		r.renew = nil
	}
	return r
}

func startDnsmasq(t *testing.T, f productFiles) running {
	t.Helper()
	p := newPeer(t, "dnsmasq")
	config := p.write("config", fmt.Sprintf(`pid-file=
user=root
log-facility=-
no-resolv
no-hosts
bind-interfaces
listen-address=%s
port=%s
server=%s
%s`, p.host, p.port, strings.Replace(f.upstream, ":", "#", 1), f.settings))
	p.run("dnsmasq", "--test", "--conf-file="+config)
	return p.runs(nil, "--keep-in-foreground", "--conf-file="+config)
}

func startDnsdist(t *testing.T, f productFiles) running {
	t.Helper()
	p := newPeer(t, "dnsdist")
	config := p.write("config", fmt.Sprintf(`setSecurityPollSuffix("")
setLocal("%s")
newServer({address="%s", healthCheckMode="up"})
%s`, p.addr(), f.upstream, strings.Replace(f.settings, ", 60)", ", 1)", 1)))
	p.run("dnsdist", "--check-config", "--config", config)
	return p.runs(func() {}, "--supervised", "--disable-syslog", "--config", config)
}

// startAdGuard builds a program with the library that AdGuard Home has for its
// lists. It is a module of its own, so that nobody else needs that library.
func startAdGuard(t *testing.T, f productFiles) running {
	t.Helper()
	program := filepath.Join(t.TempDir(), "adguard")
	cmd := exec.Command("go", "build", "-C", "../../testdata/adguard", "-o", program, ".")
	cmd.Env = append(cmd.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Logf("go build: %v\n%s", err, out)
		lacking(t, "the library of AdGuard Home")
	}
	return running{asks: func(questions []inquiry) []string {
		var lines strings.Builder
		for _, q := range questions {
			fmt.Fprintln(&lines, q.name, dns.TypeToString[q.qtype])
		}
		cmd := exec.Command(program, f.list)
		cmd.Stdin = strings.NewReader(lines.String())
		out, err := cmd.Output()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			t.Fatalf("%v\n%s", err, exit.Stderr)
		}
		outcomes := strings.Fields(string(out))
		if len(outcomes) != len(questions) {
			t.Fatalf("%d answers to %d questions: %v", len(outcomes), len(questions), err)
		}
		return outcomes
	}}
}
