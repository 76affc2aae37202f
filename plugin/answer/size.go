package answer

import "github.com/miekg/dns"

// maxUDP is the size at which a packet passes every path without being
// fragmented, the usual default of resolvers (RFC 9715 §3 allows up to 1400).
const maxUDP = 1232

// Lengths of the parts of an OPT record in octets (RFC 6891 §6.1.2, RFC 8914
// §2). The owner is the root, so compression does not change them.
const (
	optLen    = 11 // without options
	optionLen = 4  // code and length of an option
	edeLen    = optionLen + 2
)

// rung is one choice of EDNS options.
type rung struct {
	ede  bool
	text string // of the extended error
	echo bool   // of the client's option for structured errors
}

func (r rung) len() int {
	n := optLen
	if r.ede {
		n += edeLen + len(r.text)
	}
	if r.echo {
		n += optionLen
	}
	return n
}

// room is the space for a reply. The server sends what fits into cut as it is
// and compresses only what does not (dns.Msg.Truncate), so the length that
// goes out falls where the uncompressed one passes cut. Where send is less
// than cut, the lengths between the two are not to be had.
type room struct {
	m      *message // nil for a reply of which both lengths are known
	cut    int      // the server compresses over this
	send   int      // the reply must not be longer than this
	plain  int      // length of m without its OPT record
	packed int      // the same, compressed; 0 until it is needed
}

func newRoom(m *message, r Request) room {
	size := min(max(r.Size, dns.MinMsgSize), dns.MaxMsgSize) - max(r.Reserve, 0)
	send := size
	if r.UDP {
		send = min(size, maxUDP-max(r.Reserve, 0))
	}
	return room{m: m, cut: size, send: send, plain: m.Len()}
}

// fits reports whether the message may be sent with an OPT record of n octets,
// and sets its Compress to what that takes, for those who pack it themselves.
func (b *room) fits(n int) bool {
	whole := b.plain+n <= b.cut
	if b.m != nil {
		b.m.Compress = !whole
	}
	if whole {
		return b.plain+n <= b.send
	}
	if b.packed == 0 {
		b.packed = b.m.Len()
	}
	return b.packed+n <= b.send
}

// pick returns the longest choice of options that fits: a text, from the
// longest on, then no extended error, then nothing; false when the reply
// without any option is too long already.
func (b *room) pick(texts []string, echo bool) (rung, bool) {
	for _, text := range texts {
		if r := (rung{ede: true, text: text, echo: echo}); b.fits(r.len()) {
			return r, true
		}
	}
	if r := (rung{echo: echo}); b.fits(r.len()) {
		return r, true
	}
	return rung{}, b.fits(optLen)
}
