package source

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/miekg/dns"
)

// link is a connection to a primary. It ends with its context.
type link struct {
	dns.Conn
	key     *TSIGKey
	message time.Duration // to wait for a message
	quota   *int64        // of bytes that may still come
	buf     []byte
	stop    func() bool
}

// minCharge is what a message takes of the quota at least, in bytes: one that
// holds next to nothing costs time all the same.
const minCharge = 512

// errHungUp is about a connection that ended before the first answer to a
// question, as that of a primary that answers one question a connection.
var errHungUp = errors.New("the primary closed the connection")

// dial connects to the primary, over TLS when that is set (RFC 9103).
func (s *session) dial() (*link, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.t.Timeouts.Dial)
	defer cancel()
	dialer := &net.Dialer{Resolver: s.t.Resolver}
	host, port, err := net.SplitHostPort(s.t.Primary)
	if err != nil {
		return nil, err
	}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(s.t.lookedUp(host), port))
	if err != nil {
		return nil, err
	}
	// The bare connection is closed: a farewell over TLS could have to wait.
	stop := context.AfterFunc(s.ctx, func() { conn.Close() })
	l := &link{key: s.t.Key, message: s.t.Timeouts.Message, quota: &s.quota, buf: make([]byte, dns.MaxMsgSize), stop: stop}
	l.Conn.Conn = conn
	if s.t.TLS == nil {
		return l, nil
	}
	c := tls.Client(conn, s.tlsConfig())
	if err := c.HandshakeContext(ctx); err != nil {
		l.close()
		return nil, err
	}
	l.Conn.Conn = c
	return l, nil
}

// tlsConfig returns what RFC 9103 §7 asks for, with the name that the
// configuration gives the primary. A primary that does not negotiate the
// protocol at all is taken, because CoreDNS is one.
func (s *session) tlsConfig() *tls.Config {
	c := s.t.TLS.Clone()
	c.NextProtos = []string{"dot"}
	c.MinVersion = max(c.MinVersion, tls.VersionTLS13)
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(s.t.Primary) // it has been dialled, so it can be split
	}
	return c
}

func (l *link) close() {
	l.stop()
	l.Conn.Close()
}

// ask sends a question, signed when there is a key.
func (l *link) ask(q *dns.Msg) (*answer, error) {
	a := &answer{link: l, id: q.Id, question: q.Question[0]}
	wire, err := q.Pack()
	if l.key != nil {
		a.chain = &chain{key: *l.key}
		wire, a.chain.mac, err = l.key.sign(q)
	}
	if err != nil {
		return nil, err
	}
	l.SetDeadline(time.Now().Add(l.message))
	if _, err := l.Write(wire); err != nil {
		return nil, hungUp(err)
	}
	return a, nil
}

// hungUp marks an error of a connection unless it is one of time.
func hungUp(err error) error {
	if isTimeout(err) {
		return err
	}
	return fmt.Errorf("%w: %w: %w", ErrTransfer, errHungUp, err)
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

// answer reads the records of the answer to a question. A message of them is
// in memory at a time.
type answer struct {
	*link
	id       uint16
	question dns.Question
	chain    *chain // nil without a key
	begun    bool
	records  []dns.RR // of the message at hand
}

// peek returns the next record without taking it.
func (a *answer) peek() (dns.RR, error) {
	for len(a.records) == 0 {
		if err := a.receive(); err != nil {
			return nil, err
		}
	}
	return a.records[0], nil
}

// next takes the next record.
func (a *answer) next() (dns.RR, error) {
	rr, err := a.peek()
	if err == nil {
		a.records = a.records[1:]
	}
	return rr, err
}

// end is to be asked behind the last record: nothing may follow, and the last
// message is signed.
func (a *answer) end() error {
	switch {
	case len(a.records) > 0:
		return fmt.Errorf("%w: records behind the last one", ErrTransfer)
	case a.chain != nil && a.chain.unsigned > 0:
		return fmt.Errorf("%w: the last message is without a signature", ErrTransfer)
	}
	return nil
}

// receive reads the next message.
func (a *answer) receive() error {
	a.SetDeadline(time.Now().Add(a.message))
	n, err := a.Read(a.buf)
	switch {
	case err != nil && !a.begun:
		return hungUp(err)
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return fmt.Errorf("%w: it was cut off", ErrTransfer) // never io.EOF, which is the end of a text
	case err != nil:
		return err
	}
	if *a.quota -= int64(max(n, minCharge)); *a.quota < 0 {
		return fmt.Errorf("the zone %w", ErrTooLarge)
	}
	m := new(dns.Msg)
	if err := m.Unpack(a.buf[:n]); err != nil {
		return fmt.Errorf("%w: an answer that cannot be read: %w", ErrTransfer, err)
	}
	if err := a.check(a.buf[:n], m); err != nil {
		return err
	}
	a.begun, a.records = true, m.Answer
	return nil
}

// check makes sure that a message is of the answer.
func (a *answer) check(wire []byte, m *dns.Msg) error {
	switch {
	case m.Id != a.id || !m.Response || m.Opcode != dns.OpcodeQuery:
		return fmt.Errorf("%w: a message that is no answer to the question", ErrTransfer)
	// The library passes over records that the header counts and that are not
	// there.
	case int(binary.BigEndian.Uint16(wire[6:])) != len(m.Answer) || int(binary.BigEndian.Uint16(wire[10:])) != len(m.Extra):
		return fmt.Errorf("%w: an answer with fewer records than it counts", ErrTransfer)
	}
	if a.chain != nil {
		if err := a.chain.check(wire, m); err != nil {
			return err
		}
	}
	switch {
	case m.Rcode != dns.RcodeSuccess:
		return refusal(m.Rcode)
	case m.Truncated:
		return fmt.Errorf("%w: a truncated answer", ErrTransfer)
	case !a.fits(m.Question):
		return fmt.Errorf("%w: an answer to another question", ErrTransfer)
	}
	return withData(m.Answer)
}

// refusal says in words that an answer is none.
func refusal(rcode int) error {
	name, ok := dns.RcodeToString[rcode]
	if !ok {
		name = fmt.Sprint("code ", rcode)
	}
	return fmt.Errorf("%w: the primary answered %s", ErrTransfer, name)
}

// fits reports whether a message repeats the question; those behind the first
// may leave it out (RFC 5936 §2.2.1).
func (a *answer) fits(q []dns.Question) bool {
	if len(q) == 0 {
		return a.begun
	}
	return len(q) == 1 && q[0].Qtype == a.question.Qtype && q[0].Qclass == a.question.Qclass &&
		dns.CanonicalName(q[0].Name) == a.question.Name
}

// withData refuses records without data, which only dynamic updates have
// (RFC 2136 §2.4) and which the library reads as a record of any type.
func withData(records []dns.RR) error {
	for _, rr := range records {
		if _, unknown := rr.(*dns.RFC3597); rr.Header().Rdlength == 0 && !unknown {
			return fmt.Errorf("%w: a record without data", ErrTransfer)
		}
	}
	return nil
}
