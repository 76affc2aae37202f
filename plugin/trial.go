package nonudify

import (
	"sync"
	"weak"

	"github.com/coredns/caddy"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/dnsname"
)

// instance stands for the CoreDNS instance that a handler was set up for. The
// handlers of one instance share it; only the instance holds on to it.
type instance struct {
	copies map[string]string // keys of feeds, by the path of the copy that they keep
	sites  map[string]*site  // by their pageKey
	paths  map[string]bool   // of DNS over HTTPS, beside the usual one; complete when it starts
	// origins are the policy zones, and the directives that publish them.
	origins map[string]*directive.Config
	help    []dnsname.Name // where its operators have the help page
	// started are its handlers that have started, until one cannot.
	started []*NoNudify

	surveyed bool // its server blocks have been looked at as a whole
}

// stop stops the handlers that have started.
func (i *instance) stop() {
	for _, n := range i.started {
		n.stop()
	}
}

// instanceKey is where an instance keeps its own.
type instanceKey struct{}

func instanceOf(c *caddy.Controller) *instance {
	if i, ok := c.Get(instanceKey{}).(*instance); ok {
		return i
	}
	i := &instance{copies: map[string]string{}, sites: map[string]*site{}, paths: map[string]bool{}, origins: map[string]*directive.Config{}}
	c.Set(instanceKey{}, i)
	return i
}

// onTrial are the handlers of an instance that may yet be dropped.
var onTrial trial

// trial is a set of handlers by their instance.
type trial struct {
	mu  sync.Mutex
	set map[*NoNudify]weak.Pointer[instance]
}

func (t *trial) add(i *instance, n *NoNudify) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.set == nil {
		t.set = make(map[*NoNudify]weak.Pointer[instance])
	}
	t.set[n] = weak.Make(i)
}

// acquit lets them all stay.
func (t *trial) acquit() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.set)
}

// stopOthers stops those of all instances but one: the one that tells that
// another has failed.
func (t *trial) stopOthers(i *instance) {
	t.mu.Lock()
	var lost []*NoNudify
	for n, other := range t.set {
		if other != weak.Make(i) {
			lost = append(lost, n)
		}
	}
	t.mu.Unlock()
	for _, n := range lost {
		n.stop()
	}
}

// forget takes one out that has stopped.
func (t *trial) forget(n *NoNudify) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.set, n)
}
