package sinkhole

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
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
		return nil, fmt.Errorf("help page: cannot listen on %v: %w", address, explain(err, address.Port()))
	}
	return l, nil
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
