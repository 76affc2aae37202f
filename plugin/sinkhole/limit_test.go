package sinkhole

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// fakeConn is a connection from an address that knows whether it was closed.
type fakeConn struct {
	net.Conn
	from   string
	closed bool
}

func (c *fakeConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(c.from), 1024))
}

func (c *fakeConn) Close() error { c.closed = true; return nil }

// arrive has a number of connections let in.
func arrive(t *testing.T, l *limits, from string, n int) []*fakeConn {
	t.Helper()
	cs := make([]*fakeConn, n)
	for i := range cs {
		cs[i] = &fakeConn{from: from}
		if !l.admit(cs[i]) {
			t.Fatalf("Connection %d from %s is refused", i, from)
		}
	}
	return cs
}

// closedOf returns the numbers of the connections that were closed.
func closedOf(cs []*fakeConn) (numbers []int) {
	for i, c := range cs {
		if c.closed {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

func (l *limits) set(state http.ConnState, cs ...*fakeConn) {
	for _, c := range cs {
		l.track(c, state)
	}
}

func TestLimitsOfAClient(t *testing.T) {
	l := newLimits(10, 3, false)
	mine, other := arrive(t, l, "192.0.2.1", 3), arrive(t, l, "192.0.2.2", 3)
	l.set(http.StateActive, mine[0])
	more := arrive(t, l, "192.0.2.1", 2) // at the cost of those that wait
	if got := fmt.Sprint(closedOf(mine), closedOf(other), closedOf(more)); got != "[1 2] [] []" || l.count() != 6 {
		t.Errorf("Closed %s, %d left", got, l.count())
	}
	l.set(http.StateActive, more...)
	if l.admit(&fakeConn{from: "192.0.2.1"}) {
		t.Error("A client has more connections than it may, all of them with a request")
	}
	l.set(http.StateIdle, more[1], mine[0]) // both wait again, more[1] for longer
	arrive(t, l, "192.0.2.1", 1)
	if got := fmt.Sprint(closedOf(mine), closedOf(more)); got != "[1 2] [1]" {
		t.Errorf("Closed %s", got)
	}
	l.set(http.StateClosed, mine[0])
	arrive(t, l, "192.0.2.1", 1) // there is room
	if got := fmt.Sprint(closedOf(mine), closedOf(more), closedOf(other)); got != "[1 2] [1] []" {
		t.Errorf("Closed %s", got)
	}
}

func TestLimitsInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(4, 4, false)
		a, b := arrive(t, l, "192.0.2.1", 2), arrive(t, l, "2001:db8::1", 2)
		l.set(http.StateActive, a[0], b[1])
		arrive(t, l, "192.0.2.3", 1)
		if got := fmt.Sprint(closedOf(a), closedOf(b)); got != "[1] []" {
			t.Errorf("Closed %s, want the one that has waited longest", got)
		}
		l.set(http.StateActive, b[0])
		c := arrive(t, l, "192.0.2.4", 1)
		l.set(http.StateActive, c...)
		time.Sleep(stuck - 1)
		if l.admit(&fakeConn{from: "192.0.2.5"}) || l.count() != 4 {
			t.Errorf("Let in beside 4 with requests; %d now", l.count())
		}
		l.set(http.StateIdle, b[0])
		l.set(http.StateActive, b[0])
		time.Sleep(time.Nanosecond)
		arrive(t, l, "192.0.2.5", 1)
		if got := fmt.Sprint(closedOf(a), closedOf(b), closedOf(c)); got != "[0 1] [] []" || l.count() != 4 {
			t.Errorf("Closed %s, want the one that is stuck; %d now", got, l.count())
		}
	})
}

// TestLimitsEnd: what was closed once is not counted twice, and wait waits for
// every connection's end.
func TestLimitsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(2, 2, false)
		cs := arrive(t, l, "192.0.2.1", 4)
		l.set(http.StateIdle, cs[0]) // was evicted: it is late
		l.set(http.StateClosed, cs[0], cs[1])
		if l.count() != 2 || len(l.clients) != 1 {
			t.Errorf("%d connections of %d clients", l.count(), len(l.clients))
		}
		l.set(http.StateActive, cs[2])
		l.close()
		if got := fmt.Sprint(closedOf(cs)); got != "[0 1 3]" {
			t.Errorf("Closed %s, want all that wait", got)
		}
		if l.admit(&fakeConn{from: "192.0.2.2"}) {
			t.Error("Let in after the end")
		}
		waited := false
		go func() { l.wait(); waited = true }()
		l.set(http.StateClosed, cs[3])
		synctest.Wait()
		if waited {
			t.Error("One connection has not ended")
		}
		l.set(http.StateClosed, cs[2])
		synctest.Wait()
		if !waited || l.count() != 0 || len(l.clients) != 0 || len(l.tickets) != 0 {
			t.Errorf("Waited: %v; %d connections, %d clients, %d tickets left", waited, l.count(), len(l.clients), len(l.tickets))
		}
	})
}

// TestLimitsOfTheMachine: a reverse proxy on the machine is many clients, unless
// the number was set.
func TestLimitsOfTheMachine(t *testing.T) {
	for _, from := range []string{"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"} {
		l := newLimits(5, 1, true)
		if cs := arrive(t, l, from, 5); closedOf(cs) != nil {
			t.Errorf("%s: closed %v", from, closedOf(cs))
		}
		arrive(t, l, from, 1)
		if l.count() != 5 {
			t.Errorf("%s: %d connections, more than in all", from, l.count())
		}
		l = newLimits(5, 1, false)
		if cs := arrive(t, l, from, 5); len(closedOf(cs)) != 4 {
			t.Errorf("%s: closed %v", from, closedOf(cs))
		}
	}
	l := newLimits(5, 1, true)
	if cs := arrive(t, l, "192.0.2.1", 5); len(closedOf(cs)) != 4 {
		t.Errorf("Closed %v of a client elsewhere", closedOf(cs))
	}
}

func TestClientOf(t *testing.T) {
	for from, want := range map[string]string{
		"192.0.2.1":            "192.0.2.1/32",
		"::ffff:192.0.2.1":     "192.0.2.1/32",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"fe80::1%eth0":         "fe80::/64",
		"::1":                  "::1/128",
	} {
		if got := clientOf((&fakeConn{from: from}).RemoteAddr()); got.String() != want {
			t.Errorf("%s: %v, want %s", from, got, want)
		}
	}
	a, _ := net.Pipe()
	if got := clientOf(a.RemoteAddr()); got.IsValid() {
		t.Errorf("A pipe is from %v", got)
	}
	if got := clientOf(&net.TCPAddr{}); got.IsValid() {
		t.Errorf("No address is %v", got)
	}
}

// BenchmarkLimits is a client in a flood: every connection ends another.
func BenchmarkLimits(b *testing.B) {
	l := newLimits(DefaultConns, DefaultClientConns, false)
	for i := range DefaultConns {
		l.admit(&fakeConn{from: fmt.Sprintf("198.51.%d.%d", 100+i/250, i%250)})
	}
	b.ReportAllocs()
	for b.Loop() {
		l.admit(&fakeConn{from: "192.0.2.1"})
	}
}
