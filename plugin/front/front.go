// Package front answers plain DNS over UDP in front of a server: it opens sockets of
// its own at the server's address, one for each processor, and has the kernel hand
// every datagram to one of them. It reads and writes many datagrams with one system
// call. What it is given a reply for at once, it sends; all else goes to workers
// that wait for nothing but the next query, so that their stacks stay as large as
// the server needs them.
//
// It is an optimisation only. Sockets at one address share what arrives there
// (SO_REUSEPORT), and where the kernel does not steer, it spreads: then the server
// answers its share itself. So whatever goes wrong here, the answers stay what they
// are. It takes no privileges, and works on Linux alone; elsewhere Open fails with
// ErrUnsupported.
//
// Bounds: 512 octets of a datagram are read, as by the server. A queue of queue
// queries waits for the workers, and for at most spill goroutines beside them while
// all wait for something themselves; what is more is dropped, and counted. So is what
// has waited in the kernel for too long.
package front

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"

	"github.com/miekg/dns"
)

// ErrUnsupported is the error of Open where there is no front for the system.
var ErrUnsupported = errors.New("only on Linux")

// Config says where a front is.
type Config struct {
	Address  string    // host and port, as for net.ListenPacket
	Peers    int       // sockets that the server has bound there before
	Sockets  int       // 0: one for each processor that Go uses
	Counters *Counters // what the front adds to
	// Unsteered leaves it to the kernel which socket gets a datagram, for tests.
	Unsteered bool

	spill int // goroutines beside the workers, for tests; 0: spill
	room  int // of a socket in the kernel, in bytes, for tests; 0: Room
}

// Counters count what became of the datagrams. They only grow.
type Counters struct {
	Answered atomic.Uint64 // at once
	Repeated atomic.Uint64 // of those, with a packet that was kept
	Passed   atomic.Uint64 // to the server
	Spilled  atomic.Uint64 // goroutines started because all workers were busy
	Dropped  atomic.Uint64 // of those, because all of them were, or it was too late
	Unsent   atomic.Uint64 // replies that the kernel did not take
	Strayed  atomic.Uint64 // datagrams that the server has read itself; it adds to that, not the front
	// Overflowed are datagrams that nobody has read: the kernel has dropped them, mostly
	// because a socket was full. Front.Tally counts them.
	Overflowed atomic.Uint64
}

// drop counts datagrams that come too late to be of use.
func (c *Counters) drop(n int) {
	c.Passed.Add(uint64(n))
	c.Dropped.Add(uint64(n))
}

// Limits of a front.
const (
	workers   = 64
	queue     = 1024
	spill     = 16384 // about 200 MB of stacks at worst; a server without a front has no limit
	batch     = 64    // datagrams in one system call
	oddities  = 64    // under way, and as many waiting
	maxPacket = dns.MinMsgSize
)

// Room is how much the kernel is asked to keep for each socket of what arrives while
// nobody reads, in bytes: that of some five thousand queries. It may grant less.
const Room = 2 << 20

// Answerer composes a reply.
type Answerer interface {
	// Answer writes the reply to the datagram of a client into dst, which has room
	// for MaxReply octets, and returns its length; 0 if the server is to answer. It
	// must neither wait nor keep what it is given.
	Answer(dst, packet []byte, client netip.Addr) int
}

// MaxReply is the room for a reply that is composed, in octets.
const MaxReply = 1232

// Service is what answers at a front. It serves from when it is given to Open or
// Swap until Drain. It must not be changed then.
type Service struct {
	Answerer   Answerer
	Handler    dns.Handler       // the server
	TsigSecret map[string]string // as in dns.Server
	// Packets keeps replies that the server lets the Keeper of their writer keep, for
	// the Answerer to send again; nil: none are kept.
	Packets *PacketCache

	inflight atomic.Int64
	odd      *oddServer
}

// enter notes a query that is under way.
func (s *Service) enter() { s.inflight.Add(1) }

func (s *Service) leave() { s.inflight.Add(-1) }

// idle waits until no query is under way. It has no way of being told, for that
// would cost every query more than it gains.
func (s *Service) idle(ctx context.Context) {
	for wait := newBackoff(); s.inflight.Load() > 0 && wait.next(ctx); {
	}
}

// Drain waits until the queries are answered that are under way, or else until ctx
// is done, and lets go of what the service holds. The service must have been
// replaced, or the front closed.
func (s *Service) Drain(ctx context.Context) {
	s.idle(ctx)
	s.odd.close(ctx)
}
