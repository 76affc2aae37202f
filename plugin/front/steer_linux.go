package front

import (
	"cmp"
	"math"
	"net/netip"

	"golang.org/x/sys/unix"
)

// processor is where a program reads which processor it runs on: SKF_AD_OFF, which is
// negative, and SKF_AD_CPU of linux/filter.h.
const processor = 1<<32 - 0x1000 + 36

// steer has the kernel hand each datagram at the address to one of the n sockets of
// the front: by the processor that it arrived at, so that it stays there. The kernel
// counts the sockets in the order in which they were bound; first is the number of
// the first of the n. A number that no socket has makes the kernel spread by sender.
func (f *Front) steer(first, n int) error {
	return f.attach([]unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: processor},
		{Code: unix.BPF_ALU | unix.BPF_MOD | unix.BPF_K, K: uint32(n)},
		{Code: unix.BPF_ALU | unix.BPF_ADD | unix.BPF_K, K: uint32(first)},
		{Code: unix.BPF_RET | unix.BPF_A},
	})
}

// retreat has the kernel hand nothing more to the front. It spreads by sender again,
// and over sockets that are not connected only. That does not depend on their
// numbers, which have changed if another socket was closed: the last one takes the
// place of one that is.
func (f *Front) retreat() error {
	if err := f.attach([]unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: math.MaxUint32}}); err != nil {
		return err
	}
	for _, k := range f.sockets {
		var err error
		if cause := k.raw.Control(func(fd uintptr) { err = connectToItself(int(fd)) }); cause != nil || err != nil {
			return cmp.Or(cause, err)
		}
	}
	return nil
}

// connectToItself connects a socket to its own address, or to itself on loopback if
// it has all addresses. It can still send anywhere.
func connectToItself(fd int) error {
	own, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	switch own := own.(type) {
	case *unix.SockaddrInet4:
		if own.Addr == [4]byte{} {
			own.Addr = netip.AddrFrom4([4]byte{127, 0, 0, 1}).As4()
		}
	case *unix.SockaddrInet6:
		if own.Addr == [16]byte{} {
			own.Addr = netip.IPv6Loopback().As16()
		}
	}
	return unix.Connect(fd, own)
}

// attach has a program of classic BPF choose the socket for each datagram at the
// address.
func (f *Front) attach(program []unix.SockFilter) error {
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	var err error
	cause := f.sockets[0].raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, &fprog)
	})
	return cmp.Or(cause, err)
}
