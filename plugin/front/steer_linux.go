package front

import (
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// steer has the kernel hand each datagram at the address to one of n sockets: by the
// processor that it arrived at, so that it stays there. The kernel counts the
// sockets in the order in which they were bound; when one is closed, the last one
// takes its place. first is the number of the first of the n. A number that no
// socket has makes the kernel spread by sender.
func (f *Front) steer(first, n int) error {
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtCPUID},
		bpf.ALUOpConstant{Op: bpf.ALUOpMod, Val: uint32(max(n, 1))},
		bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: uint32(first)},
		bpf.RetA{},
	})
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
	if cause != nil {
		return cause
	}
	return err
}
