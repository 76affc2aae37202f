package source

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// NewResolver returns a resolver that asks the given servers only, each when the
// one before does not answer or answers wrongly, and never those of the system,
// whose hosts file is read first all the same. Without servers it is
// net.DefaultResolver.
//
// A name should be given with a trailing dot, so that it is not looked up in the
// search domains of the system.
func NewResolver(bootstrap []netip.AddrPort) *net.Resolver {
	if len(bootstrap) == 0 {
		return net.DefaultResolver
	}
	servers := slices.Clone(bootstrap)
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return &bootstrapConn{ctx: ctx, servers: servers}, nil
		},
	}
}

// joined names the bootstrap resolvers in an error.
func joined(servers []netip.AddrPort) string {
	var texts []string
	for _, s := range servers {
		texts = append(texts, s.String())
	}
	return strings.Join(texts, ", ")
}

// bootstrapConn is what package net takes for a connection to a server and sends
// one question over. How often package net asks, and whom, depends on the
// system's configuration; so the servers are tried in turn in here. Because it
// is no net.PacketConn, messages have their length in front, as over TCP (RFC
// 1035 §4.2.2).
type bootstrapConn struct {
	ctx     context.Context // of the question; its deadline is that of the lookup
	servers []netip.AddrPort
	reply   bytes.Reader
}

// Write takes a question and gets its answer.
func (c *bootstrapConn) Write(p []byte) (int, error) {
	var question dns.Msg
	if len(p) < 2 {
		return 0, io.ErrShortWrite
	}
	if err := question.Unpack(p[2:]); err != nil {
		return 0, err
	}
	reply, err := c.ask(&question)
	if err != nil {
		return 0, err
	}
	wire, err := reply.Pack()
	if err != nil {
		return 0, err
	}
	c.reply.Reset(append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...))
	return len(p), nil
}

// ask returns the answer of the first server that has one.
func (c *bootstrapConn) ask(question *dns.Msg) (reply *dns.Msg, err error) {
	for i, server := range c.servers {
		if reply, err = exchange(c.ctx, question, server, c.share(len(c.servers)-i)); err == nil {
			return reply, nil
		}
	}
	return nil, err
}

// share is the time that one of n servers has of what is left. Package net gives
// every question a deadline.
func (c *bootstrapConn) share(n int) time.Duration {
	deadline, _ := c.ctx.Deadline()
	return time.Until(deadline) / time.Duration(n)
}

// exchange asks one server: by UDP, and by TCP if the answer does not fit.
func exchange(ctx context.Context, question *dns.Msg, server netip.AddrPort, timeout time.Duration) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	reply, err := exchangeOver(ctx, "udp", question, server)
	if err == nil && reply.Truncated {
		reply, err = exchangeOver(ctx, "tcp", question, server)
	}
	if err != nil {
		return nil, err
	}
	return reply, judgeReply(question, reply)
}

func exchangeOver(ctx context.Context, network string, question *dns.Msg, server netip.AddrPort) (*dns.Msg, error) {
	client := dns.Client{Net: network, Timeout: DefaultDialTimeout} // the context's deadline comes before
	conn, err := client.DialContext(ctx, server.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })() // the client minds the deadline only
	reply, _, err := client.ExchangeWithConnContext(ctx, question, conn)
	return reply, err
}

// judgeReply says why a reply is no answer, so that the next server is asked: it
// is to another question, an error, or the referral of a server that does not
// resolve for us.
func judgeReply(question, reply *dns.Msg) error {
	switch {
	case !reply.Response || len(reply.Question) != 1 || !sameQuestion(question.Question[0], reply.Question[0]):
		return errors.New("the reply is not to the question")
	case reply.Rcode == dns.RcodeNameError:
		return nil
	case reply.Rcode != dns.RcodeSuccess:
		return fmt.Errorf("the resolver answered %s", dns.RcodeToString[reply.Rcode])
	case len(reply.Answer) == 0 && !reply.Authoritative && !reply.RecursionAvailable:
		return errors.New("the resolver does not resolve for us")
	}
	return nil
}

func sameQuestion(a, b dns.Question) bool {
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && strings.EqualFold(a.Name, b.Name)
}

func (c *bootstrapConn) Read(p []byte) (int, error)       { return c.reply.Read(p) }
func (c *bootstrapConn) Close() error                     { return nil }
func (c *bootstrapConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *bootstrapConn) RemoteAddr() net.Addr             { return net.TCPAddrFromAddrPort(c.servers[0]) }
func (c *bootstrapConn) SetDeadline(time.Time) error      { return nil } // the context has it
func (c *bootstrapConn) SetReadDeadline(time.Time) error  { return nil }
func (c *bootstrapConn) SetWriteDeadline(time.Time) error { return nil }
