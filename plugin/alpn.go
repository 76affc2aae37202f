package nonudify

import (
	"sync"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
)

// Secondaries that transfer over TLS want the protocol negotiated (RFC 9103 §7.1),
// and BIND takes no zone without. CoreDNS negotiates none over TLS, and takes the
// settings over before any plugin starts: so that must be said as soon as the tls
// plugin is set up, which is behind this one.
func init() { caddy.RegisterParsingCallback("dns", "tls", negotiating.apply) }

// negotiating are the server blocks with a policy zone of instances that are being
// set up.
var negotiating alpn

// alpn is a set of server blocks by the context of their instance.
type alpn struct {
	mu     sync.Mutex
	blocks map[caddy.Context][]*dnsserver.Config
}

// maxPending bounds the instances that are being set up at a time. Those whose
// configuration is wrong are never heard of again.
const maxPending = 64

func (a *alpn) add(c *caddy.Controller) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.blocks[c.Context()] != nil; !known && (a.blocks == nil || len(a.blocks) >= maxPending) {
		a.blocks = make(map[caddy.Context][]*dnsserver.Config)
	}
	a.blocks[c.Context()] = append(a.blocks[c.Context()], dnsserver.GetConfig(c))
}

// apply has the blocks of an instance negotiate DNS over TLS. The listeners of
// other protocols set their own.
func (a *alpn) apply(instance caddy.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.blocks[instance] {
		if c.TLSConfig != nil && len(c.TLSConfig.NextProtos) == 0 {
			c.TLSConfig.NextProtos = []string{"dot"}
		}
	}
	delete(a.blocks, instance)
	return nil
}
