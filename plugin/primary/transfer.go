package primary

import (
	"context"
	"iter"
	"time"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/rpz"
)

const (
	// batch is the number of records that are handed on at once.
	batch = 256
	// maxWait is how long a batch waits to be taken, which takes as long as the
	// secondary's connection is full.
	maxWait = time.Minute
	// maxTime is how long a transfer may take.
	maxTime = 30 * time.Minute
	// fewRecords are sent as changes, even if the zone has no more than that.
	fewRecords = 1000
)

// Transfer answers a request for a transfer: of the zone as a whole if serial is
// 0, else of what has changed since that edition. It hands on records as
// transfer.Transferer of CoreDNS wants them: one SOA record for whoever has the
// edition, or a newer one; else the differences in sequence (RFC 1995 §4), or the
// zone between two SOA records where that is not known or more than the zone is.
//
// The channel must be read to its end, or its goroutine goes on for a minute. It is
// closed before all is said if that takes too long, the zone ends, or a list turns out
// to be unreadable: a transfer that does not end in the SOA record is not taken by
// anybody. The error is ErrNotReady, ErrBusy or ErrUnread.
func (s *Share) Transfer(serial uint32) (<-chan []dns.RR, error) {
	z := s.zone
	e := z.edition.Load()
	if e == nil {
		z.counts[Refused].Add(1)
		return nil, ErrNotReady
	}
	if serial != 0 && !rpz.Newer(e.serial, serial) {
		z.counts[Current].Add(1)
		ch := make(chan []dns.RR, 1)
		ch <- []dns.RR{e.soa(e.serial)}
		close(ch)
		return ch, nil
	}
	records, way := e.full(), Full
	if deltas := e.worth(since(e.history, serial)); serial != 0 && deltas != nil {
		records, way = e.incremental(deltas), Incremental
	} else if e.content.damaged() {
		z.counts[Refused].Add(1)
		return nil, ErrUnread
	}
	ch := make(chan []dns.RR)
	if err := z.begin(func() { z.send(ch, records, way) }); err != nil {
		z.counts[Refused].Add(1)
		return nil, err
	}
	return ch, nil
}

// begin runs f in a goroutine of the zone, if there may be one more.
func (z *zone) begin(f func()) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.ctx.Err() != nil {
		return ErrNotReady
	}
	select {
	case z.slots <- struct{}{}:
	default:
		return ErrBusy
	}
	z.group.Go(func() {
		defer func() { <-z.slots }()
		f()
	})
	return nil
}

// send hands the records on.
func (z *zone) send(ch chan<- []dns.RR, records iter.Seq[dns.RR], way Transfer) {
	defer close(ch)
	ctx, cancel := context.WithTimeout(z.ctx, maxTime)
	defer cancel()
	rrs := make([]dns.RR, 0, batch)
	for rr := range records {
		if len(rrs) == batch { // the last batch is never empty: the record at hand is in it
			if !hand(ctx, ch, rrs) {
				z.counts[Aborted].Add(1)
				return
			}
			rrs = make([]dns.RR, 0, batch)
		}
		rrs = append(rrs, rr)
	}
	if _, whole := rrs[len(rrs)-1].(bound); !hand(ctx, ch, rrs) || !whole {
		way = Aborted
	}
	z.counts[way].Add(1)
}

// hand reports whether a batch was taken.
func hand(ctx context.Context, ch chan<- []dns.RR, rrs []dns.RR) bool {
	wait := time.NewTimer(maxWait)
	defer wait.Stop()
	select {
	case ch <- rrs:
		return true
	case <-wait.C:
	case <-ctx.Done():
	}
	return false
}

// bound is an SOA record in a transfer of several records. It is of a type of its
// own because the transfer plugin takes a lone record for the answer to somebody
// who has the edition, and then sends the first SOA record that it knew as such: of
// a transfer that is cut off at the wrong place, that would make a whole one.
type bound struct{ *dns.SOA }

// full yields the zone between two SOA records, of which the last is missing where rules
// are.
func (e *edition) full() iter.Seq[dns.RR] {
	return func(yield func(dns.RR) bool) {
		if !yield(bound{e.soa(e.serial)}) || !yield(e.ns()) {
			return
		}
		ignored := 0
		for r := range e.content.records(e.origin, &ignored) {
			if !yield(r.rr(e.origin)) {
				return
			}
		}
		if !e.content.damaged() {
			yield(bound{e.soa(e.serial)})
		}
	}
}

// worth returns the deltas if to send them is less than to send the zone.
func (e *edition) worth(deltas []delta) []delta {
	n := 0
	for i := range deltas {
		n += deltas[i].records
	}
	if n > max(e.records, fewRecords) {
		return nil
	}
	return deltas
}

// incremental yields the deltas between two SOA records of the edition.
func (e *edition) incremental(deltas []delta) iter.Seq[dns.RR] {
	return func(yield func(dns.RR) bool) {
		if !yield(bound{e.soa(e.serial)}) {
			return
		}
		for i := range deltas {
			d := &deltas[i]
			if !e.part(d.from, d.gone, yield) || !e.part(d.to, d.come, yield) {
				return
			}
		}
		yield(bound{e.soa(e.serial)})
	}
}

// part yields one part of a delta behind the SOA record of an edition, and reports
// whether to go on.
func (e *edition) part(serial uint32, records []byte, yield func(dns.RR) bool) bool {
	if !yield(bound{e.soa(serial)}) {
		return false
	}
	for r := range each(records) {
		if !yield(r.rr(e.origin)) {
			return false
		}
	}
	return true
}
