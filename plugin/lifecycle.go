package nonudify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/pace"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/sinkhole"
	"github.com/nonudify/nonudify/plugin/totals"
)

// Lists and prefix files are shared by all directives of the process: what
// several of them name is loaded once, and a reload finds it loaded.
var (
	lists    = feed.Pool[feed.List]{Report: reportList}
	prefixes = feed.Pool[[]netip.Prefix]{Report: reportPrefixes}
)

// sources are a handler's shares of what its policy is built of.
type sources struct {
	feeds    []directive.Feed
	lists    []feed.Share[feed.List]
	files    []directive.PrefixFile
	prefixes []feed.Share[[]netip.Prefix]
	unwatch  []func()
	pages    []*sinkhole.Share
	zones    []publication
	status   func()        // gives the status page back; nil without
	totals   *totals.Share // nil without
	secure   *site         // the help page at https; nil without

	once      sync.Once       // they are given back once
	clients   *policy.Clients // made of clientsOf
	clientsOf []*[]netip.Prefix
}

// release gives the shares back. Once it has returned, nothing of the handler
// is called any more.
func (s *sources) release() {
	for _, f := range s.unwatch {
		f()
	}
	for _, z := range s.zones {
		zones.Release(z.Share)
	}
	sinkhole.ReleaseAll(s.pages)
	if s.status != nil {
		s.status()
	}
	for _, l := range s.lists {
		l.Release()
	}
	for _, p := range s.prefixes {
		p.Release()
	}
	if s.totals != nil {
		s.totals.Release()
	}
}

// follow has the handler start and stop with its server.
//
// A reload starts the new instance before it stops the old one, and if that
// fails, the new one is dropped without another word: nobody calls its
// shutdown. Only the old one hears of it. So what starts in a reload is on
// trial until the old instance is shut down, or CoreDNS says that the new one has
// taken over; the old one stops it in the other case. Where the old one has no
// handler to hear of it, a new instance that is dropped keeps its lists and its help
// page until the next reload, or until the garbage collector finds it. While on
// trial it tells nobody outside what it would do: it publishes no policy zone.
func (n *NoNudify) follow(c *caddy.Controller) {
	i := instanceOf(c)
	i.crew.handlers = append(i.crew.handlers, n)
	n.crew = i.crew
	first := false
	c.OnFirstStartup(func() error { first = true; return nil })
	c.OnStartup(func() error {
		if dnsserver.GetConfig(c).Handler("tsig") != nil {
			n.reserve = tsigSize
		}
		n.config.Secrets = dnsserver.GetConfig(c).TsigSecret
		n.certificate = dnsserver.GetConfig(c).TLSConfig
		n.discovery = n.discoveryZone(c)
		n.transfer = transferOf(dnsserver.GetConfig(c))
		n.place = n.whereabouts(blocks(c))
		if err := n.start(i, first); err != nil {
			i.stop() // with one handler that cannot start, the instance is dropped
			return plugin.Error(directive.Name, err)
		}
		i.started = append(i.started, n)
		runtime.AddCleanup(i, (*NoNudify).stop, n)
		if !first {
			onTrial.add(i, n)
		}
		return nil
	})
	c.OnRestartFailed(func() error { onTrial.stopOthers(i); return nil })
	c.OnShutdown(func() error { n.ending.Store(true); onTrial.acquit(others(i)); n.stop(); return nil })
}

// start takes hold of all lists, builds the first policy of them and serves the
// help page. It runs before the ports open. A file that cannot be used stops it:
// whoever has just started or changed the server is there to read why, and on a
// reload the old server goes on.
func (n *NoNudify) start(i *instance, first bool) error {
	if err := n.readHelplines(i); err != nil {
		return err
	}
	feeds, err := n.config.Feeds()
	if err != nil {
		return err
	}
	s := &sources{feeds: feeds, files: n.config.PrefixFiles()}
	n.sources = s
	for _, f := range feeds {
		s.lists = append(s.lists, lists.Acquire(f.Key, f.Refresher))
	}
	for _, f := range s.files {
		s.prefixes = append(s.prefixes, prefixes.Acquire(f.Key(), f.Refresher))
	}
	if err := s.load(!first && !n.config.Open); err != nil {
		n.stop()
		return err
	}
	n.openTotals()
	n.openZones(!first)
	s.watch(func() { n.rebuild() })
	for _, served := range n.rebuild() { // also takes what has come between load and watch
		<-served
	}
	if err := n.openPage(i); err != nil {
		n.stop()
		return err
	}
	registered.add(s)
	if err := n.openStatus(i); err != nil {
		n.stop()
		return err
	}
	pace.Serve()
	return nil
}

// stop gives everything back. The policy stays: queries that are still under
// way are judged by it. Only the first call does anything.
func (n *NoNudify) stop() {
	if s := n.sources; s != nil {
		s.once.Do(func() {
			onTrial.forget(n)
			registered.remove(s)
			s.release()
		})
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

// load has every list and prefix file loaded, by this handler or by another that
// shares it. What comes over the network is not waited for, unless patient says
// so: then an old server answers meanwhile, and goes on if it does not come.
func (s *sources) load(patient bool) error {
	for i, l := range s.lists {
		if err := s.begin(s.feeds[i], l.Refresher, patient); err != nil {
			return err
		}
	}
	for i, p := range s.prefixes {
		change, err := p.Refresh(context.Background())
		if p.Value() == nil {
			return err
		}
		reportPrefixes(s.files[i].Key(), p.Refresher, change)
	}
	return nil
}

const (
	// maxPatience is how long a reload waits for a list that was never there.
	maxPatience = 30 * time.Second
	// spread is the time over which servers that start together, as after a
	// power cut, ask for newer editions of what they have.
	spread = 10 * time.Second
)

// begin gets the first value of a list: a copy of it is used at once.
func (s *sources) begin(f directive.Feed, r *feed.Refresher[feed.List], patient bool) error {
	before := r.Value()
	if f.Open && before == nil {
		log.Warningf("List %s: transferred without TSIG or TLS: anybody on the way may change it", f.List)
	}
	var change feed.Change
	restored, err := r.Restore()
	if err != nil {
		log.Errorf("List %s: not using the copy on disk: %v", f.List, err)
	}
	switch {
	case !f.Remote:
		change, err = r.Refresh(context.Background())
	case restored && before == nil:
		r.Wake(rand.N(spread))
	case !restored && patient:
		err = await(r)
	case !restored:
		log.Infof("List %s: not here yet, fetching it", f.List)
		r.Wake(0)
		return nil // the round reports what it brings
	}
	l := r.Value()
	switch {
	case l == nil && (patient || !f.Remote):
		return fmt.Errorf("list %s: %w", f.List, err)
	case l == nil || l == before:
		reportList(f.Key, r, change) // which no later round finds new
		return nil
	}
	report(f.List, l)
	if f.Idle(l) {
		log.Warningf("List %s: has no addresses to honour, for it is no policy zone", f.List)
	}
	if status := r.Status(); status.Err != nil {
		log.Errorf("List %s: keeping the last good edition: %v", f.List, status.Err)
	}
	if w := r.Status().Warning; w != nil {
		log.Warningf("List %s: %v", f.List, w)
	}
	return nil
}

// await does a round, for as long as a reload may take.
func await(r *feed.Refresher[feed.List]) error {
	ctx, cancel := context.WithTimeout(context.Background(), maxPatience)
	defer cancel()
	_, err := r.Refresh(ctx)
	if ctx.Err() != nil { // the error does not say what was waited for
		err = fmt.Errorf("the list did not come within %v", maxPatience)
	}
	return err
}

// rebuild publishes the policy made of the editions that are loaded now, also as
// policy zones, which takes longer: the channels that it returns are closed then.
// What is held back is published later, and there are none for it.
func (n *NoNudify) rebuild() (served []<-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	editions := values(n.sources.lists)
	p, err := n.sources.policy(n.config, editions)
	if err != nil {
		log.Errorf("Keeping the last good policy: %v", err)
		return nil
	}
	n.policy.Store(p)
	return n.publish(p, editions)
}

// policy makes the policy of the editions of the lists. Of many prefixes the clients take
// long to make, so they are kept until another file of prefixes is held.
func (s *sources) policy(c *directive.Config, editions []*feed.List) (*policy.Policy, error) {
	held := values(s.prefixes)
	if s.clients == nil || !slices.Equal(held, s.clientsOf) {
		s.clients, s.clientsOf = c.ClientsOf(held), held
	}
	return c.Policy(editions, s.clients, counterOf)
}

// values returns what is loaded now.
func values[T any](shares []feed.Share[T]) []*T {
	vs := make([]*T, len(shares))
	for i, s := range shares {
		vs[i] = s.Value()
	}
	return vs
}
