package front

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// oddServer gives messages that are no plain queries to the server of the DNS
// library, through a connection that exists in memory only. So NOTIFY, TSIG,
// malformed messages and all else are answered, or not, as they are without a
// front.
type oddServer struct {
	server   *dns.Server
	counters *Counters
	queue    chan *job
	under    chan struct{} // holds one element for each query under way
	stopped  chan struct{}
	stop     sync.Once
	done     chan struct{} // closed when the server has ended
}

func newOddServer(s *Service, c *Counters) *oddServer {
	o := &oddServer{
		counters: c, queue: make(chan *job, oddities), under: make(chan struct{}, oddities),
		stopped: make(chan struct{}), done: make(chan struct{}),
	}
	started := make(chan struct{})
	o.server = &dns.Server{
		PacketConn: (*oddConn)(o), Net: "udp", TsigSecret: s.TsigSecret,
		Handler: o.handler(s), NotifyStartedFunc: func() { close(started) },
	}
	go func() {
		defer close(o.done)
		_ = o.server.ActivateAndServe()
	}()
	<-started // one that is stopped before would go on for ever
	return o
}

// handler gives a message to the server, unless too many are under way.
func (o *oddServer) handler(s *Service) dns.Handler {
	return dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) {
		select {
		case o.under <- struct{}{}:
			s.Handler.ServeDNS(newOddWriter(w), m)
			<-o.under
		default:
			o.counters.Dropped.Add(1)
		}
	})
}

// take hands over a message.
func (o *oddServer) take(j *job) {
	select {
	case o.queue <- j:
	default:
		o.counters.Dropped.Add(1)
		jobs.Put(j)
	}
}

// close has it answer what it was given, and end.
func (o *oddServer) close(ctx context.Context) {
	for wait := newBackoff(); len(o.queue) > 0 && wait.next(ctx); {
	}
	_ = o.server.ShutdownContext(ctx)
	await(ctx, o.done)
}

// oddConn is the connection.
type oddConn oddServer

// ReadFrom returns the next message, and where it came from.
func (c *oddConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case j := <-c.queue:
		n := copy(b, j.packet[:j.n])
		addr := &oddAddr{socket: j.socket, peer: j.peer}
		addr.udp(&addr.client)
		jobs.Put(j)
		return n, addr, nil
	case <-c.stopped:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo sends a reply.
func (c *oddConn) WriteTo(b []byte, to net.Addr) (int, error) {
	addr := to.(*oddAddr)
	s := sendings.Get().(*sending)
	defer sendings.Put(s)
	if err := s.send(addr.socket, b, &addr.peer); err != nil {
		return 0, err
	}
	return len(b), nil
}

// SetReadDeadline ends the reading if the time has passed, which is how the server
// is stopped. The other times, by which it wakes up now and then, do not matter.
func (c *oddConn) SetReadDeadline(t time.Time) error {
	if !t.IsZero() && t.Before(time.Now().Add(-time.Hour)) {
		c.stop.Do(func() { close(c.stopped) })
	}
	return nil
}

// Close ends the reading.
func (c *oddConn) Close() error { return c.SetReadDeadline(time.Unix(1, 0)) }

// LocalAddr returns no address: that of a message is in its oddAddr.
func (c *oddConn) LocalAddr() net.Addr { return &net.UDPAddr{} }

// SetDeadline does nothing.
func (c *oddConn) SetDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (c *oddConn) SetWriteDeadline(time.Time) error { return nil }

// oddAddr is where a message came from.
type oddAddr struct {
	socket *socket
	peer
	client net.UDPAddr
}

// Network is net.Addr's.
func (a *oddAddr) Network() string { return a.client.Network() }

// String is net.Addr's.
func (a *oddAddr) String() string { return a.client.String() }

// oddWriter shows plugins the addresses of a message as the server shows them.
type oddWriter struct {
	dns.ResponseWriter
	addr *oddAddr
}

func newOddWriter(w dns.ResponseWriter) oddWriter { return oddWriter{w, w.RemoteAddr().(*oddAddr)} }

// LocalAddr is dns.ResponseWriter's.
func (w oddWriter) LocalAddr() net.Addr { return w.addr.socket.local }

// RemoteAddr is dns.ResponseWriter's.
func (w oddWriter) RemoteAddr() net.Addr { return &w.addr.client }
