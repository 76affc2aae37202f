package nonudify

import (
	"crypto/tls"
	"fmt"
	"net"
	"reflect"
	"slices"
	"sync"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
)

// Secondaries that transfer over TLS want the protocol negotiated (RFC 9103 §7.1),
// and BIND takes no zone without. CoreDNS negotiates none over TLS, and takes the
// settings over before any plugin starts: so that must be said as soon as the tls
// plugin is set up, which is behind this one.
func init() { caddy.RegisterParsingCallback("dns", "tls", negotiating.apply) }

// negotiating are the instances with a policy zone that are being set up.
var negotiating alpn

// alpn is a set of instances by their context, each with a controller of it.
type alpn struct {
	mu          sync.Mutex
	controllers map[caddy.Context]*caddy.Controller
}

// maxPending bounds the instances that are being set up at a time. Those whose
// configuration is wrong are never heard of again.
const maxPending = 64

func (a *alpn) add(c *caddy.Controller) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.controllers[c.Context()] != nil; !known && (a.controllers == nil || len(a.controllers) >= maxPending) {
		a.controllers = make(map[caddy.Context]*caddy.Controller)
	}
	a.controllers[c.Context()] = c
}

// apply has all server blocks of an instance negotiate DNS over TLS: CoreDNS refuses
// blocks of one listener of which only some do, unless it is told that they mean the
// same.
func (a *alpn) apply(instance caddy.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.controllers[instance]
	if c == nil {
		return nil
	}
	delete(a.controllers, instance)
	same := dnsserver.NewTLSConfigIdentity()
	for _, config := range beforeServers(c) {
		if t := config.TLSConfig; t != nil && t.GetConfigForClient == nil {
			dynamic := t.GetCertificate != nil || t.VerifyPeerCertificate != nil || t.VerifyConnection != nil
			if negotiate(t); !dynamic {
				config.SetTLSConfigIdentity(same)
			}
		}
	}
	return nil
}

// beforeServers returns the first Config of each server block, while CoreDNS has not
// made servers of them. It does not tell how many there are, and makes up one more
// for whoever asks too far, which is a server then: so the table of those that it has
// is looked at. Of another CoreDNS, which has none of that name, there is only c's.
func beforeServers(c *caddy.Controller) []*dnsserver.Config {
	table := reflect.Indirect(reflect.ValueOf(c.Context())).FieldByName("keysToConfigs")
	if table.Kind() != reflect.Map || table.Type().Key().Kind() != reflect.String {
		return []*dnsserver.Config{dnsserver.GetConfig(c)}
	}
	var all []*dnsserver.Config
	at := *c
	at.ServerBlockKeyIndex = 0
	for at.ServerBlockIndex = 0; ; at.ServerBlockIndex++ {
		if !table.MapIndex(reflect.ValueOf(fmt.Sprintf("%d:0", at.ServerBlockIndex))).IsValid() {
			return all
		}
		all = append(all, dnsserver.GetConfig(&at))
	}
}

// dot is the protocol DNS over TLS (RFC 7858 §3.1).
const dot = "dot"

// negotiate has a server choose DNS over TLS for those who offer it. All others get
// what they got without: a server that has protocols turns away whoever offers only
// others (RFC 7301 §3.2). The listeners for HTTP and QUIC take over these settings,
// and set protocols of their own: who asks for them offers these, too.
func negotiate(c *tls.Config) {
	chosen := c.Clone()
	chosen.NextProtos = []string{dot}
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if _, tcp := hello.Conn.LocalAddr().(*net.TCPAddr); tcp && slices.Contains(hello.SupportedProtos, dot) && !slices.ContainsFunc(hello.SupportedProtos, isHTTP) {
			return chosen, nil
		}
		return nil, nil
	}
}

func isHTTP(protocol string) bool { return protocol == "h2" || protocol == "http/1.1" }
