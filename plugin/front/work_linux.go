package front

import (
	"cmp"
	"encoding/binary"
	"errors"
	"net"
	"runtime"
	"sync"
	"syscall"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// job is a datagram for the server.
type job struct {
	datagram
	n      int // octets of it
	socket *socket
}

var jobs = sync.Pool{New: func() any { return new(job) }}

// pass hands a datagram of n octets to the workers.
func (f *Front) pass(k *socket, d *datagram, n int) {
	j := jobs.Get().(*job)
	j.peer, j.n, j.socket = d.peer, n, k
	copy(j.packet[:], d.packet[:n])
	select {
	case f.queue <- j:
	default:
		f.config.Counters.Dropped.Add(1)
		jobs.Put(j)
	}
}

// hurry sees to it that what is queued does not wait for workers that wait for
// something themselves. It lets the workers run first: what they have left then,
// goroutines of its own take. Those that have not begun wait for a processor only,
// and each of them will take a query: to have more of them than queries makes nothing
// faster, and where processors are what is short, they would become more and more.
func (f *Front) hurry() {
	runtime.Gosched()
	for range int64(len(f.queue)) - f.starting.Load() {
		if f.spilled.Add(1) > int64(cmp.Or(f.config.spill, spill)) {
			f.spilled.Add(-1)
			return
		}
		f.starting.Add(1)
		f.config.Counters.Spilled.Add(1)
		f.running.Go(f.help)
	}
}

// work serves one query after the other.
func (f *Front) work() {
	for j := range f.queue {
		f.serve(j)
	}
}

// help serves what is queued.
func (f *Front) help() {
	defer f.spilled.Add(-1)
	f.starting.Add(-1)
	for {
		select {
		case j, open := <-f.queue:
			if !open {
				return
			}
			f.serve(j)
		default:
			return
		}
	}
}

// serve has the server answer a datagram. Only plain queries go to it directly. All
// else does what it does in the DNS library: whether it is answered, and how, is
// nothing to have a second opinion on.
func (f *Front) serve(j *job) {
	s := f.enter()
	defer s.leave()
	m := plainMessage(j.packet[:j.n])
	if m == nil {
		s.odd.take(j)
		return
	}
	w := &writer{socket: j.socket, peer: j.peer, keeper: s.Packets.Keeper(j.packet[:j.n])}
	w.peer.udp(&w.client)
	jobs.Put(j)
	s.Handler.ServeDNS(w, m)
}

// plainMessage returns a query that is accepted whatever the server is set up for,
// and is not signed; nil for any other message.
func plainMessage(packet []byte) *dns.Msg {
	if len(packet) < headerLen {
		return nil
	}
	word := func(i int) uint16 { return binary.BigEndian.Uint16(packet[2*i:]) }
	h := dns.Header{Id: word(0), Bits: word(1), Qdcount: word(2), Ancount: word(3), Nscount: word(4), Arcount: word(5)}
	m := new(dns.Msg)
	if dns.DefaultMsgAcceptFunc(h) != dns.MsgAccept || m.Unpack(packet) != nil || m.Opcode != dns.OpcodeQuery || m.IsTsig() != nil {
		return nil
	}
	return m
}

// writer is the dns.ResponseWriter of a plain query. Plugins may keep it, and ask
// it for addresses, after the query is answered: it is used once.
type writer struct {
	socket *socket
	peer   peer
	client net.UDPAddr
	keeper *Keeper
	closed bool
}

// Keeper returns what can have the reply be kept; nil if nobody wants it.
func (w *writer) Keeper() *Keeper { return w.keeper }

var errClosed = errors.New("closed")

// LocalAddr is dns.ResponseWriter's.
func (w *writer) LocalAddr() net.Addr { return w.socket.local }

// RemoteAddr is dns.ResponseWriter's.
func (w *writer) RemoteAddr() net.Addr { return &w.client }

// WriteMsg packs a message and sends it.
func (w *writer) WriteMsg(m *dns.Msg) error {
	if w.closed {
		return errClosed
	}
	s := sendings.Get().(*sending)
	defer sendings.Put(s)
	octets, err := m.PackBuffer(s.buffer[:])
	if err != nil {
		return err
	}
	w.keeper.Wrote(octets)
	return s.send(w.socket, octets, &w.peer)
}

// Write sends a message that is packed already.
func (w *writer) Write(octets []byte) (int, error) {
	if w.closed {
		return 0, errClosed
	}
	s := sendings.Get().(*sending)
	defer sendings.Put(s)
	if err := s.send(w.socket, octets, &w.peer); err != nil {
		return 0, err
	}
	return len(octets), nil
}

// Close has nothing more be written. The socket is everybody's.
func (w *writer) Close() error {
	if w.closed {
		return errClosed
	}
	w.closed = true
	return nil
}

// TsigStatus is nil: signed queries do not come here.
func (w *writer) TsigStatus() error { return nil }

// TsigTimersOnly does nothing.
func (w *writer) TsigTimersOnly(bool) {}

// Hijack does nothing: there is no connection to take over.
func (w *writer) Hijack() {}

// sending is what it takes to send one reply, made to be used again: a function
// that is handed to a RawConn is allocated, otherwise, and so is what it refers to.
type sending struct {
	buffer [4096]byte // longer replies are rare
	octets []byte
	peer   *peer
	errno  syscall.Errno
	do     func(fd uintptr)
}

var sendings = sync.Pool{New: func() any {
	s := new(sending)
	s.do = func(fd uintptr) { s.errno = sendOne(int(fd), s.octets, s.peer) }
	return s
}}

func (s *sending) send(k *socket, octets []byte, p *peer) error {
	if len(octets) == 0 {
		return nil
	}
	s.octets, s.peer = octets, p
	defer func() { s.octets, s.peer = nil, nil }()
	err := k.raw.Control(s.do)
	if err == nil && s.errno == unix.EAGAIN {
		err = s.later(k)
	}
	if err == nil && s.errno != 0 {
		err = s.errno
	}
	if err != nil {
		k.front.config.Counters.Unsent.Add(1)
	}
	return err
}

// later sends when the kernel has room again. Of all who wait for that at a socket, one
// looks: where a link stands still, they become thousands.
func (s *sending) later(k *socket) error {
	k.full.Lock()
	defer k.full.Unlock()
	err, wait := k.raw.Control(s.do), newBackoff()
	for err == nil && s.errno == unix.EAGAIN && k.roomier(&wait) {
		err = k.raw.Control(s.do)
	}
	return err
}
