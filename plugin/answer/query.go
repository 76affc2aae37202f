package answer

import (
	"encoding/binary"
	"unsafe"

	"github.com/miekg/dns"
)

// headerLen is the length of the header of a message (RFC 1035 §4.1.1).
const headerLen = 12

// Query is a plain query as it came over the wire, read without being taken apart.
// It is made to be used again: a Query is about 300 bytes, and Parse sets all of it.
type Query struct {
	Type uint16 // of the question

	packet []byte    // up to the end of the query; only as good as what Parse was given
	name   int       // octets of the question's name on the wire
	text   [256]byte // the name in presentation form
	letter int       // octets of that
	size   uint16    // that the sender takes over UDP (RFC 6891 §6.1.2)

	edns, do, checkingOff, recursion bool
	signals, option                  bool // as in client
	cookie                           bool
}

// flags of the header that a plain query may have. The others mean something to
// somebody, or nothing to anybody: either is for the DNS library to judge.
const (
	flagResponse    = 1 << 15
	flagTruncated   = 1 << 9
	flagRecursion   = 1 << 8
	flagAvailable   = 1 << 7
	flagAuthentic   = 1 << 5
	flagCheckingOff = 1 << 4
)

// Parse reads a message and reports whether it is a plain query: one question of
// class IN for a name of letters, digits, hyphens and underscores, no record but
// an OPT of version 0, no option that a reply would have to heed. Of all others it
// says nothing: whatever is unusual, or wrong, is for the DNS library. The Query
// refers to the packet, which must not be changed meanwhile. Parse does not
// allocate.
func (q *Query) Parse(packet []byte) bool {
	if len(packet) < headerLen || len(packet) > dns.MinMsgSize { // the server reads no more than that of a datagram
		return false
	}
	flags := binary.BigEndian.Uint16(packet[2:])
	counts := binary.BigEndian.Uint64(packet[4:])
	if flags&^(flagRecursion|flagAuthentic|flagCheckingOff) != 0 || counts&^1 != 1<<48 { // one question, at most one additional record
		return false
	}
	q.recursion, q.checkingOff = flags&flagRecursion != 0, flags&flagCheckingOff != 0
	q.edns, q.do, q.signals, q.option, q.cookie, q.size = false, false, false, false, false, 0
	if !q.readName(packet) {
		return false
	}
	end := headerLen + q.name + 4
	if len(packet) < end || binary.BigEndian.Uint16(packet[end-2:]) != dns.ClassINET {
		return false
	}
	q.Type = binary.BigEndian.Uint16(packet[end-4:])
	if counts&1 != 0 {
		n := q.readOPT(packet[end:])
		if n == 0 {
			return false
		}
		end += n
	}
	q.packet = packet[:end]
	return end == len(packet)
}

// plain marks the octets that a name in presentation form has as they are, and that
// every host has names of.
var plain = plainTable()

func plainTable() (t [256]bool) {
	for c := range len(t) {
		b := byte(c)
		t[c] = 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '_'
	}
	return t
}

// readName reads the name behind the header, which must not be the root.
func (q *Query) readName(packet []byte) bool {
	at := headerLen
	q.letter = 0
	for {
		if at >= len(packet) {
			return false
		}
		n := int(packet[at])
		at++
		if n == 0 {
			q.name = at - headerLen
			return q.letter > 0
		}
		if n > 63 || at+n > len(packet) || at+n-headerLen > 254 { // 255 octets with the root (RFC 1035 §3.1)
			return false
		}
		for _, c := range packet[at : at+n] {
			if !plain[c] {
				return false
			}
			q.text[q.letter] = c
			q.letter++
		}
		q.text[q.letter] = '.'
		q.letter++
		at += n
	}
}

// readOPT reads the OPT record (RFC 6891 §6.1.2) that b begins with and returns
// its length, 0 if it is not a plain one.
func (q *Query) readOPT(b []byte) int {
	if len(b) < optLen || b[0] != 0 || binary.BigEndian.Uint16(b[1:]) != dns.TypeOPT {
		return 0
	}
	ttl := binary.BigEndian.Uint32(b[5:])
	end := optLen + int(binary.BigEndian.Uint16(b[9:]))
	if ttl&^(1<<15) != 0 || end > len(b) {
		return 0
	}
	q.edns, q.do, q.size = true, ttl != 0, binary.BigEndian.Uint16(b[3:])
	for at := optLen; at < end; {
		if end-at < optionLen {
			return 0
		}
		code, n := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		at += optionLen
		if n > end-at || !q.readOption(code, b[at:at+n]) {
			return 0
		}
		at += n
	}
	q.signals = q.signals || q.option
	return end
}

// readOption notes an option and reports whether it is one that a reply need not
// heed, and that cannot be malformed.
func (q *Query) readOption(code uint16, data []byte) bool {
	switch code {
	case dns.EDNS0COOKIE:
		q.cookie = true
		return true
	case dns.EDNS0PADDING:
		return true
	case optionSDE:
		q.option = true
		return true
	case dns.EDNS0EDE:
		q.signals = q.signals || len(data) == 2 && data[0]|data[1] == 0
		return len(data) >= 2
	}
	return false
}

// Name returns the name that is asked for, in presentation form and as it is
// written in the query. It must not be kept: it is only good until the next Parse.
func (q *Query) Name() string { return unsafe.String(&q.text[0], q.letter) }

// Len returns the length of the query in octets.
func (q *Query) Len() int { return len(q.packet) }

// Packet returns the query as Parse was given it. It is only good until the next Parse.
func (q *Query) Packet() []byte { return q.packet }

// DO reports whether the sender takes DNSSEC records (RFC 3225).
func (q *Query) DO() bool { return q.do }

// Cookie reports whether the sender has added a cookie (RFC 7873).
func (q *Query) Cookie() bool { return q.cookie }

// plainClient returns what the query says of its sender, who has come over UDP.
func (a *Answerer) plainClient(q *Query) client {
	sde := q.signals && a.sde == SDEOn
	return client{signals: q.signals, sde: sde, echo: sde && q.option}
}
