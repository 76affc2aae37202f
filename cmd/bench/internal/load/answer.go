package load

import "encoding/binary"

// ttl is that of the Responder's answers, in seconds: longer than any run.
const ttl = 3600

// respond makes the answer to a message in its place, and returns its length: for A one
// record, for every other type none. Who sends an OPT record gets one (RFC 6891 §6.1.1).
// Of what is no query it makes nothing, length 0. The buffer has room for 64 bytes more.
func respond(p []byte, n int) int {
	if n < headerLen || p[2]&0xf8 != 0 || binary.BigEndian.Uint16(p[4:]) != 1 {
		return 0
	}
	end := headerLen
	for end < n && p[end] != 0 {
		if p[end] >= 0xc0 {
			return 0
		}
		end += 1 + int(p[end])
	}
	if end += 5; end > n { // the root label, type and class
		return 0
	}
	qtype, additional := binary.BigEndian.Uint16(p[end-4:]), binary.BigEndian.Uint16(p[10:])
	p[2] = p[2]&1 | 0x80 // an answer, with "recursion desired" as it was
	p[3] = 0x80          // recursion available
	clear(p[6:headerLen])
	out := p[:end]
	if qtype == typeA {
		p[7] = 1
		address := Address.As4()
		out = append(out, pointer>>8, pointer&0xff, 0, typeA, 0, classIN, 0, 0, ttl>>8, ttl&0xff, 0, 4)
		out = append(out, address[:]...)
	}
	if additional > 0 {
		p[11] = 1
		out = append(out, 0, 0, typeOPT, 1232>>8, 1232&0xff, 0, 0, 0, 0, 0, 0)
	}
	return len(out)
}
