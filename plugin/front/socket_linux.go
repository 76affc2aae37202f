package front

import (
	"cmp"
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is one of the sockets of a front, with the goroutine that reads it and all
// that it needs for one batch. That goroutine alone uses the arrays.
type socket struct {
	front   *Front
	file    *os.File
	raw     syscall.RawConn
	local   net.Addr
	gate    *gate
	full    sync.Mutex                // held by who looks whether there is room for a reply again
	until   atomic.Pointer[time.Time] // to stop by then; nil: to go on
	lag     lag
	tallied uint32        // of overflowed, what is counted
	done    chan struct{} // closed when nobody reads any more

	in      [batch]datagram
	out     [batch][MaxReply]byte
	receive messages
	send    messages
}

// messages are the arguments of recvmmsg(2) and sendmmsg(2).
type messages struct {
	header [batch]struct {
		unix.Msghdr
		n uint32
	}
	parts [batch]unix.Iovec
}

// set points a message at octets, and at where they come from or go to.
func (m *messages) set(i int, octets []byte, p *peer) {
	h := &m.header[i]
	m.parts[i].Base = &octets[0]
	m.parts[i].SetLen(len(octets))
	p.set(&h.Msghdr, &m.parts[i])
}

// call does the system call for messages from one on, n in all. It returns how many
// it was done for. The runtime is not told of the call, which never waits: what it
// would do is to start another thread after 20 µs, to run goroutines of which there
// are none, or to wait for the network, and have this one wait for its processor.
func (m *messages) call(number uintptr, fd, from, n int) (int, syscall.Errno) {
	done, _, errno := syscall.RawSyscall6(number, uintptr(fd), uintptr(unsafe.Pointer(&m.header[from])), uintptr(n-from), unix.MSG_DONTWAIT, 0, 0)
	return int(done), errno
}

// newSocket returns a socket that takes over the one of conn, which it closes.
func newSocket(f *Front, conn *net.UDPConn) (*socket, error) {
	_ = conn.SetReadBuffer(cmp.Or(f.config.room, Room)) // it is as large as the kernel allows
	file, err := unwatched(conn)
	if err != nil {
		return nil, err
	}
	k := &socket{front: f, file: file, local: conn.LocalAddr(), done: make(chan struct{})}
	if err := k.prepare(); err != nil {
		k.close()
		return nil, err
	}
	f.room = k.room()
	return k, nil
}

// unwatched closes conn, and returns its socket as a file that the runtime does not
// watch.
func unwatched(conn *net.UDPConn) (*os.File, error) {
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	cause := raw.Control(func(own uintptr) {
		if fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			_ = unix.SetNonblock(fd, false) // so NewFile does not have it watched
		}
	})
	if err := cmp.Or(cause, os.NewSyscallError("fcntl", err)); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "udp"), nil
}

// prepare makes the socket ready to be read.
func (k *socket) prepare() (err error) {
	if k.raw, err = k.file.SyscallConn(); err != nil {
		return err
	}
	if err := k.allowed(); err != nil {
		return err
	}
	if k.local.(*net.UDPAddr).IP.IsUnspecified() {
		if err := k.tellLocal(); err != nil {
			return err
		}
	}
	if cause := k.raw.Control(func(fd uintptr) { k.gate, err = newGate(int(fd)) }); cause != nil {
		return cause
	}
	return err
}

func (k *socket) close() {
	if k.gate != nil {
		k.gate.close()
	}
	_ = k.file.Close()
}

// allowed returns why the calls are refused that the front lives by, as a sandbox may
// do. Then every datagram would be lost that the kernel hands to it. It makes them
// for no message at all.
func (k *socket) allowed() error {
	for name, number := range map[string]uintptr{"recvmmsg": unix.SYS_RECVMMSG, "sendmmsg": unix.SYS_SENDMMSG} {
		var errno syscall.Errno
		if err := k.raw.Control(func(fd uintptr) { _, errno = k.receive.call(number, int(fd), 0, 0) }); err != nil {
			return err
		}
		if errno != 0 {
			return os.NewSyscallError(name, errno)
		}
	}
	return nil
}

// room returns how many bytes the kernel keeps for the socket, without what it needs
// itself, for which it takes as much again.
func (k *socket) room() int {
	total := 0
	_ = k.raw.Control(func(fd uintptr) { total, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF) })
	return total / 2
}

// overflowed returns how many datagrams the kernel has dropped at the socket since it was
// opened, modulo 2^32: what it was told last where the kernel does not tell.
func (k *socket) overflowed() uint32 {
	const drops = 8 // SK_MEMINFO_DROPS of linux/sock_diag.h
	var info [drops + 1]uint32
	info[drops] = k.tallied
	size := uint32(unsafe.Sizeof(info))
	_ = k.raw.Control(func(fd uintptr) {
		unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	return info[drops]
}

// tellLocal has the kernel say at which of its addresses a datagram has arrived.
func (k *socket) tellLocal() error {
	var err error
	cause := k.raw.Control(func(fd uintptr) {
		var family int
		if family, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil {
			return
		}
		if family == unix.AF_INET6 {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		} else {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		}
	})
	if cause != nil {
		return cause
	}
	return err
}

// longestDrain bounds how long a socket is read after it was told to stop, where
// the kernel goes on handing it datagrams, and how long it waits then for room for a
// reply, which never comes where a link stands still.
const longestDrain = 200 * time.Millisecond

// stop has the socket read what is there, and then nothing more.
func (k *socket) stop() {
	until := time.Now().Add(longestDrain)
	k.until.Store(&until)
	k.gate.end()
	<-k.done
}

// run reads the socket until it is told to stop.
func (k *socket) run() {
	defer close(k.done)
	pump := func(fd uintptr) { k.pump(int(fd)) }
	for wait := newBackoff(); k.until.Load() == nil; {
		if err := k.gate.wait(); err != nil && !os.IsTimeout(err) {
			wait.next(context.Background()) // and look all the same: what comes must be answered
		}
		_ = k.raw.Control(pump)
	}
	_ = k.raw.Control(pump)
}

// turn is how many datagrams a socket handles before it lets others go on. The runtime
// does not look at the network as long as a goroutine can run that needs no network: with
// all processors at the sockets of fronts, it would do so but every 10 ms, and who asks
// over TCP, or waits for a reply from elsewhere, needs that several times.
const turn = 4 * batch

// pump handles what has come, until there is nothing more, or it is the turn of others.
func (k *socket) pump(fd int) {
	wait := newBackoff()
	for read := 0; ; {
		for i := range k.in {
			k.in[i].fresh()
			k.receive.set(i, k.in[i].packet[:], &k.in[i].peer)
		}
		n, errno := k.receive.call(unix.SYS_RECVMMSG, fd, 0, batch)
		switch {
		case errno == unix.EAGAIN:
			k.lag.caughtUp()
			return
		case errno != 0: // of an earlier reply, say, and gone then; what stays must not take all of a processor
			wait.next(context.Background())
		case k.lag.late(fd, n):
			k.front.config.Counters.drop(n)
		default:
			k.handle(fd, n)
		}
		read += max(n, 0)
		if until := k.until.Load(); until == nil && read >= turn || until != nil && time.Now().After(*until) {
			return
		}
	}
}

// handle answers the first n datagrams or passes them on.
func (k *socket) handle(fd, n int) {
	c := k.front.config.Counters
	s := k.front.enter()
	replies, passed := 0, 0
	for i := range n {
		d, h := &k.in[i], &k.receive.header[i]
		d.took(&h.Msghdr)
		packet := d.packet[:h.n]
		size := s.Answerer.Answer(k.out[replies][:], packet, d.client().Addr())
		if size == 0 {
			k.front.pass(k, d, len(packet))
			passed++
			continue
		}
		k.send.set(replies, k.out[replies][:size], &d.peer)
		replies++
	}
	s.leave()
	k.flush(fd, replies)
	if replies > 0 {
		c.Answered.Add(uint64(replies))
	}
	if passed > 0 {
		c.Passed.Add(uint64(passed))
		k.front.hurry()
	}
}

// flush sends the first n replies. Where the kernel has no room for them, it waits:
// then the kernel keeps the queries, or drops them.
func (k *socket) flush(fd, n int) {
	wait := newBackoff()
	for sent := 0; sent < n; {
		done, errno := k.send.call(unix.SYS_SENDMMSG, fd, sent, n)
		switch errno {
		case 0:
			sent += done
		case unix.EINTR:
		case unix.EAGAIN:
			if !k.roomier(&wait) {
				k.front.config.Counters.Unsent.Add(uint64(n - sent))
				return
			}
		default: // of the first one: a firewall, or an address that nothing can be sent to
			k.front.config.Counters.Unsent.Add(1)
			sent++
		}
	}
}

// roomier waits for the kernel to have room for a reply again, and reports false when
// the socket is to be closed.
func (k *socket) roomier(wait *backoff) bool {
	if until := k.until.Load(); until != nil && time.Now().After(*until) {
		return false
	}
	wait.next(context.Background())
	return true
}

// sendOne sends one reply. fd must be held by the caller.
func sendOne(fd int, octets []byte, p *peer) syscall.Errno {
	part := unix.Iovec{Base: &octets[0]}
	part.SetLen(len(octets))
	var h unix.Msghdr
	p.set(&h, &part)
	for {
		_, _, errno := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), unix.MSG_DONTWAIT)
		if errno != unix.EINTR {
			return errno
		}
	}
}
