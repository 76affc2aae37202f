package nonudify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	scheme "github.com/coredns/coredns/plugin/pkg/transport"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/front"
)

// fronts are those of the process. They stay open while the server is configured
// anew, so that no query is lost then.
var fronts = frontage{open: map[string]*facade{}, awaited: map[string]*awaited{}, counters: map[string]*front.Counters{}}

// frontage is a number of fronts by the address of their server, as CoreDNS has it:
// dns://192.0.2.53:53.
type frontage struct {
	mu       sync.Mutex
	open     map[string]*facade
	awaited  map[string]*awaited // what a new instance will attach
	counters map[string]*front.Counters
	told     map[string]*told // of the counters; nil until somebody asks
}

// facade is a front and whom it stands before.
type facade struct {
	*front.Front
	fronted *fronted         // the one that answers
	peers   int              // sockets of the server when the front was opened
	retired []*front.Service // replaced, and yet to be drained
	next    *fronted         // for which the front must be opened anew; nil without
	watched
}

// awaited is the instance that is about to attach, and a channel that is closed when
// it has. One that has failed is not held.
type awaited struct {
	instance weak.Pointer[instance]
	attached chan struct{}
}

// openFront has the listeners of a server block call when they begin to serve: it is
// the only time when CoreDNS shows a plugin its server.
func (n *NoNudify) openFront(c *caddy.Controller) {
	if !n.config.Front {
		return
	}
	i := instanceOf(c)
	config := dnsserver.GetConfig(c)
	n.decorate = config.UDPDecorateWriterFunc
	config.UDPDecorateWriterFunc = func(s *dnsserver.Server) dns.DecorateWriter {
		fronts.attach(i, s)
		return fronts.minding(s, i.decorate(s))
	}
	c.OnStartup(func() error { return n.expectFronts(c) })
	c.OnRestart(func() error { i.restarting = true; return nil })
	c.OnRestartFailed(func() error { i.restarting = false; fronts.forget(i); return nil })
	c.OnShutdown(func() error {
		if i.restarting { // else it goes on to the end of what health calls lameduck
			fronts.retire(i)
		}
		return nil
	})
	c.OnFinalShutdown(func() error { fronts.retire(i); return nil })
}

// expectFronts notes the listeners at which there is to be a front, and returns
// what keeps one from being there.
func (n *NoNudify) expectFronts(c *caddy.Controller) error {
	i := instanceOf(c)
	if i.blocks == nil {
		i.blocks = blocks(c)
	}
	for _, block := range n.plainBlocks(i.blocks) {
		for _, address := range serverAddresses(block) {
			if err := i.frontable(address); err != nil {
				return fmt.Errorf("plugin/%s: front on: %w", directive.Name, err)
			}
			fronts.expect(i, address)
		}
	}
	return nil
}

// plainBlocks returns the server blocks of this plugin that listen for plain DNS. It
// logs if there is none with a front in all of the Corefile: one that has its settings
// from where others have them, too, need not have a front for each.
func (n *NoNudify) plainBlocks(all []*dnsserver.Config) (own []*dnsserver.Config) {
	fronted, other := false, ""
	for _, c := range all {
		of, _ := c.Handler(directive.Name).(*NoNudify)
		switch plain := c.Transport == scheme.DNS; {
		case of == nil || !of.config.Front:
		case plain:
			fronted = true
			if of == n {
				own = append(own, c)
			}
		case of == n && other == "":
			other = label(c)
		}
	}
	if !fronted {
		log.Warningf("No front for server block %s: it has no listener of plain DNS", other)
	}
	return own
}

// frontable returns what keeps a listener from having a front.
func (i *instance) frontable(address string) error {
	var asked *dnsserver.Config
	for _, block := range i.at(address) {
		if block.ProxyProtoConnPolicy != nil {
			return fmt.Errorf("server block %s expects the PROXY protocol at the same address, which the front does not speak", label(block))
		}
		if block.UDPDecorateWriterFunc != nil {
			asked = block // CoreDNS calls the last one only
		}
	}
	if n, ok := asked.Handler(directive.Name).(*NoNudify); !ok || !n.config.Front {
		return fmt.Errorf("server block %s has shed, or another plugin that writes the replies, at the same address: put %s with 'front on' there, too", label(asked), directive.Name)
	}
	return nil
}

// decorate calls what other plugins have asked to be called, as shed does: the last
// one, as CoreDNS would without a front.
func (i *instance) decorate(s *dnsserver.Server) dns.DecorateWriter {
	for _, block := range slices.Backward(i.at(s.Addr)) {
		f := block.UDPDecorateWriterFunc
		if n, ok := block.Handler(directive.Name).(*NoNudify); ok && n.config.Front {
			f = n.decorate
		}
		if f != nil {
			return f(s)
		}
	}
	return nil
}

// at returns the server blocks at an address, in the order of the Corefile.
func (i *instance) at(address string) []*dnsserver.Config {
	return slices.DeleteFunc(slices.Clone(i.blocks), func(c *dnsserver.Config) bool { return !slices.Contains(serverAddresses(c), address) })
}

// serverAddresses returns the addresses of the servers of a block, as CoreDNS makes
// them.
func serverAddresses(c *dnsserver.Config) (found []string) {
	for _, host := range c.ListenHosts {
		if addr, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(host, c.Port)); err == nil {
			found = append(found, c.Transport+"://"+addr.String())
		}
	}
	return found
}

// expect notes that an instance will attach.
func (f *frontage) expect(i *instance, address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a := f.awaited[address]; a == nil || a.instance != weak.Make(i) {
		f.awaited[address] = &awaited{weak.Make(i), make(chan struct{})}
	}
}

// forget takes back what others than an instance have noted: they have failed.
func (f *frontage) forget(i *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for address, a := range f.awaited {
		if a.instance != weak.Make(i) {
			delete(f.awaited, address)
		}
	}
}

// attach puts a front before a server, or the server behind the one that is there.
// Of several servers at one address, which are alike, it takes the first. Where
// there can be no front, the server goes on without.
func (f *frontage) attach(i *instance, s *dnsserver.Server) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.awaited[s.Addr]
	if a == nil || a.instance != weak.Make(i) {
		return // attached already
	}
	delete(f.awaited, s.Addr)
	defer close(a.attached)
	next, err := newFronted(i, s)
	if err != nil {
		log.Warningf("No front at %s: %v", s.Addr, err)
		return
	}
	next.counters = f.countersOf(s.Addr)
	switch d := f.open[s.Addr]; {
	case d == nil:
		f.start(next, soonest)
	case d.next != nil, d.peers > next.peers: // once the other sockets of the old server are gone, the kernel counts otherwise
		d.next = next
	default:
		d.retired = append(d.retired, d.Swap(next.service()))
		d.fronted = next
	}
}

// start opens a front, which may be opened anew after some time.
func (f *frontage) start(next *fronted, patience time.Duration) {
	address := next.server.Addr
	opened, err := front.Open(front.Config{
		Address: strings.TrimPrefix(address, scheme.DNS+"://"), Peers: next.peers, Counters: next.counters,
	}, next.service())
	if err != nil {
		log.Warningf("No front at %s: %v", address, err)
		return
	}
	if !opened.Steered() {
		log.Warningf("The front at %s gets a share of the queries only: the kernel does not steer", address)
	}
	if opened.Room() < front.Room {
		log.Infof("The kernel keeps %d bytes for each socket of the front at %s, and not %d: more is for net.core.rmem_max to allow", opened.Room(), address, front.Room)
	}
	d := &facade{Front: opened, fronted: next, peers: next.peers, watched: watched{closing: make(chan struct{})}}
	f.open[address] = d
	if opened.Steered() {
		go f.watch(address, d, patience)
	}
}

func (f *frontage) countersOf(address string) *front.Counters {
	c := f.counters[address]
	if c == nil {
		c = new(front.Counters)
		f.counters[address] = c
	}
	return c
}

// grace is how long the end of an instance waits for its queries, as that of a
// server does.
const grace = 5 * time.Second

// retire lets go of an instance: fronts that the next one does not want are closed,
// and it returns when the queries are answered that came before.
func (f *frontage) retire(i *instance) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	for _, attached := range f.successors(i) {
		select {
		case <-attached:
		case <-ctx.Done():
		}
	}
	replaced, closed := f.remove(i)
	for _, s := range replaced {
		s.Drain(ctx)
	}
	for _, d := range closed {
		d.close(ctx)
		f.mu.Lock()
		if d.next != nil && d.next.instance != i {
			f.start(d.next, soonest)
		}
		f.mu.Unlock()
	}
}

// remove takes out what an instance leaves behind: services that have been replaced,
// and fronts that are to be closed. All of that takes its time, for which servers
// that attach must not wait.
func (f *frontage) remove(i *instance) (replaced []*front.Service, closed []*facade) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for address, a := range f.awaited {
		if a.instance == weak.Make(i) { // a server that begins to serve after its end, as CoreDNS lets it, has no front
			delete(f.awaited, address)
		}
	}
	for address, d := range f.open {
		replaced, d.retired = append(replaced, d.retired...), nil
		if d.fronted.instance == i {
			delete(f.open, address)
			closed = append(closed, d)
		}
	}
	return replaced, closed
}

// successors returns what is closed when the next instance is where this one has
// been.
func (f *frontage) successors(i *instance) (all []<-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for address := range f.open {
		if a := f.awaited[address]; a != nil && a.instance != weak.Make(i) {
			all = append(all, a.attached)
		}
	}
	return all
}

// newFronted returns what a front asks of a server.
func newFronted(i *instance, s *dnsserver.Server) (*fronted, error) {
	if strings.HasSuffix(s.Addr, ":0") {
		return nil, errors.New("which port it has is not known before it serves")
	}
	if opens(s) {
		return nil, errors.New("a plugin has it take messages of a kind that the front does not know")
	}
	ctx := context.WithValue(context.Background(), dnsserver.Key{}, s)
	f := &fronted{server: s, instance: i, ctx: context.WithValue(ctx, dnsserver.LoopKey{}, 0), peers: 1, zones: map[string]*frontRoute{}, counters: new(front.Counters)}
	group := i.at(s.Addr)
	if n := group[0].NumSockets; n > 0 {
		f.peers = n
	}
	for _, block := range group {
		if _, shared := f.zones[block.Zone]; shared { // by views
			f.zones[block.Zone] = nil
			continue
		}
		r := newFrontRoute(s.Addr, block)
		f.zones[block.Zone] = r
		if r != nil && r.repeats && f.packets == nil {
			f.packets = front.NewPacketCache()
		}
	}
	return f, nil
}

// opens reports whether a server takes messages of other kinds than QUERY and
// NOTIFY. It tells nobody, but to refuse what it would take, or to take what it
// would refuse, is an answer of another kind.
func opens(s *dnsserver.Server) bool {
	opcodes := reflect.ValueOf(s).Elem().FieldByName("allowedOpcodes")
	return opcodes.Kind() != reflect.Map || opcodes.Len() > 0
}
