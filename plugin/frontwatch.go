package nonudify

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/front"
)

// Which socket of those at an address the kernel means by a number changes when
// others come and go there: those of another process that gives the address to this
// one, as after SIGUSR2, or takes it. When that process closes its front, it makes
// the kernel forget how this one steers, too. Nobody is told of it, and the kernel
// shows nobody what it does. But the server reads datagrams itself then.
//
// All of that changes who answers only, and not the answer.

// watched is what there is to know of a front that is watched.
type watched struct {
	astray  atomic.Bool // it does not get all
	closing chan struct{}
	once    sync.Once
}

// close closes a front. Whoever comes second waits for the first.
func (d *facade) close(ctx context.Context) {
	d.once.Do(func() {
		close(d.closing)
		d.Close(ctx)
	})
}

// minding has a server count the datagrams that it reads itself.
func (f *frontage) minding(s *dnsserver.Server, other dns.DecorateWriter) dns.DecorateWriter {
	f.mu.Lock()
	defer f.mu.Unlock()
	return minding(f.countersOf(s.Addr), other)
}

func minding(c *front.Counters, other dns.DecorateWriter) dns.DecorateWriter {
	return func(w dns.Writer) dns.Writer {
		c.Strayed.Add(1)
		if other == nil {
			return w
		}
		return other(w)
	}
}

// How long a front that does not get all is left as it is: at first so long as what
// came before it was opened takes to be read, and then longer each time. As long as
// another process stays at the address, to open it anew may be of no use.
const (
	soonest = time.Second
	latest  = 10 * time.Minute
)

// watch has a front opened anew that does not get all any more, so that it is where
// it expects to be among the sockets at its address. It returns when the front is
// closed.
func (f *frontage) watch(address string, d *facade, patience time.Duration) {
	f.mu.Lock()
	c := f.countersOf(address)
	f.mu.Unlock()
	opened, known := time.Now(), uint64(0)
	look := time.NewTicker(soonest)
	defer look.Stop()
	for first := true; ; first = false {
		select {
		case <-d.closing:
			return
		case <-look.C:
		}
		strayed := c.Strayed.Load()
		if !first && strayed != known {
			d.astray.Store(true)
		}
		known = strayed
		if age := time.Since(opened); d.astray.Load() && age >= patience {
			f.reopen(address, d, longer(patience, age))
			return
		}
	}
}

// longer returns the patience with a front that is opened anew: another one if it was
// well for long.
func longer(patience, age time.Duration) time.Duration {
	if age > patience+latest {
		return soonest
	}
	return min(2*patience, latest)
}

// reopen opens a front anew, for whoever answers then.
func (f *frontage) reopen(address string, d *facade, patience time.Duration) {
	f.mu.Lock()
	if d.next != nil { // it is to be opened anew as soon as an instance has ended
		f.mu.Unlock()
		return
	}
	d.next = d.fronted
	f.mu.Unlock()
	log.Warningf("The front at %s does not get all queries any more: another server has come to that address, or left it. It is opened anew", address)
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	d.close(ctx)
	for _, s := range f.replace(address, d, patience) {
		s.Drain(ctx)
	}
}

// replace opens the front that is next, unless the instance has ended meanwhile. It
// returns services that are yet to be drained, and that nobody else looks after.
func (f *frontage) replace(address string, d *facade, patience time.Duration) []*front.Service {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[address] != d {
		return nil
	}
	delete(f.open, address)
	f.start(d.next, patience)
	next := f.open[address]
	if next == nil {
		return d.retired
	}
	next.retired = d.retired
	return nil
}
