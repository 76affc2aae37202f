package totals

import (
	"hash/maphash"
	"maps"
	"math/bits"
	"net/netip"
	"sync/atomic"
	"time"
)

// MaxCounts is how many different Keys are counted in a day; queries of all others are
// counted under Others.
const MaxCounts = 1024

// MaxEditions is how many editions of lists a day tells of; the first make room for more.
const MaxEditions = 1024

// Key is what a query is counted by. None of it may be made of a query name or of a
// client.
type Key struct {
	List   string `json:"list"`   // as the configuration calls it
	Reason string `json:"reason"` // filtered, blocked or censored
	Action string `json:"action"` // nxdomain, nodata, sinkhole, or shadow where the query was only counted
}

// Others is the Key of queries that there was no room for.
var Others = Key{List: "others"}

// day is what a process counts in one day. Counting takes no lock and, but for the
// first query of a Key, allocates nothing.
type day struct {
	name  string // such as 2026-11-22; "" while the clock cannot be right. Of the keeper
	key   maphash.Seed
	cells atomic.Pointer[map[Key]*cell]
	// settled is that the day is over, and whoever had begun to count for it has ended.
	settled bool // of the keeper

	editions []*Edition // of the Recorder's mutex
	unsaved  bool       // whether any of these is not in the file; as above
}

// cell is what is counted under one Key.
type cell struct {
	queries atomic.Uint64
	clients crowd
	written Count // what the file has; of the keeper
}

func newDay(name string) *day {
	d := &day{name: name, key: maphash.MakeSeed()}
	d.cells.Store(new(map[Key]*cell))
	return d
}

// count counts a query of a client, whose address is forgotten here.
func (d *day) count(k Key, client netip.Addr) {
	c := (*d.cells.Load())[k]
	if c == nil {
		c = d.begin(k)
	}
	c.queries.Add(1)
	c.clients.add(d.place(client))
}

// begin returns the cell of a Key that there may be none of yet.
func (d *day) begin(k Key) *cell {
	for {
		known := d.cells.Load()
		if len(*known) >= MaxCounts-1 && (*known)[k] == nil {
			k = Others
		}
		if c := (*known)[k]; c != nil {
			return c
		}
		added := new(cell)
		next := map[Key]*cell{k: added}
		maps.Copy(next, *known)
		if d.cells.CompareAndSwap(known, &next) {
			return added
		}
	}
}

// place returns the place of a client in a crowd, by a hash with the key of the day.
// Clients of IPv6 are counted by the first 56 bits, which is what a home is given: a
// single device uses many addresses in a day. All clients without an address are one.
func (d *day) place(client netip.Addr) uint64 {
	b := client.As16()
	if client.Is6() && !client.Is4In6() {
		clear(b[7:])
	}
	return maphash.Bytes(d.key, b[:])
}

// note adds an edition, once, as of the first time that it was in force.
func (d *day) note(e *Edition) {
	if merged := mergeEdition(d.editions, e); merged != nil {
		d.editions, d.unsaved = merged, true
	}
}

// crowd tells how many clients there are at least, and cannot be asked for one. It is a
// set of bits, and each client sets one of them (linear counting, Whang et al. 1990).
// Clients may share a bit, so there are never fewer clients than bits.
type crowd [64]atomic.Uint64

// add sets the bit of a client.
func (c *crowd) add(place uint64) {
	word, bit := &c[place>>6%uint64(len(c))], uint64(1)<<(place%64)
	if word.Load()&bit == 0 {
		word.Or(bit)
	}
}

// steps are the only numbers of clients that are ever told: more is no use to anybody
// who wants to know whether there are enough of them.
var steps = [...]int{0, 20, 50, 100, 200, 500, 1000}

// least returns the last step that the number of clients has reached.
func (c *crowd) least() (reached int) {
	n := 0
	for i := range c {
		n += bits.OnesCount64(c[i].Load())
	}
	for _, s := range steps {
		if n >= s {
			reached = s
		}
	}
	return reached
}

// Edition is an edition of a list, and from when on it was in force.
type Edition struct {
	List   string    `json:"list"`
	ID     string    `json:"id,omitempty"` // List-ID of its header
	Serial uint32    `json:"serial"`
	From   time.Time `json:"from"`
}

// find returns the same edition of the same list among some, nil if it is not there.
func (e *Edition) find(among []*Edition) *Edition {
	for _, other := range among {
		if e.List == other.List && e.ID == other.ID && e.Serial == other.Serial {
			return other
		}
	}
	return nil
}

// mergeEdition returns the editions with one more, each once and with its earliest time;
// nil if that changes nothing.
func mergeEdition(all []*Edition, e *Edition) []*Edition {
	have := e.find(all)
	switch {
	case have == nil:
		own := *e
		return append(all[max(0, len(all)-MaxEditions+1):], &own)
	case e.From.Before(have.From):
		have.From = e.From
		return all
	}
	return nil
}
