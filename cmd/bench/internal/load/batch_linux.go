package load

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// buffered is what a socket may hold, in bytes, as far as the system lets it.
const buffered = 4 << 20

// batch is packets that are sent or received with one system call.
type batch struct {
	headers   []unix.Mmsghdr
	vectors   []unix.Iovec
	buffers   [][bufferLen]byte
	addresses []unix.RawSockaddrInet4 // nil: of a socket that is connected
}

func newBatch(n int, addresses bool) *batch {
	b := &batch{headers: make([]unix.Mmsghdr, n), vectors: make([]unix.Iovec, n), buffers: make([][bufferLen]byte, n)}
	if addresses {
		b.addresses = make([]unix.RawSockaddrInet4, n)
	}
	for i := range n {
		b.vectors[i].Base = &b.buffers[i][0]
		b.headers[i].Hdr.Iov = &b.vectors[i]
		b.headers[i].Hdr.SetIovlen(1)
		if addresses {
			b.headers[i].Hdr.Name = (*byte)(unsafe.Pointer(&b.addresses[i]))
		}
	}
	return b
}

// reset gives each buffer its whole length before packets are received.
func (b *batch) reset() {
	for i := range b.headers {
		b.vectors[i].SetLen(bufferLen)
		if b.addresses != nil {
			b.headers[i].Hdr.Namelen = unix.SizeofSockaddrInet4
		}
	}
}

// call is sendmmsg or recvmmsg with some of the packets. It returns how many went; none
// is no error when there is nothing to receive, or no room to send.
func (b *batch) call(number uintptr, fd, from, to, flags int) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(number, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[from])), uintptr(to-from), uintptr(flags), 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil
		default:
			return 0, errno
		}
	}
}

// socket is a UDP socket whose packets go in batches.
type socket struct {
	fd     int
	rx, tx *batch
}

// open returns a socket on loopback. It is connected, or else bound and shows who has
// sent a packet.
func open(addr netip.AddrPort, packets int, connect bool) (s *socket, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	for _, option := range []int{unix.SO_RCVBUF, unix.SO_SNDBUF} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, buffered); err != nil {
			return nil, err
		}
	}
	sa := &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	if connect {
		err = unix.Connect(fd, sa)
	} else {
		err = unix.Bind(fd, sa)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	s = &socket{fd: fd, rx: newBatch(packets, !connect)}
	s.tx = s.rx // who answers does so in the place of the queries
	if connect {
		s.tx = newBatch(packets, false)
	}
	return s, nil
}

func (s *socket) close() { unix.Close(s.fd) }

// deafen leaves the socket the least room that there is for what comes, which is dropped
// then.
func (s *socket) deafen() { _ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 0) }

// port returns the port of a socket that is bound.
func (s *socket) port() (uint16, error) {
	sa, err := unix.Getsockname(s.fd)
	if err != nil {
		return 0, err
	}
	in4, ok := sa.(*unix.SockaddrInet4)
	if !ok {
		return 0, errors.New("an address that is not IPv4")
	}
	return uint16(in4.Port), nil
}

// receive returns how many packets lie in s.rx now. It waits for none.
func (s *socket) receive() (int, error) {
	s.rx.reset()
	return s.rx.call(unix.SYS_RECVMMSG, s.fd, 0, len(s.rx.headers), unix.MSG_DONTWAIT)
}

// packet returns what was received.
func (s *socket) packet(i int) []byte {
	return s.rx.buffers[i][:min(int(s.rx.headers[i].Len), bufferLen)]
}

// buffer returns where a packet is written that is to be sent, and length says how long
// it is.
func (s *socket) buffer(i int) []byte { return s.tx.buffers[i][:] }

func (s *socket) length(i, n int) { s.tx.vectors[i].SetLen(n) }

// send sends packets of s.tx, and returns how many went: all, unless the system has no
// room, or something is wrong with the one behind those.
func (s *socket) send(from, to int) (int, error) {
	for at := from; ; {
		if at == to {
			return to - from, nil
		}
		n, err := s.tx.call(unix.SYS_SENDMMSG, s.fd, at, to, unix.MSG_DONTWAIT)
		if at += n; err != nil || n == 0 {
			return at - from, err
		}
	}
}

// wait returns when a socket has a packet, or the time is over.
func wait(sockets []*socket, most time.Duration) error {
	fds := make([]unix.PollFd, 0, 16)
	for _, s := range sockets {
		fds = append(fds, unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN})
	}
	ts := unix.NsecToTimespec(max(0, most.Nanoseconds()))
	if _, err := unix.Ppoll(fds, &ts, nil); err != nil && err != unix.EINTR {
		return err
	}
	return nil
}

// refused reports whether an error says that nobody listens there.
func refused(err error) bool { return errors.Is(err, unix.ECONNREFUSED) }

// exactWaits has the calling thread woken when it asked to be, and not up to 50 µs
// later, which is how the system saves energy.
func exactWaits() { unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) }
