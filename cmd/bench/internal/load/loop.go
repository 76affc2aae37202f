package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"time"
)

// Config says what is asked, how fast and for how long. All but Queries and one of
// Time and Count has a useful zero value.
type Config struct {
	Addr    netip.AddrPort // of the server, on loopback
	Queries []Query        // asked in turn, again and again
	First   int            // place in Queries of the first one
	Number  uint32         // of the first unique name; the next run goes on at Number + Result.Sent

	Time  time.Duration // after which nothing more is sent
	Count int           // or after so many queries

	Sockets int // each has a port of its own; 0 is 4
	// Window is the most queries that wait for an answer at a time, on all sockets
	// together; 0 is 128, 16384 the most.
	Window int
	// Rate is queries a second, whose distances are random as those of many clients
	// are (exponential). How long an answer took is counted from when its query was
	// due, so that what a full window held back shows. 0: as fast as the window lets.
	Rate float64
	// Patience is after which a query counts as lost; 0 is two seconds.
	Patience time.Duration
}

const (
	maxSockets = 16
	maxWindow  = 16384
	together   = 32 // packets that a socket takes at a time
	slotBits   = 12 // of an ID; the others tell an answer that comes late from one to the next query
	maxSlots   = 1 << slotBits
)

func (c *Config) defaults() error {
	for _, d := range []struct{ field, value *int }{{&c.Sockets, new(4)}, {&c.Window, new(128)}} {
		if *d.field == 0 {
			*d.field = *d.value
		}
	}
	if c.Patience == 0 {
		c.Patience = 2 * time.Second
	}
	switch {
	case len(c.Queries) == 0:
		return errors.New("nothing to ask")
	case c.Time <= 0 && c.Count <= 0:
		return errors.New("neither a time nor a number of queries is given")
	case c.Sockets < 1 || c.Sockets > maxSockets:
		return fmt.Errorf("%d sockets: want 1 to %d", c.Sockets, maxSockets)
	case c.Window < c.Sockets || c.Window > maxWindow || c.Window/c.Sockets > maxSlots:
		return fmt.Errorf("a window of %d: want one for each socket, %d at most, and no more than %d a socket", c.Window, maxWindow, maxSlots)
	case c.Rate < 0 || c.Patience < 0:
		return errors.New("a rate or a patience below nothing")
	}
	return nil
}

// Result is what became of the queries.
type Result struct {
	Sent    int
	Right   int
	Wrong   int           // answers that are not what they have to be
	Lost    int           // queries without an answer in time
	Stray   int           // answers to nothing that is waited for, such as late ones; they are ignored
	Elapsed time.Duration // in which queries were sent
	InTime  int           // right answers that came while queries were sent
	Latency Histogram     // of all answers
	Samples []string      // what is wrong with the first of the wrong ones
}

// sampled is how many wrong answers are described.
const sampled = 5

// Add adds the counts of another run.
func (r *Result) Add(o *Result) {
	r.Sent, r.Right, r.Wrong, r.Lost, r.Stray = r.Sent+o.Sent, r.Right+o.Right, r.Wrong+o.Wrong, r.Lost+o.Lost, r.Stray+o.Stray
	r.Elapsed, r.InTime = r.Elapsed+o.Elapsed, r.InTime+o.InTime
	r.Latency.add(&o.Latency)
	r.Samples = append(r.Samples, o.Samples[:min(len(o.Samples), sampled-min(len(r.Samples), sampled))]...)
}

// String returns the counts.
func (r *Result) String() string {
	return fmt.Sprintf("%d sent in %v: %d right (%d while it was sent), %d wrong, %d lost, %d stray %q", r.Sent, r.Elapsed, r.Right, r.InTime, r.Wrong, r.Lost, r.Stray, r.Samples)
}

// PerSecond returns right answers a second.
func (r *Result) PerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.InTime) / r.Elapsed.Seconds()
}

// slot is a query that waits for an answer, or room for one. The bits of the ID that
// are not its place count how often it was used.
type slot struct {
	busy   bool
	used   uint16
	query  *Query
	number uint32
	due    time.Duration // since the beginning
	sent   time.Duration
}

// asker is a socket with its queries.
type asker struct {
	*socket
	slots []slot
	free  []uint16
}

// run is a Config that is being carried out, in one thread.
type run struct {
	Config
	Result
	askers  []*asker
	sockets []*socket
	random  *rand.Rand
	began   time.Time
	due     time.Duration // of the next query
	swept   time.Duration // when it was looked for the last time for what is lost
	scratch [bufferLen]byte
}

// Run asks. It ends early when the context is done, and with an error when nobody
// listens at the address; what was counted until then comes with it.
func Run(ctx context.Context, c Config) (*Result, error) {
	if err := c.defaults(); err != nil {
		return nil, err
	}
	r := &run{Config: c, random: rand.New(rand.NewPCG(1, uint64(c.First)))}
	defer func() {
		for _, s := range r.sockets {
			s.close()
		}
	}()
	for i := range c.Sockets {
		if err := r.open((c.Window + i) / c.Sockets); err != nil {
			return nil, fmt.Errorf("asking: %w", err)
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	exactWaits()
	err := r.loop(ctx)
	return &r.Result, err
}

// open adds a socket with so many slots.
func (r *run) open(slots int) error {
	s, err := open(r.Addr, together, true)
	if err != nil {
		return err
	}
	a := &asker{socket: s, slots: make([]slot, slots), free: make([]uint16, slots)}
	for i := range a.free {
		a.free[i] = uint16(slots - 1 - i)
	}
	r.askers, r.sockets = append(r.askers, a), append(r.sockets, s)
	return nil
}

// loop sends until it is time to stop, then waits for what is under way.
func (r *run) loop(ctx context.Context) error {
	r.began = time.Now()
	for ctx.Err() == nil {
		now := time.Since(r.began)
		sending := !r.over(now)
		if sending {
			r.Elapsed = now
		} else if r.waiting() == 0 {
			return nil
		}
		moved, err := r.turn(now, sending)
		if err != nil {
			return err
		}
		r.sweep(now)
		if moved {
			continue
		}
		if err := wait(r.sockets, r.pause(now, sending)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// over reports whether nothing more is to be sent.
func (r *run) over(now time.Duration) bool {
	return r.Time > 0 && now >= r.Time || r.Count > 0 && r.Sent >= r.Count
}

// waiting returns how many queries are under way.
func (r *run) waiting() (n int) {
	for _, a := range r.askers {
		n += len(a.slots) - len(a.free)
	}
	return n
}

// turn has each socket send and receive what it can, and reports whether there was
// anything.
func (r *run) turn(now time.Duration, sending bool) (moved bool, err error) {
	for _, a := range r.askers {
		sent := 0
		if sending {
			if sent, err = r.send(a, now); err != nil {
				return false, err
			}
		}
		n, err := a.receive()
		if err != nil {
			return false, r.explain(err)
		}
		at := time.Since(r.began)
		for i := range n {
			r.take(a, a.packet(i), at, sending)
		}
		moved = moved || sent > 0 || n > 0
	}
	return moved, nil
}

// explain says what a system's error means.
func (r *run) explain(err error) error {
	if refused(err) {
		return fmt.Errorf("nobody listens on %s any more: %w", r.Addr, err)
	}
	return err
}

// send sends what is due and has a free slot.
func (r *run) send(a *asker, now time.Duration) (int, error) {
	n := 0
	var used [together]uint16
	for n < together && len(a.free) > 0 && r.ready(now) {
		i := a.free[len(a.free)-1]
		a.free = a.free[:len(a.free)-1]
		used[n] = i
		a.length(n, r.prepare(a, i, a.buffer(n), now))
		n++
	}
	if n == 0 {
		return 0, nil
	}
	sent, err := a.socket.send(0, n)
	for _, i := range used[sent:n] { // for which the system had no room: they are asked later
		a.slots[i].busy = false
		a.free = append(a.free, i)
	}
	r.Sent -= n - sent
	if err != nil {
		err = r.explain(err)
	}
	return sent, err
}

// ready reports whether there is a query to send now.
func (r *run) ready(now time.Duration) bool {
	return (r.Rate == 0 || r.due <= now) && (r.Count <= 0 || r.Sent < r.Count)
}

// prepare writes the next query into a buffer and books it in a slot.
func (r *run) prepare(a *asker, i uint16, buffer []byte, now time.Duration) int {
	s := &a.slots[i]
	s.busy, s.used, s.sent, s.due = true, s.used+1, now, now
	s.query, s.number = &r.Queries[(r.First+r.Sent)%len(r.Queries)], r.Number+uint32(r.Sent)
	if r.Rate > 0 {
		s.due = r.due
		r.due += time.Duration(r.random.ExpFloat64() / r.Rate * float64(time.Second))
	}
	r.Sent++
	return s.query.put(buffer, s.id(i), s.number)
}

func (s *slot) id(place uint16) uint16 { return s.used<<slotBits | place }

// take books an answer.
func (r *run) take(a *asker, reply []byte, at time.Duration, sending bool) {
	if len(reply) < headerLen {
		r.Stray++
		return
	}
	id := binary.BigEndian.Uint16(reply)
	i := id % maxSlots
	if int(i) >= len(a.slots) || !a.slots[i].busy || a.slots[i].id(i) != id {
		r.Stray++
		return
	}
	s := &a.slots[i]
	sent := r.scratch[:s.query.put(r.scratch[:], id, s.number)]
	err := check(sent, reply, s.query.blocked)
	if errors.Is(err, errQuestion) { // so late that the ID has come round: as any client, go on waiting
		r.Stray++
		return
	}
	s.busy = false
	a.free = append(a.free, i)
	r.Latency.Add(at - s.due)
	if err != nil {
		r.Wrong++
		r.sample(nameOf(sent), err)
		return
	}
	r.Right++
	if sending {
		r.InTime++
	}
}

func (r *run) sample(name string, err error) {
	if len(r.Samples) < sampled {
		r.Samples = append(r.Samples, fmt.Sprintf("%s: %v", name, err))
	}
}

// sweeping is how often queries are looked for that are lost, of the patience.
const sweeping = 8

// sweep counts as lost what has waited too long.
func (r *run) sweep(now time.Duration) {
	if now-r.swept < r.Patience/sweeping {
		return
	}
	r.swept = now
	for _, a := range r.askers {
		for i := range a.slots {
			if s := &a.slots[i]; s.busy && now-s.sent > r.Patience {
				s.busy = false
				a.free = append(a.free, uint16(i))
				r.Lost++
			}
		}
	}
}

// pause returns how long there is nothing to do unless an answer comes.
func (r *run) pause(now time.Duration, sending bool) time.Duration {
	most := r.Patience / sweeping
	if !sending {
		return most
	}
	if r.Time > 0 {
		most = min(most, r.Time-now)
	}
	if r.Rate > 0 && r.due > now { // else the window is full
		most = min(most, r.due-now)
	}
	return max(most, 0)
}
