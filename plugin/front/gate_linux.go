package front

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// gate is where a goroutine waits until a socket has something to read. The runtime
// must not watch the socket itself: the kernel would tell it of every datagram, also
// while the socket is read anyway, and each time a thread would be woken to find out
// that nobody waits. What the runtime watches is an epoll instance (epoll(7)) that
// holds the socket, and that tells of it once only, when somebody has come to wait.
type gate struct {
	file   *os.File // the instance
	raw    syscall.RawConn
	socket int // alive as long as somebody waits
	armed  bool
	err    error
	step   func(fd uintptr) bool // made once: otherwise, it is allocated for each wait
}

func newGate(socket int) (*gate, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	_ = unix.SetNonblock(fd, true) // or NewFile takes it for one that nobody can wait for, which is found out below
	g := &gate{file: os.NewFile(uintptr(fd), "epoll"), socket: socket}
	if err := errors.Join(g.watchable(), g.control(fd, unix.EPOLL_CTL_ADD, 0)); err != nil {
		g.close()
		return nil, err
	}
	g.step = func(fd uintptr) bool { return g.pass(int(fd)) }
	return g, nil
}

// watchable returns why the runtime cannot wait for the instance.
func (g *gate) watchable() (err error) {
	if err = g.file.SetReadDeadline(time.Time{}); err == nil {
		g.raw, err = g.file.SyscallConn()
	}
	return err
}

func (g *gate) control(fd, op int, events uint32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(fd, op, g.socket, &unix.EpollEvent{Events: events}))
}

// wait returns when the socket has something to read, or an error when it is to be
// waited for no more. One goroutine may wait at a time.
func (g *gate) wait() error {
	g.armed, g.err = false, nil
	if err := g.raw.Read(g.step); err != nil {
		return err
	}
	return g.err
}

// pass is called before the wait, which it prepares, and after it.
func (g *gate) pass(fd int) bool {
	if !g.armed {
		g.armed = true
		g.err = g.control(fd, unix.EPOLL_CTL_MOD, unix.EPOLLIN|unix.EPOLLONESHOT)
		return g.err != nil
	}
	return g.take(fd)
}

// take takes the event, and reports whether there was one. Only with it, the kernel
// watches no more: who went on without, because what has come was damaged, or because he
// is told of the last event late, would leave the next one where it is, and as long as it
// is there, nobody is told of another.
func (g *gate) take(fd int) bool {
	var event [1]unix.EpollEvent
	n, err := unix.EpollWait(fd, event[:], 0)
	g.err = os.NewSyscallError("epoll_wait", err)
	return n > 0 || err != nil
}

// end has nobody wait any more.
func (g *gate) end() { _ = g.file.SetReadDeadline(time.Unix(1, 0)) }

func (g *gate) close() { _ = g.file.Close() }
