package primary

import "net/netip"

// maxPerClient bounds the transfers of a zone to one client at a time: half of all,
// so that one whose connections stall leaves the other half, and a fleet behind one
// address is served.
const maxPerClient = maxTransfers / 2

// Admit lets a client have a transfer of the zone, until done is called. The error is
// ErrBusy when it has enough of them under way. Clients whose address begins with
// the same 64 bits (IPv6) are one.
func (s *Share) Admit(client netip.Addr) (done func(), err error) {
	z, who := s.zone, clientOf(client)
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.clients[who] >= maxPerClient {
		z.counts[Refused].Add(1)
		return nil, ErrBusy
	}
	if z.clients == nil {
		z.clients = make(map[netip.Prefix]int)
	}
	z.clients[who]++
	return func() { z.leave(who) }, nil
}

// leave ends a transfer to a client. Nothing is kept of a client that has none.
func (z *zone) leave(who netip.Prefix) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.clients[who]--; z.clients[who] == 0 {
		delete(z.clients, who)
	}
}

// clientOf returns who an address belongs to; all that are not known are one.
func clientOf(a netip.Addr) netip.Prefix {
	bits := 32
	if a = a.Unmap().WithZone(""); a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
