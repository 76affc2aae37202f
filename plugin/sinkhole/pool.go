package sinkhole

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// ErrShared is the error of who would serve two sites at one address.
var ErrShared = errors.New("another page is served there already")

// Pool holds the listeners of a process by their addresses. A listener stays
// open while one server of the process is replaced by the next: no connection
// and no request is lost. The zero value is an empty pool. It is safe for
// concurrent use.
type Pool struct {
	Config ServerConfig // of every listener
	Title  string       // what is served, for errors; "" means help page
	// Failed is told what only a person can mend, each at most once for every time
	// that an address, or the path of a socket, is opened: that its listener cannot
	// take connections, and that a request has ended in a panic. May be nil.
	Failed func(address string, err error)

	mu   sync.Mutex
	open map[place]*opened
}

// place is where a listener is: at an address, or at a socket in the file system.
type place struct {
	address netip.AddrPort
	socket  string // its path; "" where it is an address
}

func (at place) String() string {
	if at.socket != "" {
		return at.socket
	}
	return at.address.String()
}

// opened is a listener with all that hold it, the newest last.
type opened struct {
	*server
	shares []*Share
}

// Share is a hold on the listener of an address.
type Share struct {
	owner   any
	site    *Site
	address netip.AddrPort
	release func()
}

// Acquire has a site served at an address, from now on and until its share is
// released: of all that are held there, the newest is served. A reload that fails
// so falls back to the site before.
//
// The owner is one server with all of its sites. Another owner may have another
// site at the same address, but no owner two: the error then wraps ErrShared. The
// pool keeps the owner as long as the share, and compares it: a weak.Pointer
// leaves what it points to to the garbage collector.
//
// Any other error is of the listener and says what can be done.
func (p *Pool) Acquire(address netip.AddrPort, owner any, site *Site) (*Share, error) {
	return p.acquire(place{address: netip.AddrPortFrom(address.Addr().Unmap(), address.Port())}, owner, site)
}

// AcquireSocket is Acquire for a socket in the file system, which only the user and
// the group of this process can connect to. The last release removes it.
func (p *Pool) AcquireSocket(path string, owner any, site *Site) (*Share, error) {
	return p.acquire(place{socket: path}, owner, site)
}

func (p *Pool) acquire(at place, owner any, site *Site) (*Share, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.open[at]
	if o == nil {
		l, err := p.listen(at)
		if err != nil {
			return nil, err
		}
		o = p.start(at, l, site)
	}
	if slices.ContainsFunc(o.shares, func(s *Share) bool { return s.owner == owner && s.site != site }) {
		return nil, fmt.Errorf("%s at %v: %w", p.title(), at, ErrShared)
	}
	s := &Share{owner: owner, site: site, address: o.address()}
	s.release = sync.OnceFunc(func() { p.release(at, o, s) })
	o.shares = append(o.shares, s)
	o.site.Store(site)
	return s, nil
}

// Release gives the share back. With the last one of an address its listener is
// closed, connections without a request are ended, and requests under way have
// ServerConfig.DrainTimeout to finish; Release returns when all have ended. It
// must not be called by what a site calls. Further calls do nothing.
func (s *Share) Release() { s.release() }

// ReleaseAll gives shares back, all at once: each may have to wait for its
// clients.
func ReleaseAll(shares []*Share) {
	var ended sync.WaitGroup
	for _, s := range shares {
		ended.Go(s.Release)
	}
	ended.Wait()
}

// Address returns where the listener is: with the port that the system has
// chosen if that was left to it by port 0. A socket in the file system has none.
func (s *Share) Address() netip.AddrPort { return s.address }

// listen opens a listener. Where a reload moves the page from all addresses to
// one, or back, the old server is in the way until it has been replaced.
func (p *Pool) listen(at place) (l net.Listener, err error) {
	if at.socket != "" {
		l, err = listenSocket(at.socket)
	} else {
		l, err = listen(at.address)
	}
	if err == nil {
		return l, nil
	}
	for other := range p.open {
		if at.socket == "" && overlaps(at.address, other.address) {
			return nil, fmt.Errorf("%s: cannot listen on %v beside %v, which this process has open: if it is to be replaced, restart instead of reloading", p.title(), at, other)
		}
	}
	return nil, fmt.Errorf("%s: cannot listen on %v: %w", p.title(), at, err)
}

// title is what is served, for errors.
func (p *Pool) title() string { return cmp.Or(p.Title, "help page") }

// overlaps reports whether only one of two addresses can have a listener
// though they are not equal.
func overlaps(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && a.Addr().Is4() == b.Addr().Is4() && (a.Addr().IsUnspecified() || b.Addr().IsUnspecified())
}

func (p *Pool) start(at place, l net.Listener, site *Site) *opened {
	o := &opened{server: startServer(p.Config, l, site, func(err error) {
		if p.Failed != nil {
			p.Failed(at.String(), err)
		}
	})}
	if p.open == nil {
		p.open = make(map[place]*opened)
	}
	p.open[at] = o
	return o
}

// release has the newest site served that is left, or ends the server.
func (p *Pool) release(at place, o *opened, s *Share) {
	p.mu.Lock()
	o.shares = slices.DeleteFunc(o.shares, func(other *Share) bool { return other == s })
	last := len(o.shares) == 0
	if last {
		delete(p.open, at)
		o.closeListener() // now: who acquires the address next opens it again
	} else {
		o.site.Store(o.shares[len(o.shares)-1].site)
	}
	p.mu.Unlock()
	if last {
		o.stop()
	}
}
