package front

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// TestLagLimit: a burst is answered, a queue that does not go away is kept short.
func TestLagLimit(t *testing.T) {
	t.Parallel()
	var l lag
	start := time.Now()
	for _, c := range []struct {
		after time.Duration
		empty bool // the socket was, before
		want  time.Duration
	}{
		{0, false, patient},
		{standing, false, patient},
		{standing + 1, false, brisk},
		{10 * standing, false, brisk},
		{10 * standing, true, patient},
		{11 * standing, false, patient},
		{11*standing + 1, false, brisk},
	} {
		if c.empty {
			l.caughtUp()
		}
		if got := l.limit(start.Add(c.after)); got != c.want {
			t.Errorf("After %v: %v, want %v", c.after, got, c.want)
		}
	}
	if l.late(-1, batch-1) || !l.behind.IsZero() {
		t.Error("A batch that is not full does not show that the socket is empty")
	}
}

// slow answers all, but the first only when it is let go.
type slow struct {
	begun, release chan struct{}
	once           *sync.Once
}

func (s slow) Answer(dst, packet []byte, _ netip.Addr) int {
	s.once.Do(func() { close(s.begun); <-s.release })
	return copy(dst, packet)
}

// stamping waits until the kernel notes when datagrams come. It begins to some time
// after it was asked to, and what came before is as old as its reading.
func stamping(t *testing.T) {
	t.Helper()
	conn := bind(t, "127.0.0.1:0").(*net.UDPConn)
	t.Cleanup(func() { conn.Close() })
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	until(t, func() bool {
		if _, err := conn.WriteTo([]byte{0}, conn.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		sent, d := time.Now(), time.Duration(0)
		if _, _, err := conn.ReadFrom(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) { d = age(int(fd), sent) })
		return d > 0
	})
}

// TestLate: what nobody waits for any more is dropped and counted, and then all goes
// on. The clock may have been set meanwhile.
func TestLate(t *testing.T) {
	t.Parallel()
	peer := bind(t, "127.0.0.1:0")
	server(t, peer, told("peer"), nil)
	counters, by := new(Counters), slow{make(chan struct{}), make(chan struct{}), new(sync.Once)}
	f := open(t, Config{Address: peer.LocalAddr().String(), Peers: 1, Sockets: 1, Counters: counters}, &Service{Answerer: by, Handler: told("front")})
	measure := func(now time.Time) (d time.Duration) {
		f.sockets[0].raw.Control(func(fd uintptr) { d = age(int(fd), now) })
		return d
	}
	measure(time.Now())
	stamping(t)
	c := dial(t, peer.LocalAddr().String())
	send := func(n int) {
		for range n {
			if _, err := c.Write(query(1, "now.example")); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(1)
	<-by.begun
	if d := measure(time.Now().Add(time.Second)); d < time.Second || d > absurd {
		t.Errorf("A datagram of a moment ago is %v old in a second", d)
	}
	if d := measure(time.Now().Add(2 * absurd)); d != 0 {
		t.Errorf("A datagram from before the clock was set is %v old", d)
	}
	send(2*batch + 1)
	<-time.After(patient + brisk) // all of that grows old
	close(by.release)
	until(t, func() bool { return counters.Answered.Load() == 2 }) // the first, and the one that is no full batch
	if got := counters.Dropped.Load(); got != 2*batch || counters.Passed.Load() != got {
		t.Errorf("%d were dropped, want %d; %d passed", got, 2*batch, counters.Passed.Load())
	}
	c.Close()
	again := dial(t, peer.LocalAddr().String())
	if got := ask(t, again, query(7, "now.example")); got[1] != 7 {
		t.Errorf("%x", got)
	}
}
