package front

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// idleSocket returns a socket of a front that nobody reads.
func idleSocket(t *testing.T, a Answerer) *socket {
	t.Helper()
	f := &Front{config: Config{Counters: new(Counters)}}
	f.service.Store(&Service{Answerer: a})
	k, err := newSocket(f, bind(t, "127.0.0.1:0").(*net.UDPConn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.close)
	return k
}

func (k *socket) pumpOnce(t *testing.T) {
	t.Helper()
	if err := k.raw.Control(func(fd uintptr) { k.pump(int(fd)) }); err != nil {
		t.Fatal(err)
	}
}

// TestTurn: of a socket that does not become empty, others have their turn now and
// then. One that is to be closed is read to its end.
func TestTurn(t *testing.T) {
	t.Parallel()
	k := idleSocket(t, answererFunc(func(dst, packet []byte, _ netip.Addr) int { return copy(dst, packet) }))
	c := dial(t, k.local.String())
	const more = 10
	send := func() {
		t.Helper()
		for range turn + more {
			if _, err := c.Write([]byte{1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	answered := func(want uint64) {
		t.Helper()
		if got := k.front.config.Counters.Answered.Load(); got != want {
			t.Fatalf("%d answered, want %d", got, want)
		}
	}
	send()
	k.pumpOnce(t)
	answered(turn)
	k.pumpOnce(t)
	answered(turn + more)
	send()
	far := time.Now().Add(time.Hour)
	k.until.Store(&far)
	k.pumpOnce(t)
	answered(2 * (turn + more))
}
