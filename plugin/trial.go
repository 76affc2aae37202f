package nonudify

import (
	"sync"
	"weak"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/sinkhole"
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
	// overview and statuses are for the status page, these by their statusKey.
	overview *overview
	statuses map[string]*sinkhole.Site
	// started are its handlers that have started, until one cannot.
	started []*NoNudify

	crew *crew // all its handlers

	surveyed bool // its server blocks have been looked at as a whole

	blocks     []*dnsserver.Config // where there is a front; complete when it starts
	restarting bool                // another instance is about to take its place
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
	i := &instance{crew: &crew{}, copies: map[string]string{}, sites: map[string]*site{}, paths: map[string]bool{}, origins: map[string]*directive.Config{}}
	c.Set(instanceKey{}, i)
	return i
}

// CoreDNS says last of all that an instance has taken over, also from one that had no
// handler of ours.
func init() {
	caddy.RegisterEventHook(directive.Name, func(event caddy.EventName, info any) error {
		if started, ok := info.(*caddy.Instance); ok && event == caddy.InstanceStartupEvent {
			onTrial.acquit(func(i weak.Pointer[instance]) bool { return i == instanceIn(started) })
		}
		return nil
	})
}

// instanceIn returns what stands for a CoreDNS instance.
func instanceIn(c *caddy.Instance) weak.Pointer[instance] {
	c.StorageMu.RLock()
	defer c.StorageMu.RUnlock()
	i, _ := c.Storage[instanceKey{}].(*instance)
	return weak.Make(i)
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

// of returns those of some instances.
func (t *trial) of(which func(weak.Pointer[instance]) bool) (some []*NoNudify) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n, i := range t.set {
		if which(i) {
			some = append(some, n)
		}
	}
	return some
}

// others chooses all instances but one.
func others(i *instance) func(weak.Pointer[instance]) bool {
	return func(other weak.Pointer[instance]) bool { return other != weak.Make(i) }
}

// acquit lets those of some instances stay, and publish what was held back.
func (t *trial) acquit(which func(weak.Pointer[instance]) bool) {
	for _, n := range t.of(which) {
		t.forget(n)
		n.reveal()
	}
}

// stopOthers stops those of all instances but one: the one that tells that
// another has failed.
func (t *trial) stopOthers(i *instance) {
	for _, n := range t.of(others(i)) {
		n.stop()
	}
}

// forget takes one out that has stopped.
func (t *trial) forget(n *NoNudify) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.set, n)
}
