//go:build unix

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// addressZone is a list of names and addresses, as a policy zone.
const addressZone = `$ORIGIN x.rpz.
$TTL 60
@ SOA localhost. h.invalid. %d 300 60 600 60
@ NS localhost.
badsite.example CNAME .
*.badsite.example CNAME .
filler.example CNAME .
`

// hostAddresses are what the hosts of the test resolve to.
var hostAddresses = map[string]string{
	"listed.hosts.example.": "A 192.0.2.1", "excepted.hosts.example.": "A 192.0.2.9", "later.hosts.example.": "A 198.51.100.7", "other.hosts.example.": "A 203.0.113.1",
	"six.hosts.example.": "AAAA 2001:db8:1::6", "sixother.hosts.example.": "AAAA 2001:db8:2::6", "alias.hosts.example.": "CNAME listed.hosts.example.",
	"fine.mixed.example.": "A 192.0.2.1", "badsite.example.": "A 203.0.113.1",
}

// hostsUpstream answers with these.
func hostsUpstream(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg).SetReply(r)
	m.RecursionAvailable = true
	for name := r.Question[0].Name; ; {
		rr, err := dns.NewRR(name + " 60 IN " + hostAddresses[strings.ToLower(name)])
		if err != nil || rr == nil {
			break
		}
		alias, ok := rr.(*dns.CNAME)
		if !ok && rr.Header().Rrtype != r.Question[0].Qtype {
			break
		}
		if m.Answer = append(m.Answer, rr); !ok {
			break
		}
		name = alias.Target
	}
	_ = w.WriteMsg(m) // who asks says what is wrong
}

// TestPublishAddresses asks resolvers that filter by the zone for names of which the
// address is listed: they deny the same as the server itself, before and after a change
// that comes by IXFR. Their denial is NXDOMAIN, ours says that there is no address. To
// Unbound 1.17 an exception for a name undoes none of its addresses, so it is not asked
// for that.
func TestPublishAddresses(t *testing.T) {
	for name, resolver := range map[string]func(t *testing.T, origin, from, upstream string) *primary{"bind": resolverBIND, "unbound": resolverUnbound} {
		t.Run(name, func(t *testing.T) {
			origin, port, up := name+"-addresses.rpz.", freePort(t), serveBoth(t, dns.HandlerFunc(hostsUpstream))
			s := resolver(t, origin, port, up)
			p := newHiddenPrimary(t, origin, port, "", s.port)
			p.corefile = strings.Replace(p.corefile, "name "+origin, "name "+origin+" format rpz addresses on", 1)
			p.corefile = strings.Replace(p.corefile, "    whoami", "    forward . "+up, 1)
			edition := func(serial int, triggers ...string) {
				p.scenario.write(p.file, fmt.Appendf(nil, addressZone+"%s\n", serial, strings.Join(triggers, "\n")))
			}
			const network, exception, six, later = "24.0.2.0.192.rpz-ip CNAME .", "32.9.2.0.192.rpz-ip CNAME rpz-passthru.", "48.zz.1.db8.2001.rpz-ip CNAME *.", "32.7.100.51.198.rpz-ip CNAME ."
			edition(1, network, exception, six)
			p.start()
			first := p.publishes(0, "24.0.2.0.192.rpz-ip 48.zz.1.db8.2001.rpz-ip badsite.example")
			s.launch()
			agree := func(denied string) func() error {
				return func() error {
					for host := range hostAddresses {
						if host == "fine.mixed.example." && name == "unbound" {
							continue
						}
						qtype := dns.TypeA
						if strings.HasPrefix(host, "six") {
							qtype = dns.TypeAAAA
						}
						for server, port := range map[string]string{"we": port, "they": s.port} {
							reply, err := dns.Exchange(new(dns.Msg).SetQuestion(host, qtype), "127.0.0.1:"+port)
							if err != nil {
								return err
							}
							blocked := strings.Contains(denied, " "+host+" ")
							leads := slices.ContainsFunc(reply.Answer, func(rr dns.RR) bool { return rr.Header().Rrtype == qtype }) // an alias may stay
							if blocked == leads || blocked && server == "they" && reply.Rcode != dns.RcodeNameError {
								return fmt.Errorf("%s: %s say %s with %d records", host, server, dns.RcodeToString[reply.Rcode], len(reply.Answer))
							}
						}
					}
					return nil
				}
			}
			if err := poll(agree(" listed.hosts.example. alias.hosts.example. six.hosts.example. badsite.example. ")); err != nil {
				s.confined()
				t.Fatal(err)
			}
			p.checked(first)
			edition(2, network, six, later)
			second := p.publishes(first.serial, "32.7.100.51.198.rpz-ip !32.9.2.0.192.rpz-ip")
			if err := poll(agree(" listed.hosts.example. alias.hosts.example. excepted.hosts.example. later.hosts.example. six.hosts.example. badsite.example. ")); err != nil {
				t.Error(err)
			}
			if n := p.transfers("incremental"); n == 0 || len(second.records) != len(first.records) {
				t.Errorf("%v incremental transfers; %v after %v", n, second, first)
			}
		})
	}
}
