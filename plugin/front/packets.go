package front

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// Limits of a PacketCache.
const (
	slots      = 1 << 14 // replies: some 5 MB of usual ones, 32 MB at worst
	fraction   = 10      // a reply is kept for this part of the time that it holds
	longest    = 5 * time.Second
	maxRecords = 64
)

// PacketCache keeps the replies to queries that come again and again, as they were
// sent, and for moments only: a tenth of what their records may yet be cached for,
// and 5 seconds at most. What is sent again has the TTLs that a cache behind would
// have sent by then. Two queries are the same if they are, octet for octet, but for
// their ID: so whatever a reply depends on that a query says, it is the right one.
// (PowerDNS has such a cache, by that name.)
//
// The zero value is not ready to use. A PacketCache is safe for concurrent use, and
// takes no lock.
type PacketCache struct {
	start time.Time
	seed  maphash.Seed
	asked [slots]atomic.Uint32 // of the query that came last to a slot, something to tell it by
	kept  [slots]atomic.Pointer[packet]
}

// packet is a reply that is kept.
type packet struct {
	query         string // from behind the ID
	reply         []byte
	ttls          []uint16 // where they are
	stored, until time.Duration
	stamp         uint64
}

// NewPacketCache returns an empty cache.
func NewPacketCache() *PacketCache { return &PacketCache{start: time.Now(), seed: maphash.MakeSeed()} }

// Get writes the reply to a query into dst, which has room for MaxReply octets, and
// returns its length: 0 if there is none that was kept with the stamp. A nil cache
// keeps nothing. Get does not allocate.
func (c *PacketCache) Get(dst, query []byte, stamp uint64) int {
	if c == nil {
		return 0
	}
	at := c.hash(query) % slots
	for _, at := range [...]uint64{at, at ^ 1} {
		if p := c.kept[at].Load(); p != nil && p.stamp == stamp && p.query == string(query[2:]) {
			if now := time.Since(c.start); now < p.until {
				return p.write(dst, query, now)
			}
		}
	}
	return 0
}

// write writes the reply as it is now.
func (p *packet) write(dst, query []byte, now time.Duration) int {
	n := copy(dst, p.reply)
	copy(dst, query[:2])
	if age := uint32((now - p.stored) / time.Second); age > 0 {
		for _, at := range p.ttls {
			binary.BigEndian.PutUint32(dst[at:], binary.BigEndian.Uint32(dst[at:])-age)
		}
	}
	return n
}

// again reports whether a query has come before, as far as is known: the replies to
// those that come but once are not worth to be kept. A nil cache knows none.
func (c *PacketCache) again(query []byte) bool {
	if c == nil {
		return false
	}
	h := c.hash(query)
	tag := uint32(h>>32) | 1 // 0: none
	return c.asked[h%slots].Swap(tag) == tag
}

func (c *PacketCache) hash(query []byte) uint64 { return maphash.Bytes(c.seed, query[2:]) }

// Keeper is what can have a reply be kept. It belongs to one query.
type Keeper struct {
	cache *PacketCache
	query []byte // owned
	stamp uint64
}

// Keeper returns what can have the reply to a query be kept, nil if the query has not
// come before. A nil cache keeps nothing.
func (c *PacketCache) Keeper(query []byte) *Keeper {
	if !c.again(query) {
		return nil
	}
	return &Keeper{cache: c, query: append([]byte(nil), query...)}
}

// Query returns the query, which must not be changed.
func (k *Keeper) Query() []byte { return k.query }

// Keep has the reply be kept that is written next: for those who ask with the stamp,
// whatever it means to them, but 0, which takes it back. A nil Keeper does nothing.
func (k *Keeper) Keep(stamp uint64) {
	if k != nil {
		k.stamp = stamp
	}
}

// Wrote keeps the reply if that is wanted, and it can be. It copies it.
func (k *Keeper) Wrote(reply []byte) {
	if k == nil || k.stamp == 0 {
		return
	}
	ttls, shortest := times(reply)
	life := min(time.Duration(shortest)*time.Second/fraction, longest)
	if life > 0 {
		c := k.cache
		now := time.Since(c.start)
		c.put(c.hash(k.query), now, &packet{
			query: string(k.query[2:]), reply: append([]byte(nil), reply...), ttls: ttls, stored: now, until: now + life, stamp: k.stamp,
		})
	}
	k.stamp = 0
}

// put puts a reply in one of its two slots: where it was, or else where nothing is
// that holds, or else in the first.
func (c *PacketCache) put(hash uint64, now time.Duration, p *packet) {
	first, second := &c.kept[hash%slots], &c.kept[hash%slots^1]
	one, other := first.Load(), second.Load()
	if one.replaceable(now, p) || other != nil && !other.replaceable(now, p) {
		first.Store(p)
		return
	}
	second.Store(p)
}

func (p *packet) replaceable(now time.Duration, by *packet) bool {
	return p == nil || now >= p.until || p.query == by.query
}

// times returns where the TTLs are in a reply, and the least of them. It returns none
// if the reply is not to be kept: it is truncated, or no usual one, or it has neither a
// record of the type that is asked for, nor an SOA record to say for how long there is
// none (RFC 2308 §5).
func times(reply []byte) (at []uint16, shortest uint32) {
	if len(reply) < headerLen || len(reply) > MaxReply {
		return nil, 0
	}
	word := func(i int) uint16 { return binary.BigEndian.Uint16(reply[i:]) }
	answers, records := int(word(6)), int(word(6))+int(word(8))+int(word(10))
	i := pastName(reply, headerLen) + 4
	if !keepable(word(2)) || word(4) != 1 || records > maxRecords || i > len(reply) {
		return nil, 0
	}
	asked, conclusive := word(i-4), false
	shortest = math.MaxUint32
	for n := range records {
		i = pastName(reply, i)
		if i+rrHeader > len(reply) {
			return nil, 0
		}
		rrtype := word(i)
		conclusive = conclusive || n < answers && rrtype == asked || n >= answers && rrtype == dns.TypeSOA
		if rrtype != dns.TypeOPT { // which has flags there
			at = append(at, uint16(i+4))
			shortest = min(shortest, binary.BigEndian.Uint32(reply[i+4:]))
		}
		i += rrHeader + int(word(i+8))
	}
	if i != len(reply) || !conclusive {
		return nil, 0
	}
	return at, shortest
}

// keepable reports whether flags are those of a whole reply, with a code that a cache
// keeps as long as the records say.
func keepable(flags uint16) bool {
	rcode := flags & 0xf
	return flags&flagTruncated == 0 && (rcode == dns.RcodeSuccess || rcode == dns.RcodeNameError)
}

const (
	headerLen     = 12
	flagTruncated = 1 << 9
	rrHeader      = 10 // of a record, behind its name: type, class, TTL, length (RFC 1035 §4.1.3)
)

// pastName returns where the name ends that begins at i; beyond the message if it
// does not.
func pastName(message []byte, i int) int {
	for i < len(message) {
		switch n := int(message[i]); {
		case n == 0:
			return i + 1
		case n >= 0xC0: // the rest is elsewhere (RFC 1035 §4.1.4)
			return i + 2
		default:
			i += 1 + n
		}
	}
	return i
}
