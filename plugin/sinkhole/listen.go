package sinkhole

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
)

// listen opens a listener at an address, and at no other: an IPv6 one takes no
// IPv4 connections.
func listen(address netip.AddrPort) (net.Listener, error) {
	network := "tcp6"
	if address.Addr().Is4() {
		network = "tcp4"
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), network, address.String())
	if err != nil {
		return nil, explain(err, address.Port())
	}
	return l, nil
}

// socketMode is who may connect to a socket in the file system: its user and group.
const socketMode = 0o660

// listenSocket opens a socket in the file system. One that is there and that nobody
// listens on any more, because a program was killed, is replaced. The listener
// removes its own when it is closed.
func listenSocket(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if err != nil && abandoned(path) {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
		l, err = net.Listen("unix", path)
	}
	if err != nil {
		return nil, explainSocket(err)
	}
	if err := os.Chmod(path, socketMode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// abandoned reports whether a path is that of a socket which nobody listens on.
func abandoned(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// explainSocket adds to an error of the system what can be done.
func explainSocket(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err // the rest of it is said already
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: another program has it, or it is no socket", err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: its directory must be there, and this user must be allowed to write there", err)
	}
	return err
}

// explain adds to an error of the system what can be done.
func explain(err error, port uint16) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err // the rest of it is said already
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		if runtime.GOOS == "linux" {
			return fmt.Errorf("%w: another program has it; `ss -ltnp 'sport = :%d'` tells which", err, port)
		}
		return fmt.Errorf("%w: another program has it", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: ports below 1024 need root or, on Linux, the capability CAP_NET_BIND_SERVICE: AmbientCapabilities= in the service's unit, or `setcap cap_net_bind_service=+ep` on the program", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: no interface of this machine has it", err)
	}
	return err
}
