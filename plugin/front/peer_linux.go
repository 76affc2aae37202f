package front

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// datagram is one that has come.
type datagram struct {
	peer
	packet [maxPacket]byte
}

// peer is where a datagram came from, and at which address it arrived: the reply
// goes the same way back.
type peer struct {
	control    [8]uint64 // the local address, as a control message; in words, for it is read as a structure
	name       [unix.SizeofSockaddrInet6]byte
	nameLen    uint32
	controlLen int // 0: the socket has one address only
}

// fresh makes room for a datagram.
func (p *peer) fresh() { p.nameLen, p.controlLen = uint32(len(p.name)), int(unsafe.Sizeof(p.control)) }

// set has a message come from there, or go there.
func (p *peer) set(h *unix.Msghdr, part *unix.Iovec) {
	h.Name, h.Namelen = &p.name[0], p.nameLen
	h.Iov = part
	h.SetIovlen(1)
	h.Control = nil
	if p.controlLen > 0 {
		h.Control = (*byte)(unsafe.Pointer(&p.control))
	}
	h.SetControllen(p.controlLen)
}

// took notes what the kernel has said of a datagram.
func (p *peer) took(h *unix.Msghdr) {
	p.nameLen, p.controlLen = h.Namelen, int(h.Controllen)
	if p.controlLen == 0 {
		return
	}
	// The reply leaves from the address that was asked, but takes the route of its
	// own, which need not be the interface that the query came in at. Only
	// addresses of a link mean nothing without their interface.
	c := (*unix.Cmsghdr)(unsafe.Pointer(&p.control))
	data := unsafe.Pointer(uintptr(unsafe.Pointer(&p.control)) + uintptr(unix.CmsgLen(0)))
	switch {
	case c.Level == unix.IPPROTO_IP && c.Type == unix.IP_PKTINFO && p.controlLen >= unix.CmsgLen(unix.SizeofInet4Pktinfo):
		(*unix.Inet4Pktinfo)(data).Ifindex = 0
	case c.Level == unix.IPPROTO_IPV6 && c.Type == unix.IPV6_PKTINFO && p.controlLen >= unix.CmsgLen(unix.SizeofInet6Pktinfo):
		info := (*unix.Inet6Pktinfo)(data)
		if !netip.AddrFrom16(info.Addr).IsLinkLocalUnicast() {
			info.Ifindex = 0
		}
	default:
		p.controlLen = 0
	}
}

// client returns where the datagram came from, an IPv4 address as one, without its
// zone.
func (p *peer) client() netip.AddrPort {
	port := binary.BigEndian.Uint16(p.name[2:])
	if binary.NativeEndian.Uint16(p.name[:]) == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(p.name[4:8])), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(p.name[8:24])).Unmap(), port)
}

// zone returns the zone of the client's address, "" for one that has none.
func (p *peer) zone() string {
	if binary.NativeEndian.Uint16(p.name[:]) == unix.AF_INET {
		return ""
	}
	index := int(binary.NativeEndian.Uint32(p.name[24:]))
	if index == 0 {
		return ""
	}
	if i, err := net.InterfaceByIndex(index); err == nil {
		return i.Name
	}
	return strconv.Itoa(index)
}

// udp writes the client's address into a, as the server is told it.
func (p *peer) udp(a *net.UDPAddr) {
	c := p.client()
	*a = net.UDPAddr{IP: c.Addr().AsSlice(), Port: int(c.Port()), Zone: p.zone()}
}
