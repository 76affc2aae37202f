//go:build !linux

package load

import (
	"net/netip"
	"time"
)

// socket is what only Linux has.
type socket struct{}

func open(netip.AddrPort, int, bool) (*socket, error) { return nil, ErrUnsupported }

func (*socket) close()                     {}
func (*socket) deafen()                    {}
func (*socket) port() (uint16, error)      { return 0, ErrUnsupported }
func (*socket) receive() (int, error)      { return 0, ErrUnsupported }
func (*socket) packet(int) []byte          { return nil }
func (*socket) buffer(int) []byte          { return nil }
func (*socket) length(int, int)            {}
func (*socket) send(int, int) (int, error) { return 0, ErrUnsupported }
func wait([]*socket, time.Duration) error  { return ErrUnsupported }
func refused(error) bool                   { return false }
func exactWaits()                          {}
