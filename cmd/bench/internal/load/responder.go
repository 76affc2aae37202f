package load

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Responder is a DNS server that answers every question at once: A with Address, all
// else with no data. It is what candidates forward to, and what no server is cheaper
// than.
type Responder struct {
	Addr netip.AddrPort

	asked atomic.Uint64
	quit  atomic.Bool
	done  sync.WaitGroup
	err   error
}

// responses is how many packets a Responder takes at a time.
const responses = 64

// idle is how long it waits before it looks whether it is to end.
const idle = 50 * time.Millisecond

// Listen starts a responder on an address on loopback, port 0 for any, in a goroutine
// of its own. The caller closes it.
func Listen(addr netip.AddrPort) (*Responder, error) {
	s, err := open(addr, responses, false)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	port, err := s.port()
	if err != nil {
		s.close()
		return nil, fmt.Errorf("listening: %w", err)
	}
	r := &Responder{Addr: netip.AddrPortFrom(addr.Addr(), port)}
	r.done.Go(func() {
		defer s.close()
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for !r.quit.Load() && r.err == nil {
			r.err = r.round(s)
		}
	})
	return r, nil
}

// round answers what has come, or waits for it.
func (r *Responder) round(s *socket) error {
	n, err := s.receive()
	if err != nil || n == 0 {
		if err == nil {
			err = wait([]*socket{s}, idle)
		}
		return err
	}
	r.asked.Add(uint64(n))
	from := 0
	for i := range n {
		if length := respond(s.buffer(i), len(s.packet(i))); length > 0 {
			s.length(i, length)
			continue
		}
		deliver(s, from, i) // and leave this one out
		from = i + 1
	}
	deliver(s, from, n)
	return nil
}

// deliver sends answers, but to those who cannot be reached any more.
func deliver(s *socket, from, to int) {
	for from < to {
		n, _ := s.send(from, to)
		from += n + 1
	}
}

// Asked returns how many packets have come so far.
func (r *Responder) Asked() uint64 { return r.asked.Load() }

// Close ends the responder and returns why it ended before, if it did.
func (r *Responder) Close() error {
	r.quit.Store(true)
	r.done.Wait()
	return r.err
}
