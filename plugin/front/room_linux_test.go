package front

import (
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestRoom: where the kernel keeps less than it was asked for, the front says so,
// and answers what the kernel has kept.
func TestRoom(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("/proc/sys/net/core/rmem_max")
	if err != nil {
		t.Skipf("The kernel does not say how much it keeps at most: %v", err)
	}
	most, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ ask, want int }{"as asked": {most / 2, most / 2}, "more than there is": {2 * most, most}, "little": {4096, 4096}} {
		t.Run(name, func(t *testing.T) {
			peer := bind(t, "127.0.0.1:0")
			server(t, peer, told("peer"), nil)
			f := open(t, Config{Address: peer.LocalAddr().String(), Peers: 1, room: tt.ask}, &Service{Answerer: prefix("now"), Handler: told("front")})
			if f.Room() != tt.want {
				t.Errorf("Room is %d, want %d", f.Room(), tt.want)
			}
			flood(t, peer.LocalAddr().String())
			c, buf := dial(t, peer.LocalAddr().String()), make([]byte, MaxReply)
			until(t, func() bool { // the first may be one too many still
				c.Write(query(2, "now.example"))
				c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
				n, err := c.Read(buf)
				return err == nil && n > 2 && buf[1] == 2
			})
			if f.config.Counters.Answered.Load() < 2 {
				t.Error("The front has answered nothing")
			}
		})
	}
}

const flooding = 500

// flood sends more at once than little room is for.
func flood(t *testing.T, address string) {
	t.Helper()
	c := dial(t, address)
	for range flooding {
		if _, err := c.Write(query(1, "now.example")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOverflow: what the kernel drops while nobody reads is counted, and nothing else
// is missing.
func TestOverflow(t *testing.T) {
	t.Parallel()
	peer := bind(t, "127.0.0.1:0")
	server(t, peer, told("peer"), nil)
	counters := new(Counters)
	reading, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := answererFunc(func(dst, packet []byte, _ netip.Addr) int {
		once.Do(func() { close(reading); <-goOn })
		return copy(dst, packet)
	})
	f := open(t, Config{Address: peer.LocalAddr().String(), Peers: 1, Sockets: 1, Counters: counters, room: 4096}, &Service{Answerer: slow, Handler: told("front")})
	flood(t, peer.LocalAddr().String())
	<-reading
	flood(t, peer.LocalAddr().String()) // which there is no room for
	close(goOn)
	until(t, func() bool {
		f.Tally()
		return counters.Answered.Load()+counters.Dropped.Load()+counters.Overflowed.Load() == 2*flooding
	})
	if n := counters.Overflowed.Load(); n < flooding/2 {
		t.Errorf("%d are counted as dropped", n)
	}
	again := counters.Overflowed.Load()
	if f.Tally(); counters.Overflowed.Load() != again {
		t.Error("They are counted twice")
	}
}

// answererFunc is an Answerer.
type answererFunc func(dst, packet []byte, client netip.Addr) int

func (f answererFunc) Answer(dst, packet []byte, client netip.Addr) int {
	return f(dst, packet, client)
}

// TestStill: of many whose replies there is no room for, one looks whether there is. None
// stays when the socket is to be closed.
func TestStill(t *testing.T) {
	t.Parallel()
	const many = 200
	k := idleSocket(t, nil)
	var looks atomic.Int64
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			s := new(sending)
			s.do = func(uintptr) { looks.Add(1); s.errno = unix.EAGAIN }
			if err := s.send(k, []byte{1}, new(peer)); err != unix.EAGAIN {
				t.Errorf("Sent: %v", err)
			}
		})
	}
	until(t, func() bool { return looks.Load() > many })
	began, before := time.Now(), looks.Load()
	until(t, func() bool { return time.Since(began) > 300*time.Millisecond })
	if n := looks.Load() - before; n > many+100 { // some may have come late
		t.Errorf("They looked %d times", n)
	}
	k.until.Store(&began)
	all.Wait()
	if n := k.front.config.Counters.Unsent.Load(); n != many {
		t.Errorf("%d replies are counted as lost, of %d", n, many)
	}
}
