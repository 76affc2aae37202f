// Package load asks a DNS server over UDP on loopback, as fast as it answers or at a
// rate, holds every answer against what is expected, and counts. It also has the
// server that all others are measured with: one that answers everything at once.
//
// It sends and receives many packets with one system call (sendmmsg, recvmmsg), which
// only Linux has: elsewhere Run and Listen return ErrUnsupported.
package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ErrUnsupported says that this system lacks what the measuring needs.
var ErrUnsupported = errors.New("only Linux can send and receive many packets at once, and pin a process to a core")

// Address is what a Responder says that every name resolves to.
var Address = netip.MustParseAddr("192.0.2.53") // RFC 5737

// Parts of a message (RFC 1035 §4.1).
const (
	headerLen  = 12
	typeA      = 1
	typeOPT    = 41
	classIN    = 1
	nxdomain   = 3
	pointer    = 0xc00c // to the name of the question
	flagQR     = 0x8000
	flagTC     = 0x0200
	maskOpcode = 0x7800
)

// bufferLen is the size of a buffer: more than a query without EDNS is answered with
// (RFC 1035 §4.2.1), and room to make its answer in its place.
const bufferLen = 2048

// counterLen is the length of a label that makes a name one that nobody has asked for.
const counterLen = 8

// Query asks for the addresses of a name.
type Query struct {
	packet  []byte // with ID 0
	blocked bool   // what is to become of it
	unique  bool   // the first label has counterLen digits, which are to differ each time
}

// NewQuery returns the query for a name without the dot at the end, and whether it has
// to be denied.
func NewQuery(name string, blocked bool) (Query, error) {
	p := make([]byte, headerLen, headerLen+len(name)+6)
	p[2] = 1 // recursion desired
	p[5] = 1 // one question
	for label := range strings.SplitSeq(name, ".") {
		if len(label) == 0 || len(label) > 63 {
			return Query{}, fmt.Errorf("%q is no name", name)
		}
		p = append(append(p, byte(len(label))), label...)
	}
	p = append(p, 0, 0, typeA, 0, classIN)
	if len(p)-headerLen-4 > 255 {
		return Query{}, fmt.Errorf("%q is too long for a name", name)
	}
	return Query{packet: p, blocked: blocked}, nil
}

// NewUnique returns a query for a name right below another one, which is to pass, and
// is another one each time that the query is sent.
func NewUnique(name string) (Query, error) {
	q, err := NewQuery(strings.Repeat("0", counterLen)+"."+name, false)
	q.unique = true
	return q, err
}

// Name returns the name that is asked for.
func (q Query) Name() string { return nameOf(q.packet) }

// nameOf returns the name of the question of a message that NewQuery made.
func nameOf(packet []byte) string {
	var labels []string
	for p := packet[headerLen:]; p[0] != 0; p = p[1+p[0]:] {
		labels = append(labels, string(p[1:1+p[0]]))
	}
	return strings.Join(labels, ".")
}

// put writes the query into a buffer, with an ID and a number that makes it unique,
// and returns its length.
func (q Query) put(dst []byte, id uint16, number uint32) int {
	n := copy(dst, q.packet)
	binary.BigEndian.PutUint16(dst, id)
	if q.unique {
		for i := headerLen + counterLen; i > headerLen; i-- {
			dst[i] = "0123456789abcdef"[number&15]
			number >>= 4
		}
	}
	return n
}

// errAnswer says what is wrong with an answer.
var (
	errShort    = errors.New("cut off")
	errQuestion = errors.New("the answer to another question")
	errPassed   = errors.New("it passed and is listed")
	errDenied   = errors.New("it was denied and is not listed")
	errRecords  = errors.New("another address than that of the upstream")
)

// codeError is an answer with a code that is neither a denial nor an address.
type codeError uint16

func (e codeError) Error() string { return fmt.Sprintf("the code of the answer is %d", uint16(e)) }

// check returns what is wrong with the answer to a message that was sent. A denial is
// NXDOMAIN without an answer: every candidate can be told to deny so.
func check(sent, reply []byte, blocked bool) error {
	if len(reply) < headerLen {
		return errShort
	}
	flags := binary.BigEndian.Uint16(reply[2:])
	switch {
	case flags&flagQR == 0 || flags&maskOpcode != 0 || !bytes.Equal(reply[:2], sent[:2]):
		return errQuestion
	case reply[4] == 0 && reply[5] == 0 && flags&15 != 0: // an error may come without its question
		return codeError(flags & 15)
	case reply[4] != 0 || reply[5] != 1 || len(reply) < len(sent) || !bytes.Equal(reply[headerLen:len(sent)], sent[headerLen:]):
		return errQuestion
	case flags&flagTC != 0:
		return errShort
	}
	code, records := flags&15, binary.BigEndian.Uint16(reply[6:])
	switch {
	case code == nxdomain && records == 0 && blocked:
		return nil
	case code == nxdomain && !blocked:
		return errDenied
	case code != 0:
		return codeError(code)
	case blocked:
		return errPassed
	case records != 1 || !hasAddress(reply[len(sent):]):
		return errRecords
	}
	return nil
}

// hasAddress reports whether the first record is the one that a Responder sends: by a
// pointer to the question or with the name written out, whose length nobody cares for.
func hasAddress(answer []byte) bool {
	for len(answer) > 0 && answer[0] != 0 && answer[0] < 0xc0 {
		answer = answer[min(len(answer), 1+int(answer[0])):]
	}
	if len(answer) == 0 {
		return false
	}
	if answer[0] >= 0xc0 {
		answer = answer[1:]
	}
	// what is left of the name is one byte; then come type, class, TTL, length and data
	address := Address.As4()
	return len(answer) >= 15 && binary.BigEndian.Uint16(answer[1:]) == typeA && binary.BigEndian.Uint16(answer[3:]) == classIN &&
		binary.BigEndian.Uint16(answer[9:]) == 4 && bytes.Equal(answer[11:15], address[:])
}
