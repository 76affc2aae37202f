package front

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestGate: who waits at a gate is told of what has come, and of what comes; and while
// nobody waits, nobody is told.
func TestGate(t *testing.T) {
	t.Parallel()
	conn := bind(t, "127.0.0.1:0").(*net.UDPConn)
	file, err := unwatched(conn)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	raw, err := file.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var g *gate
	if cause := raw.Control(func(fd uintptr) { g, err = newGate(int(fd)) }); cause != nil || err != nil {
		t.Fatal(cause, err)
	}
	defer g.close()
	from := dial(t, conn.LocalAddr().String())
	take := func() {
		t.Helper()
		raw.Control(func(fd uintptr) { _, _, err = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_DONTWAIT) })
		if err != nil {
			t.Fatal(err)
		}
	}
	told := func() bool { return readable(t, g.raw) }

	from.Write([]byte{1})
	from.Write([]byte{1})
	until(t, func() bool { return readable(t, raw) })
	if told() {
		t.Error("It is told of a datagram before anybody waits")
	}
	for range 2 { // what has come
		if err := g.wait(); err != nil {
			t.Fatal(err)
		}
		if told() {
			t.Error("It is told of what it was told of")
		}
		take()
	}
	waited := make(chan error)
	go func() { waited <- g.wait() }()
	select {
	case err := <-waited:
		t.Fatalf("It does not wait: %v", err)
	case <-time.After(20 * time.Millisecond): // it may be on its way: then what comes has come before it waits
	}
	from.Write([]byte{1})
	if err := <-waited; err != nil {
		t.Fatal(err)
	}
	take()
	go func() { waited <- g.wait() }()
	g.end()
	if err := <-waited; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("It ends with %v", err)
	}
}

// TestGateWaitsOn: who is woken though nothing has come waits on. If he went on, a datagram
// that comes before he reads would leave its event, and he would not be told of the next.
func TestGateWaitsOn(t *testing.T) {
	t.Parallel()
	conn := bind(t, "127.0.0.1:0").(*net.UDPConn)
	file, err := unwatched(conn)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	g, err := newGate(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	from := dial(t, conn.LocalAddr().String())
	step := func() (on bool) {
		g.raw.Control(func(fd uintptr) { on = g.pass(int(fd)) })
		return on
	}
	for range 3 { // the first makes it wait
		if step() {
			t.Fatal("It does not wait on")
		}
	}
	from.Write([]byte{1})
	until(t, func() bool { return readable(t, g.raw) })
	if !step() || g.err != nil {
		t.Error("It waits on when something has come")
	}
	from.Write([]byte{1})
	if readable(t, g.raw) {
		t.Error("It is told of a datagram before anybody waits")
	}
}

// readable reports whether a file has something to read.
func readable(t *testing.T, raw syscall.RawConn) bool {
	t.Helper()
	fds := []unix.PollFd{{Events: unix.POLLIN}}
	var err error
	if cause := raw.Control(func(fd uintptr) {
		fds[0].Fd = int32(fd)
		_, err = unix.Poll(fds, 0)
	}); cause != nil || err != nil && err != unix.EINTR {
		t.Fatal(cause, err)
	}
	return fds[0].Revents != 0
}
