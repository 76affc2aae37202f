package sinkhole

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// stuck is the time after which a connection with a request under way may be
// closed for a new one. A request takes milliseconds: the client does not read,
// or does not send what it has announced.
const stuck = 2 * time.Second

// limits bounds the connections of one server, in all and by client, so that
// one client's thousands leave the page up for the others. When there is no
// room for a new connection, the one goes that has waited longest for the
// header of a request, then one that is stuck; if there is neither, the new
// one. It is safe for concurrent use.
type limits struct {
	all  int
	each int // of a client

	// shared says that one address on the machine itself may be a reverse proxy's,
	// and so many clients': each is not for those.
	shared bool

	mu      sync.Mutex
	closed  bool
	tickets map[net.Conn]*ticket
	queue   queue // of all
	clients map[netip.Prefix]*queue
	open    sync.WaitGroup // connections that were admitted and have not ended
}

// queue holds connections, those that have been longest as they are first.
type queue struct {
	waiting list.List // for the header of a request
	busy    list.List // with a request
}

// ticket is the place of a connection in the queue of all and in that of its
// client.
type ticket struct {
	conn     net.Conn
	client   netip.Prefix
	since    time.Time // as it is
	busy     bool
	queues   [2]*queue
	elements [2]*list.Element
}

func newLimits(all, each int, shared bool) *limits {
	return &limits{
		all: all, each: each, shared: shared,
		tickets: make(map[net.Conn]*ticket), clients: make(map[netip.Prefix]*queue),
	}
}

// admit makes room for a new connection. Who is not let in must be closed by
// the caller; who is, counts until done.
func (l *limits) admit(conn net.Conn) bool {
	client := clientOf(conn.RemoteAddr())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || !l.makeRoom(client) {
		return false
	}
	mine := l.clients[client]
	if mine == nil {
		mine = new(queue)
		l.clients[client] = mine
	}
	t := &ticket{conn: conn, client: client, queues: [2]*queue{&l.queue, mine}}
	l.tickets[conn] = t
	l.open.Add(1)
	t.enter(false)
	return true
}

// makeRoom reports whether there is room for one more connection of a client,
// if need be at the cost of another one.
func (l *limits) makeRoom(client netip.Prefix) bool {
	if mine := l.clients[client]; mine != nil && mine.len() >= l.each && !l.isShared(client) && !l.evict(mine) {
		return false
	}
	return l.queue.len() < l.all || l.evict(&l.queue)
}

// isShared reports whether a client may be many.
func (l *limits) isShared(client netip.Prefix) bool {
	return l.shared && (!client.IsValid() || client.Addr().IsLoopback())
}

// evict closes the connection that can best be spared, if there is one.
func (l *limits) evict(q *queue) bool {
	t := q.victim(time.Now())
	if t == nil {
		return false
	}
	l.remove(t)
	t.conn.Close()
	return true
}

// remove takes a connection out of the queues.
func (l *limits) remove(t *ticket) {
	t.leave()
	delete(l.tickets, t.conn)
	if l.clients[t.client].len() == 0 {
		delete(l.clients, t.client)
	}
}

// track follows the states of a connection (http.Server.ConnState). A TLS
// connection goes by the one below it.
func (l *limits) track(conn net.Conn, state http.ConnState) {
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = over.NetConn()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if state == http.StateClosed || state == http.StateHijacked {
		defer l.open.Done()
	}
	t := l.tickets[conn]
	if t == nil {
		return // evicted
	}
	switch state {
	case http.StateActive, http.StateIdle:
		t.leave()
		t.enter(state == http.StateActive)
	case http.StateClosed, http.StateHijacked:
		l.remove(t)
	}
}

// close lets nobody in any more and closes the connections that wait for a
// request: nothing is owed to them.
func (l *limits) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for e := l.queue.waiting.Front(); e != nil; e = l.queue.waiting.Front() {
		t := e.Value.(*ticket)
		l.remove(t)
		t.conn.Close()
	}
}

// wait returns when all connections that were let in have ended. It is called
// after close.
func (l *limits) wait() { l.open.Wait() }

// count returns the number of connections.
func (l *limits) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.len()
}

func (t *ticket) enter(busy bool) {
	t.busy, t.since = busy, time.Now()
	for i, q := range t.queues {
		t.elements[i] = q.list(busy).PushBack(t)
	}
}

func (t *ticket) leave() {
	for i, q := range t.queues {
		q.list(t.busy).Remove(t.elements[i])
	}
}

func (q *queue) list(busy bool) *list.List {
	if busy {
		return &q.busy
	}
	return &q.waiting
}

func (q *queue) len() int { return q.waiting.Len() + q.busy.Len() }

// victim returns the connection that can best be spared, nil if there is none.
func (q *queue) victim(now time.Time) *ticket {
	if e := q.waiting.Front(); e != nil {
		return e.Value.(*ticket)
	}
	if e := q.busy.Front(); e != nil && now.Sub(e.Value.(*ticket).since) >= stuck {
		return e.Value.(*ticket)
	}
	return nil
}

// clientOf returns the addresses that count as one client: an IPv4 address, or
// the /64 that a network gives each of its IPv6 hosts or homes at the least.
func clientOf(address net.Addr) netip.Prefix {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	a := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 64
	if a.Is4() || a.IsLoopback() {
		bits = a.BitLen()
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address at all
	}
	return p
}
