// Package server has the DNS servers that are measured: what each is told so that all
// do the same, and how it is started on a core of its own, looked at and stopped.
package server

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/list"
)

// Candidate is a server that is to be measured. All listen on 127.0.0.1, ask nobody but
// the upstream, have one thread, log nothing, check no signatures, and have a cache for
// 10,000 answers, or of 16 MB where it is measured in bytes.
type Candidate struct {
	Name  string // short, in tables
	Title string // what it is and how it filters
	// Program is looked for on the PATH and where servers are; "" is the resolver of
	// this project.
	Program string
	Format  list.Target // of its list; 0: it filters nothing

	version []string          // arguments with which it tells its version
	files   map[string]string // in its directory, by name
	args    []string
}

// Filters reports whether the candidate has a list.
func (c Candidate) Filters() bool { return c.Format != 0 }

// Settings is what differs from one start of a candidate to the next. In files and
// arguments, words in braces stand for them.
type Settings struct {
	Dir      string         // its own, empty
	Addr     netip.AddrPort // where it listens
	Upstream netip.AddrPort
	List     string // path

	// Of this project's resolver: a line for the server block and one for the directive.
	Extra, Directive string
}

func (s Settings) fill(text string) string {
	return strings.NewReplacer("{DIR}", s.Dir, "{PORT}", fmt.Sprint(s.Addr.Port()), "{UP}", fmt.Sprint(s.Upstream.Port()),
		"{LIST}", s.List, "{ZONE}", string(list.DefaultOrigin), "{EXTRA}", s.Extra, "{DIRECTIVE}", s.Directive).Replace(text)
}

// ours returns a Corefile whose server block begins with some lines.
func ours(lines string) map[string]string {
	return map[string]string{"Corefile": `.:{PORT} {
    bind 127.0.0.1
    {EXTRA}
` + lines + `    cache 3600 {
        success 10000
    }
    forward . 127.0.0.1:{UP} {
        prefer_udp
    }
}
`}
}

var corefile = []string{"-conf", "{DIR}/Corefile"}

// unbound returns its configuration with one of its two kinds of list.
func unbound(modules, lines string) map[string]string {
	return map[string]string{"config": `server:
  interface: 127.0.0.1
  port: {PORT}
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  do-ip6: no
  num-threads: 1
  username: ""
  chroot: ""
  directory: "{DIR}"
  pidfile: ""
  use-syslog: no
  logfile: "{DIR}/log"
  module-config: "` + modules + `"
  msg-cache-size: 16m
  rrset-cache-size: 16m
  outgoing-range: 4096
  num-queries-per-thread: 2048
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{UP}
` + lines}
}

// Candidates are all that can be measured, in the order of the tables.
var Candidates = []Candidate{
	{
		Name: "nonudify", Title: "this resolver, queries through the chain of plugins", Format: list.ToDomains,
		version: []string{"-version"}, args: corefile,
		files: ours("    nonudify {\n        list {LIST}\n        {DIRECTIVE}\n    }\n"),
	},
	{
		Name: "nonudify-front", Title: "this resolver with `front on`", Format: list.ToDomains,
		version: []string{"-version"}, args: corefile,
		files: ours("    nonudify {\n        list {LIST}\n        front on\n        {DIRECTIVE}\n    }\n"),
	},
	{
		Name: "coredns", Title: "the same program without the directive: CoreDNS, which filters nothing",
		version: []string{"-version"}, args: corefile,
		files: ours(""),
	},
	{
		Name: "unbound-zones", Title: "Unbound, local zones", Program: "unbound", Format: list.ToUnbound,
		version: []string{"-V"}, args: []string{"-d", "-c", "{DIR}/config"},
		files: unbound("iterator", "include: \"{LIST}\"\n"),
	},
	{
		Name: "unbound-rpz", Title: "Unbound, policy zone", Program: "unbound", Format: list.ToRPZ,
		version: []string{"-V"}, args: []string{"-d", "-c", "{DIR}/config"},
		files: unbound("respip iterator", "rpz:\n  name: \"{ZONE}\"\n  zonefile: \"{LIST}\"\n"),
	},
	{
		Name: "bind", Title: "BIND, policy zone", Program: "named", Format: list.ToRPZ,
		version: []string{"-v"}, args: []string{"-f", "-n", "1", "-c", "{DIR}/config"},
		files: map[string]string{"config": `options {
  directory "{DIR}"; pid-file none; lock-file none; session-keyfile none; managed-keys-directory "{DIR}";
  listen-on port {PORT} { 127.0.0.1; };
  listen-on-v6 { none; };
  recursion yes; allow-query { 127.0.0.0/8; };
  forward only; forwarders { 127.0.0.1 port {UP}; };
  dnssec-validation no; querylog no;
  recursive-clients 4000; max-cache-size 16m;
  response-policy { zone "{ZONE}"; } break-dnssec yes qname-wait-recurse no;
};
controls { };
logging { category default { null; }; };
zone "{ZONE}" { type primary; file "{LIST}"; notify no; allow-query { none; }; allow-transfer { none; }; };
`},
	},
	{
		Name: "knot", Title: "Knot Resolver, policy zone", Program: "kresd", Format: list.ToKnot,
		version: []string{"--version"}, args: []string{"-n", "-c", "{DIR}/config", "{DIR}"},
		files: map[string]string{"config": `net.listen('127.0.0.1', {PORT}, {kind = 'dns'})
net.ipv6 = false
log_level('crit')
cache.size = 16 * MB
trust_anchors.remove('.')
for _, m in ipairs({'priming', 'ta_update', 'ta_signal_query', 'ta_sentinel', 'detect_time_skew', 'detect_time_jump'}) do
  pcall(modules.unload, m)
end
policy.add(policy.rpz(policy.DENY, '{LIST}', false))
policy.add(policy.all(policy.STUB('127.0.0.1@{UP}')))
`},
	},
	{
		Name: "powerdns", Title: "PowerDNS Recursor, policy zone", Program: "pdns_recursor", Format: list.ToRPZ,
		version: []string{"--version"}, args: []string{"--config-dir={DIR}"},
		files: map[string]string{
			"lists.lua": `rpzFile("{LIST}", {policyName="nudify"})` + "\n",
			"recursor.conf": `local-address=127.0.0.1
local-port={PORT}
socket-dir={DIR}
daemon=no
write-pid=no
threads=1
pdns-distributes-queries=no
forward-zones-recurse=.=127.0.0.1:{UP}
dont-query=
dnssec=off
security-poll-suffix=
quiet=yes
loglevel=1
disable-syslog=yes
max-mthreads=4096
max-cache-entries=10000
max-packetcache-entries=10000
lua-config-file={DIR}/lists.lua
`},
	},
	{
		Name: "dnsdist", Title: "dnsdist, suffixes in memory; a proxy with a packet cache, no resolver", Program: "dnsdist", Format: list.ToDomains,
		version: []string{"--version"}, args: []string{"--supervised", "--disable-syslog", "-C", "{DIR}/config"},
		files: map[string]string{"config": `setLocal("127.0.0.1:{PORT}")
setACL("127.0.0.0/8")
setSecurityPollSuffix("")
setMaxUDPOutstanding(65535)
newServer({address="127.0.0.1:{UP}", healthCheckMode="up"})
getPool(""):setCache(newPacketCache(10000, {maxTTL=3600}))
names = newSuffixMatchNode()
for line in io.lines("{LIST}") do
  if line:sub(1, 1) ~= "#" then names:add(newDNSName(line)) end
end
addAction(SuffixMatchNodeRule(names), RCodeAction(DNSRCode.NXDOMAIN))
`},
	},
	{
		Name: "dnsmasq", Title: "dnsmasq, local=/name/", Program: "dnsmasq", Format: list.ToDnsmasq,
		version: []string{"--version"}, args: []string{"--keep-in-foreground", "--conf-file={DIR}/config"},
		files: map[string]string{"config": `pid-file=
user=root
log-facility={DIR}/log
no-resolv
no-hosts
bind-interfaces
listen-address=127.0.0.1
port={PORT}
server=127.0.0.1#{UP}
cache-size=10000
dns-forward-max=1000
conf-file={LIST}
`},
	},
}

// folders are where servers are, and not on every user's PATH.
var folders = []string{"/usr/sbin", "/usr/local/sbin", "/sbin"}

// Find returns the path of the candidate's program. Of this project's resolver it is
// the given one.
func (c Candidate) Find(resolver string) (string, error) {
	if c.Program == "" {
		path, err := exec.LookPath(resolver)
		if err != nil {
			return "", fmt.Errorf("%s: %w; 'make build' makes it", c.Name, err)
		}
		return filepath.Abs(path)
	}
	if path, err := exec.LookPath(c.Program); err == nil {
		return path, nil
	}
	for _, dir := range folders {
		if path, err := exec.LookPath(filepath.Join(dir, c.Program)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed", c.Program)
}

var numbered = regexp.MustCompile(`[A-Za-z][\w ,-]*?\d+\.\d+[\w.~+-]*`)

// Version returns what the program says of itself, "?" if that makes no sense.
func (c Candidate) Version(ctx context.Context, program string) string {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, program, c.version...).CombinedOutput() // some end with 1 after it
	if v := numbered.Find(out); v != nil {
		return strings.TrimPrefix(string(v), "Version ")
	}
	return "?"
}

// Command writes the candidate's files and returns how it is started.
func (c Candidate) Command(program string, s Settings) (*exec.Cmd, error) {
	for name, text := range c.files {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(s.fill(text)), 0o644); err != nil {
			return nil, err
		}
	}
	args := slices.Clone(c.args)
	for i, a := range args {
		args[i] = s.fill(a)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = s.Dir
	return cmd, nil
}
