package main

import (
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// product is one whose configuration convert can write.
type product struct {
	name string
	file string // where a converted list is, unless something else is said
	text string // FILE and ORIGIN stand for the file and for the name of the zone
}

// products are in the order of their names.
var products = []product{
	{"adguardhome", "/opt/AdGuardHome/lists/nudify.txt", `# AdGuard Home 0.107: merge this into AdGuardHome.yaml while it is stopped, or add
# the address of the file under Filters, DNS blocklists.
# The file: nonudify convert -to adblock -o FILE LIST
filtering:
  safe_fs_patterns:
    - "FILE"
filters:
  - enabled: true
    name: nudify
    url: "FILE"
    id: 1771000001
`},
	{"bind", "/var/cache/bind/nudify.rpz", `// BIND 9.18: the response-policy goes into the options that are there. A new
// edition counts a minute after the one before at the earliest (min-update-interval).
// The file: nonudify convert -to rpz -o FILE LIST && rndc reload ORIGIN
options {
	response-policy {
		zone "ORIGIN" policy given max-policy-ttl 60s add-soa yes log no;
	} break-dnssec yes qname-wait-recurse no;
};
zone "ORIGIN" {
	type primary;
	file "FILE";
	allow-query { none; };
	allow-transfer { none; };
};
// To transfer the zone instead, this in the place of "type primary;":
//	type secondary;
//	primaries { 192.0.2.1 key rpz-key; };
`},
	{"dnscrypt", "/etc/dnscrypt-proxy/nudify.txt", `# dnscrypt-proxy 2: in dnscrypt-proxy.toml.
# The file: nonudify convert -to dnscrypt -o FILE LIST
[blocked_names]
blocked_names_file = 'FILE'
`},
	{"dnsdist", "/etc/dnsdist/nudify.cdb", `-- dnsdist 1.4, built with CDB. It looks every minute whether the file is younger:
-- one that is put back must be touched.
-- The file: nonudify convert -to cdb -o FILE LIST
-- The longest name that is found says "block" or "pass": so it is not enough to
-- ask with KeyValueStoreLookupRule whether one is found.
nudify = newCDBKVStore("FILE", 60)
addAction(AllRule(), KeyValueStoreLookupAction(nudify, KeyValueLookupKeySuffix(0, true), "nudify"))
addAction(TagRule("nudify", "block"), RCodeAction(DNSRCode.NXDOMAIN))
`},
	{"dnsmasq", "/etc/dnsmasq.nudify.conf", `# dnsmasq 2.86. It reads the file when it starts, and not on SIGHUP.
# The file: nonudify convert -to dnsmasq -o FILE LIST
conf-file=FILE
`},
	{"knot", "/var/lib/knot-resolver/nudify.rpz", `# Knot Resolver 6: in config.yaml. It knows no exceptions in policy zones, so
# that the file must be one made for it.
# The file: nonudify convert -to knot -o FILE LIST
local-data:
  rpz:
    - file: "FILE"
`},
	{"knot5", "/var/lib/knot-resolver/nudify.rpz", `-- Knot Resolver 5, in Debian 12: in kresd.conf, in front of what forwards. By
-- itself it would stop at an exception, and not forward the name.
-- With the package lua-cqueues it looks whether the file is another.
-- The file: nonudify convert -to rpz -o FILE LIST
local nudify = policy.rpz(policy.DENY, 'FILE')
policy.add(function(request, query)
	local action = nudify(request, query)
	if action ~= policy.PASS then return action end
end)
`},
	{"pihole", "/usr/local/share/nudify.txt", `# Pi-hole 5 or 6: a subscription, here of a local file, which everybody must be able
# to read, and which lies best not in /etc/pihole: Pi-hole 6 closes files there. An address
# at which the file is published goes there just as well. Each new edition takes 'pihole -g'.
# The file: nonudify convert -to pihole -o FILE LIST
pihole-FTL sqlite3 /etc/pihole/gravity.db "INSERT OR IGNORE INTO adlist (address, comment) VALUES ('file://FILE', 'nudify');"
pihole -g
`},
	{"powerdns", "/var/lib/pdns-recursor/nudify.rpz", `# PowerDNS Recursor 5.1: in recursor.yml. A default policy (defpol) would be used
# for the exceptions as well. Each new edition takes 'rec_control reload-yaml', and
# counts for what was asked lately when that has left the packet cache.
# The file: nonudify convert -to rpz -o FILE LIST
recursor:
  extended_resolution_errors: true
  rpzs:
    - name: "FILE"
      policyName: nudify
      maxTTL: 60
      includeSOA: true
      ignoreDuplicates: true
      extendedErrorCode: 17
      extendedErrorExtra: filtered at your request
# To transfer the zone instead, this in the place of the name:
#     - name: "ORIGIN"
#       addresses: ['192.0.2.1']
#       tsig: {name: rpz-key, algo: hmac-sha256, secret: ...}
#       seedFile: "FILE"
#       dumpFile: "FILE"
packetcache:
  ttl: 60
`},
	{"powerdns-lua", "/var/lib/pdns-recursor/nudify.rpz", `-- PowerDNS Recursor 4.5, in Debian 12: in the lua-config-file. A default policy
-- (defpol) would be used for the exceptions as well. The code also takes the setting
-- extended-resolution-errors=yes. Each new edition takes 'rec_control
-- reload-lua-config', and the setting packetcache-ttl=60: it counts for what was
-- asked lately when that has left the packet cache.
-- The file: nonudify convert -to rpz -o FILE LIST
rpzFile("FILE", {policyName="nudify", maxTTL=60, extendedErrorCode=17, extendedErrorExtra="filtered at your request"})
-- To transfer the zone instead:
-- rpzPrimary({"192.0.2.1"}, "ORIGIN", {policyName="nudify", maxTTL=60, extendedErrorCode=17,
--   tsigname="rpz-key", tsigalgo="hmac-sha256", tsigsecret="...", seedFile="FILE", dumpFile="FILE"})
`},
	{"routeros", "nudify.rsc", `# RouterOS 7: copy the file to the router, then have it read. It takes the place
# of the entries of the edition before. Mind the memory of the router: it holds
# tens of thousands of entries, not millions.
# The file: nonudify convert -to routeros -o FILE LIST
/import file-name="FILE"
`},
	{"unbound", "/var/lib/unbound/nudify.rpz", `# Unbound 1.14: each new edition takes 'unbound-control reload_keep_cache'.
# The file: nonudify convert -to rpz -o FILE LIST
server:
    module-config: "respip validator iterator"
rpz:
    name: "ORIGIN"
    zonefile: "FILE"
    rpz-log: no
    for-downstream: no
# To transfer the zone instead, which takes both lines: it asks over UDP, on port 53,
# whether there is another edition, and transfers that over TLS. Or have it fetched:
#   primary: 192.0.2.1
#   primary: 192.0.2.1@853#rpz.example.org
#   url: https://lists.example.org/nudify.rpz
`},
	{"unbound-zones", "/etc/unbound/nudify.conf", `# Unbound: local zones take less memory than a policy zone. Each new edition takes
# 'unbound-control reload_keep_cache'.
# The file: nonudify convert -to unbound -o FILE LIST
include: "FILE"
`},
}

// settings writes what the configuration of a product needs.
func (c *convertFlags) settings(e *env, files []string) error {
	i := slices.IndexFunc(products, func(p product) bool { return p.name == c.config })
	if i < 0 {
		var names []string
		for _, p := range products {
			names = append(names, p.name)
		}
		return usagef("no product is called %q: want %s", c.config, strings.Join(names, ", "))
	}
	p := products[i]
	if len(files) > 0 {
		p.file = files[0]
	}
	if p.file == "" || strings.IndexByte("-~", p.file[0]) >= 0 || strings.ContainsFunc(p.file, unquotable) {
		return usagef("%q cannot be the name of a file in a configuration", p.file)
	}
	_, err := io.WriteString(e.stdout, p.fill(p.file, c.Origin))
	return err
}

// fill returns the text for a file and the name of a zone.
func (p product) fill(file string, origin dnsname.Name) string {
	return strings.NewReplacer("FILE", file, "ORIGIN", string(origin)).Replace(p.text)
}

// unquotable reports whether a character means something in a configuration, to a shell
// or to curl, even in quotes.
func unquotable(r rune) bool {
	return !unicode.IsPrint(r) || strings.ContainsRune("\"'`\\$;{}()[]<>|&*?!#%, ", r)
}
