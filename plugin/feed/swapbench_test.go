package feed

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/source"
)

// swapNames is the number of names in the lists of the benchmarks.
const swapNames = 1_000_000

// BenchmarkSwap replaces a list that serves by another one of its size, as a
// Refresher does, and reports how large the heap gets.
func BenchmarkSwap(b *testing.B) {
	for _, n := range []uint32{swapNames, 5 * swapNames} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkSwap(b, n) })
	}
}

func benchmarkSwap(b *testing.B, names uint32) {
	path := filepath.Join(b.TempDir(), "list.txt")
	r := NewRefresher(NewFeed(Config{
		Mirrors: []Mirror{{Name: path, Opener: source.File{Path: path}}}, Load: LoadConfig{File: path, Check: publicSuffixes(b)}, Own: true,
	}), func(*List) Schedule { return Schedule{} })
	publishNames(b, path, 0, names)
	renew(b, r)
	var top heap
	n := uint32(0)
	for b.Loop() {
		b.StopTimer()
		n++
		publishNames(b, path, n, names)
		debug.FreeOSMemory()
		base := lookAtHeap()
		b.StartTimer()
		top = top.or(watchHeap(func() { renew(b, r) }))
		top.report(b, base, r.Value().Set.Bytes())
	}
}

// BenchmarkTransferLoad transfers a policy zone of a million rules, keeps a copy
// of it on disk and loads it. The heap is also the primary's, which makes each
// message when it is its turn.
func BenchmarkTransferLoad(b *testing.B) {
	primary := bulkPrimary(b)
	var top heap
	for b.Loop() {
		f := NewFeed(Config{
			Mirrors: []Mirror{{Name: "zone", Opener: source.Transfer{Primary: primary, Zone: bulkZone}}},
			Load:    LoadConfig{File: "zone", Format: list.RPZ, Check: publicSuffixes(b)},
			Copy:    &source.Copy{Dir: b.TempDir(), Source: "axfr://" + primary},
		})
		r := NewRefresher(f, f.Plan)
		debug.FreeOSMemory()
		base := lookAtHeap()
		top = top.or(watchHeap(func() { renew(b, r) }))
		l := r.Value()
		if l.Stats.Rules != swapNames || f.Warning() != nil {
			b.Fatalf("%d rules, %v", l.Stats.Rules, f.Warning())
		}
		top.report(b, base, l.Set.Bytes())
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// publicSuffixes is a guard that protects nothing but these.
func publicSuffixes(b *testing.B) Checker {
	g, err := policy.NewGuard(nil)
	if err != nil {
		b.Fatal(err)
	}
	return g
}

// renew does a round that must bring a new list.
func renew(b *testing.B, r *Refresher[List]) {
	if change, err := r.Refresh(b.Context()); err != nil || !change.New {
		b.Fatalf("%+v, %v", change, err)
	}
}

// appendName appends a name that is another for each number below 2³¹, of ten
// letters in front of its top-level domain.
func appendName(text []byte, i uint32) []byte {
	const consonants, vowels = "bcdfghjklmnpqrstvwxyz", "aeiou"
	for x := i*2654435761 | 1<<31; x > 0; x /= uint32(len(consonants) * len(vowels)) { // odd: no two are the same
		text = append(text, consonants[x%uint32(len(consonants))], vowels[x/uint32(len(consonants))%uint32(len(vowels))])
	}
	return append(text, ".example"...)
}

// publishNames puts the nth edition of a list of so many names in the place of
// the one before; no name is in both.
func publishNames(b *testing.B, path string, n, names uint32) {
	f, err := os.Create(path + ".new")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	var line []byte
	for i := range names {
		line = append(appendName(line[:0], n*names+i), '\n')
		w.Write(line)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		b.Fatal(err)
	}
}

const bulkZone = "rpz.example."

// bulkPrimary returns the address of a primary whose zone has a million rules.
func bulkPrimary(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	started := make(chan struct{})
	s := &dns.Server{Listener: l, Handler: dns.HandlerFunc(bulkZoneOut), NotifyStartedFunc: func() { close(started) }}
	go s.ActivateAndServe()
	<-started
	b.Cleanup(func() { s.Shutdown() })
	return l.Addr().String()
}

// bulkZoneOut answers with the SOA record, or with the whole zone.
func bulkZoneOut(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	m.Answer = []dns.RR{&dns.SOA{
		Hdr: dns.RR_Header{Name: bulkZone, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60},
		Ns:  "localhost.", Mbox: "hostmaster.example.", Serial: 1, Refresh: 300, Retry: 120, Expire: 86400, Minttl: 60,
	}}
	w.WriteMsg(m)
	if q.Question[0].Qtype != dns.TypeAXFR {
		return
	}
	soa := m.Answer
	const each = 500
	rules := make([]dns.CNAME, each)
	m.Answer = make([]dns.RR, each)
	for i := range rules {
		m.Answer[i] = &rules[i]
	}
	var name, wire []byte
	for n := range uint32(swapNames) {
		name = append(appendName(name[:0], n), "."+bulkZone...)
		rules[n%each] = dns.CNAME{Hdr: dns.RR_Header{Name: string(name), Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 60}, Target: "."}
		if n%each == each-1 {
			wire, _ = m.PackBuffer(wire[:cap(wire)])
			w.Write(wire)
		}
	}
	m.Answer = soa
	w.WriteMsg(m)
}

// heap is the most that the heap held of something, in bytes.
type heap struct {
	inUse uint64 // objects, garbage, and the room between them
	live  uint64 // objects that the garbage collector kept
	sys   uint64 // memory that the system gave and has not got back
}

// report says how large the heap was before, the set that served in it, how
// large the new set is, how large the heap got, and by how much what was alive
// and what was in use is more than the two together.
func (h heap) report(b *testing.B, before heap, set int) {
	mb := func(bytes uint64) float64 { return float64(bytes) / 1e6 }
	b.ReportMetric(mb(before.live), "before-MB")
	b.ReportMetric(mb(uint64(set)), "new-MB")
	b.ReportMetric(mb(h.inUse), "peak-MB")
	b.ReportMetric(mb(h.live), "live-MB")
	b.ReportMetric(mb(h.sys), "sys-MB")
	b.ReportMetric(mb(h.live)-mb(before.live)-mb(uint64(set)), "over-live-MB")
	b.ReportMetric(mb(h.inUse)-mb(before.live)-mb(uint64(set)), "over-MB")
}

func (h heap) or(o heap) heap {
	return heap{max(h.inUse, o.inUse), max(h.live, o.live), max(h.sys, o.sys)}
}

// watchHeap looks at the heap a thousand times a second while f runs.
func watchHeap(f func()) heap {
	done, top := make(chan struct{}), make(chan heap)
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		h := lookAtHeap()
		for {
			select {
			case <-tick.C:
				h = h.or(lookAtHeap())
			case <-done:
				top <- h.or(lookAtHeap())
				return
			}
		}
	}()
	f()
	close(done)
	return <-top
}

func lookAtHeap() heap {
	s := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	inUse := s[0].Value.Uint64() + s[1].Value.Uint64()
	return heap{inUse, s[2].Value.Uint64(), inUse + s[3].Value.Uint64()}
}
