//go:build unix

package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// The world of these tests: a root, the zone example below it, and zones below
// that one. All are signed but two, one of which is listed as a whole. Names that
// begin with "bad" or "later" are listed.
const (
	goodAddress = "192.0.2.80"
	badAddress  = "192.0.2.66"
)

var worldZones = []struct {
	name, records string
	signed        bool
}{ // children first: their keys stand in the parent's zone
	{"signed.example.", `
www A ` + goodAddress + `
bad A ` + badAddress + `
later A ` + badAddress + `
alias CNAME www
far CNAME www.unsigned.example.
badalias CNAME bad.unsigned.example.
chain CNAME badalias
tree DNAME fine.unsigned.example.
badtree DNAME bad.unsigned.example.
svc HTTPS 1 www.signed.example. alpn=h2 ipv4hint=` + goodAddress + `
badsvc HTTPS 1 bad.unsigned.example. alpn=h2 ipv4hint=` + badAddress + `
moved HTTPS 0 www.unsigned.example.
badmoved HTTPS 0 bad.example.
_dns._tcp SVCB 1 www.signed.example. alpn=dot
_bad._tcp SVCB 1 www.bad.example. alpn=dot
text TXT "as it was signed"
`, true},
	{"unsigned.example.", `
www A ` + goodAddress + `
bad A ` + badAddress + `
www.bad A ` + badAddress + `
badalias CNAME bad
later A ` + badAddress + `
x.fine A ` + goodAddress + `
`, false},
	{"bad.example.", `
@ A ` + badAddress + `
www A ` + badAddress + `
`, false},
	{"example.", `
ns A 127.0.0.1
`, true},
	{".", "", true},
}

// worldList is what the resolver's list holds of it.
const worldList = "bad.signed.example\nbad.unsigned.example\nbad.example\nlater.signed.example\nlater.unsigned.example\n"

// world is a server of all zones, and the key that a validator must trust.
type world struct {
	*peer
	anchor *dns.DS // of the root
}

// newWorld has Knot DNS sign and serve the zones.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{peer: newPeer(t, "knotd")}
	var zones strings.Builder
	for _, z := range worldZones {
		signing := "off"
		if z.signed {
			signing = "on"
		}
		fmt.Fprintf(&zones, "  - domain: %s\n    file: \"%s\"\n    dnssec-signing: %s\n", z.name, zoneFile(z.name), signing)
	}
	config := w.write("config", fmt.Sprintf(`
server:
  rundir: "%[1]s"
  listen: "%[2]s@%[3]s"
control:
  listen: "%[1]s/knot.sock"
database:
  storage: "%[1]s"
log:
  - target: stderr
    any: info
policy:
  - id: ours
    manual: on
    single-type-signing: on
    algorithm: ecdsap256sha256
template:
  - id: default
    storage: "%[1]s"
    dnssec-policy: ours
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
zone:
%[4]s`, w.dir, w.host, w.port, &zones))
	w.sign(config)
	w.start(nil, "-c", config)
	w.untilSigned()
	return w
}

func zoneFile(zone string) string { return strings.TrimSuffix("zone."+zone, ".") }

// sign makes the keys, and writes the zones with the keys of their children.
func (w *world) sign(config string) {
	w.t.Helper()
	for i, z := range worldZones {
		var text strings.Builder
		text.WriteString("$TTL 60\n$ORIGIN " + z.name + "\n@ SOA ns.example. hostmaster.example. 1 3600 3600 86400 60\n@ NS ns.example.\n" + z.records)
		for _, child := range worldZones[:i] {
			if parent(child.name) != z.name {
				continue
			}
			text.WriteString(child.name + " NS ns.example.\n")
			if child.signed {
				text.WriteString(w.ds(config, child.name).String() + "\n")
			}
		}
		if z.signed {
			w.keymgr(config, z.name, "generate", "ksk=yes", "zsk=yes", "algorithm=ecdsap256sha256")
		}
		w.write(zoneFile(z.name), text.String())
	}
	w.anchor = w.ds(config, ".")
}

func parent(zone string) string {
	next, end := dns.NextLabel(zone, 0)
	if end {
		return "."
	}
	return zone[next:]
}

// ds returns the DS record of a zone with a SHA-256 digest.
func (w *world) ds(config, zone string) *dns.DS {
	w.t.Helper()
	for line := range strings.Lines(w.keymgr(config, zone, "ds")) {
		rr, err := dns.NewRR(line)
		if ds, ok := rr.(*dns.DS); err == nil && ok && ds.DigestType == dns.SHA256 {
			return ds
		}
	}
	w.t.Fatalf("keymgr knows no key of %s", zone)
	return nil
}

func (w *world) keymgr(config, zone string, args ...string) string {
	w.t.Helper()
	out, err := exec.Command(installed(w.t, "keymgr"), append([]string{"-c", config, zone}, args...)...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("keymgr %s %v: %v\n%s", zone, args, err, out)
	}
	return string(out)
}

// untilSigned waits until each zone is as it should be.
func (w *world) untilSigned() {
	w.t.Helper()
	err := poll(func() error {
		for _, z := range worldZones {
			reply, err := w.ask(new(dns.Msg).SetQuestion(z.name, dns.TypeSOA).SetEdns0(1232, true), "tcp")
			if err != nil {
				return err
			}
			if want := map[bool]int{false: 1, true: 2}[z.signed]; len(reply.Answer) != want {
				return fmt.Errorf("%s: got %v", z.name, reply)
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatalf("%v\n%s", err, w.out)
	}
}

// digest returns the trusted key as "TAG ALGORITHM TYPE DIGEST" with a separator.
func (w *world) digest(separator string) string {
	a := w.anchor
	return strings.Join([]string{strconv.Itoa(int(a.KeyTag)), strconv.Itoa(int(a.Algorithm)), strconv.Itoa(int(a.DigestType)), a.Digest}, separator)
}

// trustAnchors returns the trusted key as a statement for named and delv.
func (w *world) trustAnchors() string {
	a := w.anchor
	return fmt.Sprintf("trust-anchors { . static-ds %d %d %d \"%s\"; };\n", a.KeyTag, a.Algorithm, a.DigestType, a.Digest)
}

// newUnbound forwards to a server, and validates if it is given a key to trust.
func newUnbound(t *testing.T, forward string, trusted *dns.DS) *peer {
	t.Helper()
	p := newPeer(t, "unbound")
	modules, anchor := "iterator", ""
	if trusted != nil {
		modules, anchor = "validator iterator", "trust-anchor: \""+trusted.String()+"\""
	}
	host, port, _ := strings.Cut(forward, ":")
	config := p.write("config", fmt.Sprintf(`
server:
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
  verbosity: 1
  num-threads: 1
  val-bogus-ttl: 1
  val-log-level: 2
  ede: yes
  module-config: "%[4]s"
  %[5]s
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: %[6]s@%[7]s
`, p.dir, p.host, p.port, modules, strings.ReplaceAll(anchor, "\t", " "), host, port))
	p.start(nil, "-d", "-c", config)
	return p
}

// filter is our resolver in front of an upstream.
type filter struct {
	*peer
	*process
}

// newFilter starts it with a list that it looks at every second and with a cache.
func newFilter(t *testing.T, upstream, properties string) filter {
	t.Helper()
	p := &peer{t: t, dir: t.TempDir(), host: "127.0.0.1", out: &syncBuffer{}}
	corefile := p.write("Corefile", fmt.Sprintf(`.:{$PORT} {
    bind 127.0.0.1
    nonudify {
        list %s refresh 1s
        %s
    }
    cache
    forward . %s
}
`, p.write("list.txt", worldList), properties, upstream))
	f := filter{p, run(t, corefile)}
	f.peer.port = f.process.port
	return f
}
