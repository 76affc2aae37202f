package front

import (
	"cmp"
	"math"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// steer has the kernel hand each datagram at the address to one of the n sockets of
// the front: by the processor that it arrived at, so that it stays there. The kernel
// counts the sockets in the order in which they were bound; first is the number of
// the first of the n. A number that no socket has makes the kernel spread by sender.
func (f *Front) steer(first, n int) error {
	return f.attach([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtCPUID},
		bpf.ALUOpConstant{Op: bpf.ALUOpMod, Val: uint32(n)},
		bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: uint32(first)},
		bpf.RetA{},
	})
}

// retreat has the kernel hand nothing more to the front. It spreads by sender again,
// and over sockets that are not connected only. That does not depend on their
// numbers, which have changed if another socket was closed: the last one takes the
// place of one that is.
func (f *Front) retreat() error {
	if err := f.attach([]bpf.Instruction{bpf.RetConstant{Val: math.MaxUint32}}); err != nil {
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

// attach has a program choose the socket for each datagram at the address.
func (f *Front) attach(instructions []bpf.Instruction) error {
	program, err := bpf.Assemble(instructions)
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(program))
	for i, p := range program {
		filter[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	cause := f.sockets[0].raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, &fprog)
	})
	return cmp.Or(cause, err)
}
