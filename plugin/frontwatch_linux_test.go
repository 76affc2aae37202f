package nonudify

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/front"
)

// newFrontage returns a number of fronts that nobody else has.
func newFrontage() *frontage {
	return &frontage{open: map[string]*facade{}, awaited: map[string]*awaited{}, counters: map[string]*front.Counters{}}
}

// newServer returns a server for an address that is free, and its instance. It does
// not serve.
func newServer(t *testing.T, address string) (*instance, *dnsserver.Server) {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	f := frontedServer(t, port, block(".", handler(t, "list builtin name frontwatch")))
	return f.instance, f.server
}

// unused returns an address that nobody has.
func unused(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().String()
}

// begin has a server begin to serve, as CoreDNS does.
func (f *frontage) begin(i *instance, s *dnsserver.Server) dns.DecorateWriter {
	f.expect(i, s.Addr)
	f.attach(i, s)
	return f.minding(s, nil)
}

// of returns the front at an address, nil for none.
func (f *frontage) of(address string) *facade {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open[address]
}

// wantNone checks that nothing is left at an address: it can be had alone.
func (f *frontage) wantNone(t *testing.T, address string) {
	t.Helper()
	if len(f.open) > 0 || len(f.awaited) > 0 {
		t.Errorf("There are left %v and %v", f.open, f.awaited)
	}
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Errorf("A socket is still open: %v", err)
		return
	}
	c.Close()
}

// TestFrontStoppedBefore: a server that begins to serve only when its instance has
// ended, which CoreDNS does not keep it from, gets no front. Nobody would close it.
func TestFrontStoppedBefore(t *testing.T) {
	t.Parallel()
	f, address := newFrontage(), unused(t)
	i, s := newServer(t, address)
	f.expect(i, s.Addr)
	f.retire(i)
	f.attach(i, s)
	f.wantNone(t, address)
}

// TestFrontStrays: a front that does not get all queries any more is opened anew,
// soon at first, and then less often. Meanwhile the gauge says so.
func TestFrontStrays(t *testing.T) {
	t.Parallel()
	f, address := newFrontage(), unused(t)
	i, s := newServer(t, address)
	w := &silentWriter{}
	stray := f.begin(i, s)
	before := f.of(s.Addr)
	if before == nil || !before.Steered() {
		t.Fatal("No front, or the kernel does not steer")
	}
	untilTrue(t, func() bool {
		if stray(w) != dns.Writer(w) {
			t.Fatal("The server is to write by way of something else")
		}
		return f.of(s.Addr) != before
	})
	if after := f.of(s.Addr); !before.astray.Load() || after == nil || after.fronted != before.fronted || after.astray.Load() {
		t.Errorf("%+v is in the place of %+v", after, before)
	}
	f.retire(i)
	f.wantNone(t, address)
}

// silentWriter is a writer that nothing is written to.
type silentWriter struct{ dns.Writer }

// untilTrue waits until something is so.
func untilTrue(t *testing.T, is func() bool) {
	t.Helper()
	deadline, again := time.After(30*time.Second), time.NewTicker(20*time.Millisecond)
	defer again.Stop()
	for !is() {
		select {
		case <-deadline:
			t.Fatal("It does not come to that")
		case <-again.C:
		}
	}
}

// TestFrontPatience: what goes astray all the time is opened anew less and less
// often, and again soon when it has been well for long.
func TestFrontPatience(t *testing.T) {
	t.Parallel()
	patience, all := soonest, time.Duration(0)
	for range 20 {
		all += patience
		patience = longer(patience, patience+soonest)
	}
	if patience != latest || all < time.Hour {
		t.Errorf("After 20 times in %v it is %v", all, patience)
	}
	if got := longer(patience, patience+latest+soonest); got != soonest {
		t.Errorf("After it was well for long it is %v", got)
	}
}

// TestFrontReopens opens fronts anew while instances come and go. Whoever came last
// has the front in the end, and when he has gone there is none.
func TestFrontReopens(t *testing.T) {
	t.Parallel()
	f, address := newFrontage(), unused(t)
	i, s := newServer(t, address)
	f.begin(i, s)
	var running sync.WaitGroup
	for round := range 12 {
		d := f.of(s.Addr)
		if d == nil || d.fronted.instance != i {
			t.Fatalf("Round %d: %+v", round, d)
		}
		next, server := newServer(t, address)
		reopened := make(chan struct{})
		running.Go(func() { defer close(reopened); f.reopen(s.Addr, d, soonest) })
		if round%3 > 0 {
			untilTrue(t, func() bool { return f.noted(d) })
		}
		f.begin(next, server)
		if round%2 > 0 {
			<-reopened
		}
		f.retire(i)
		<-reopened
		i, s = next, server
	}
	d := f.of(s.Addr)
	running.Go(func() { f.reopen(s.Addr, d, soonest) })
	untilTrue(t, func() bool { return f.noted(d) })
	f.retire(i)
	running.Wait()
	f.wantNone(t, address)
}

// noted reports whether a front is about to be opened anew.
func (f *frontage) noted(d *facade) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return d.next != nil
}
