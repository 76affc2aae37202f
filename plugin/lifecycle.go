package nonudify

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/coredns/caddy"
	clog "github.com/coredns/coredns/plugin/pkg/log"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/policy"
)

var log = clog.NewWithPlugin(directive.Name)

// pollInterval is how often files are looked at. Looking, rather than being
// told by the kernel, works the same on every system, network file system,
// link and container mount.
const pollInterval = 2 * time.Second

// Lists and prefix files are shared by all directives of the process: what
// several of them name is loaded once, and a reload finds it loaded.
var (
	lists = feed.Pool[feed.List]{Interval: pollInterval, Report: func(_ string, l *feed.List, err error) {
		if err != nil {
			log.Errorf("Keeping the last good list: %v", err)
			return
		}
		report(l.File, l)
	}}
	prefixes = feed.Pool[[]netip.Prefix]{Interval: pollInterval, Report: func(_ string, _ *[]netip.Prefix, err error) {
		if err != nil {
			log.Errorf("Keeping the last good prefixes: %v", err)
		}
	}}
)

// sources are a handler's shares of what its policy is built of.
type sources struct {
	feeds    []directive.Feed
	lists    []feed.Share[feed.List]
	prefixes []feed.Share[[]netip.Prefix]
	unwatch  []func()

	clients   *policy.Clients // made of clientsOf
	clientsOf []*[]netip.Prefix
}

// release gives the shares back. Once it has returned, nothing of the handler
// is called any more.
func (s *sources) release() {
	for _, f := range s.unwatch {
		f()
	}
	for _, l := range s.lists {
		l.Release()
	}
	for _, p := range s.prefixes {
		p.Release()
	}
}

// follow has the handler start and stop with its server.
//
// A reload starts the new instance before it stops the old one, and if that
// fails, the new instance is dropped without another word: nobody calls its
// shutdown. So whoever hears of a failed reload, or starts after one, stops
// the handlers whose instance is no longer there.
func (n *NoNudify) follow(c *caddy.Controller) {
	c.Set(n, true) // how the handler's instance is known again
	c.OnStartup(func() error { running.stopLost(); return n.start() })
	c.OnRestartFailed(func() error { running.stopLost(); return nil })
	c.OnShutdown(func() error { n.stop(); return nil })
}

// start takes hold of all lists and builds the first policy of them. It runs
// before the ports open. A list that cannot be used stops it: whoever has just
// started or changed the server is there to read why, and on a reload the old
// server goes on.
func (n *NoNudify) start() error {
	feeds, err := n.config.Feeds()
	if err != nil {
		return err
	}
	s := &sources{feeds: feeds}
	n.sources = s
	running.add(n)
	for _, f := range feeds {
		s.lists = append(s.lists, lists.Acquire(f.Key, f.Refresher))
	}
	for _, f := range n.config.PrefixFiles() {
		s.prefixes = append(s.prefixes, prefixes.Acquire(f.Path, f.Refresher))
	}
	if err := s.load(); err != nil {
		n.stop()
		return err
	}
	s.watch(n.rebuild)
	n.rebuild() // also takes what has come between load and watch
	registered.add(s)
	return nil
}

// stop gives everything back. The policy stays: queries that are still under
// way are judged by it. Only the first call does anything.
func (n *NoNudify) stop() {
	if running.remove(n) {
		registered.remove(n.sources)
		n.sources.release()
	}
}

// watch has f called whenever one of the sources brings something new.
func (s *sources) watch(f func()) {
	for _, l := range s.lists {
		s.unwatch = append(s.unwatch, l.Watch(f))
	}
	for _, p := range s.prefixes {
		s.unwatch = append(s.unwatch, p.Watch(f))
	}
}

// load waits until every source has been read once, by this handler or by
// another that shares it.
func (s *sources) load() error {
	for i, l := range s.lists {
		before := l.Value()
		edition, err := directive.First(context.Background(), l.Refresher)
		if err != nil {
			return err
		}
		if edition != before { // not loaded for another directive already
			report(s.feeds[i].Config.File, edition)
		}
	}
	for _, p := range s.prefixes {
		if _, err := directive.First(context.Background(), p.Refresher); err != nil {
			return err
		}
	}
	return nil
}

// rebuild publishes the policy made of the editions that are loaded now.
func (n *NoNudify) rebuild() {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, err := n.sources.policy(n.config)
	if err != nil {
		log.Errorf("Keeping the last good policy: %v", err)
		return
	}
	n.policy.Store(p)
}

// policy makes the policy of what is held. Of many prefixes the clients take
// long to make, so they are kept until another file of prefixes is held.
func (s *sources) policy(c *directive.Config) (*policy.Policy, error) {
	held := values(s.prefixes)
	if s.clients == nil || !slices.Equal(held, s.clientsOf) {
		clients, err := c.ClientsOf(held)
		if err != nil {
			return nil, err
		}
		s.clients, s.clientsOf = clients, held
	}
	return c.Policy(values(s.lists), s.clients, counterOf)
}

// values returns what is loaded now.
func values[T any](shares []feed.Share[T]) []*T {
	vs := make([]*T, len(shares))
	for i, s := range shares {
		vs[i] = s.Value()
	}
	return vs
}

// maxLogged is the number of refused lines of a list that are logged.
const maxLogged = 5

// report logs what a list holds.
func report(name string, l *feed.List) {
	log.Infof("List %s: %d rules, %d refused, format %v, serial %d", name, l.Stats.Rules, l.Stats.Refused, l.Format, l.Serial)
	for _, e := range l.Refused[:min(len(l.Refused), maxLogged)] {
		log.Warningf("List %s: refused %v", name, e)
	}
}

// running are the handlers that hold sources.
var running handlers

// handlers is a set of handlers.
type handlers struct {
	mu  sync.Mutex
	set map[*NoNudify]bool
}

func (h *handlers) add(n *NoNudify) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.set == nil {
		h.set = make(map[*NoNudify]bool)
	}
	h.set[n] = true
}

// remove reports whether n was in the set.
func (h *handlers) remove(n *NoNudify) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.set[n]
	delete(h.set, n)
	return was
}

// stopLost stops the handlers of instances that are no more.
func (h *handlers) stopLost() {
	h.mu.Lock()
	lost := slices.DeleteFunc(slices.Collect(maps.Keys(h.set)), hasInstance)
	h.mu.Unlock()
	for _, n := range lost {
		n.stop()
	}
}

// hasInstance reports whether the instance that the handler was set up for
// still exists.
func hasInstance(n *NoNudify) bool {
	return slices.ContainsFunc(caddy.Instances(), func(i *caddy.Instance) bool {
		i.StorageMu.RLock()
		defer i.StorageMu.RUnlock()
		return i.Storage[n] != nil
	})
}
