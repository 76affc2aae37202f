package source

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// benchRules is the number of rules in the zone of the benchmarks.
const benchRules = 1_000_000

// BenchmarkTransfer streams a zone from a primary in the same process into
// nothing. peak-MiB is how much the heap in use grows at most, garbage not yet
// collected and the primary's share included.
func BenchmarkTransfer(b *testing.B) {
	for _, key := range []*TSIGKey{nil, &testKey} {
		b.Run(map[bool]string{true: "signed", false: "unsigned"}[key != nil], func(b *testing.B) {
			p := newPrimary(b, nil)
			p.key = key
			p.publish(1, "@ NS localhost.")
			p.bend = bent(dns.TypeAXFR, repeatRules(b, 1000))
			base := heapInUse(true)
			var text, peak int64
			b.ReportAllocs()
			for b.Loop() {
				body, err := p.transfer().Open(b.Context(), "")
				if err != nil {
					b.Fatal(err)
				}
				text, peak = drainSampled(b, body, base)
			}
			b.SetBytes(text)
			b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
		})
	}
}

// BenchmarkIncremental changes 1,000 rules of a zone.
func BenchmarkIncremental(b *testing.B) {
	p := newPrimary(b, nil)
	p.batch = 500
	p.publish(1, "@ NS localhost.")
	p.publish(2, append(manyRules(1000), "@ NS localhost.")...)
	var old strings.Builder
	old.WriteString("$ORIGIN rpz.example.\n@ SOA localhost. hostmaster.example. 1 300 120 86400 60\n@ NS localhost.\n")
	for i := range benchRules {
		fmt.Fprintf(&old, "site%d.example CNAME .\n", i)
	}
	tr := p.transfer()
	tr.Previous = textOf(old.String())
	base := heapInUse(true)
	var text, peak int64
	b.ReportAllocs()
	for b.Loop() {
		body, err := tr.Open(b.Context(), "1")
		if err != nil {
			b.Fatal(err)
		}
		text, peak = drainSampled(b, body, base)
	}
	if q := p.questions(); strings.Contains(q, "AXFR") {
		b.Fatalf("Asked %s", q)
	}
	b.SetBytes(text)
	b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
}

// repeatRules puts rules into an answer a thousand at a time, the same ones
// each time, so that the primary takes no memory for them.
func repeatRules(b *testing.B, each int) func(*dns.Msg, []reply) []reply {
	rules := zoneRecords(b, manyRules(each)...)
	return func(_ *dns.Msg, replies []reply) []reply {
		r := replies[0]
		r.Msg = r.Copy()
		r.Answer, r.Compress = rules, false
		soa := replies[0].Copy()
		soa.Answer = soa.Answer[:1]
		ends := []reply{{Msg: soa}}
		return slices.Concat(ends, slices.Repeat([]reply{r}, benchRules/each), ends)
	}
}

// drainSampled reads a body to its end and returns its length and how far the
// heap in use was above base.
func drainSampled(b *testing.B, body Body, base int64) (text, peak int64) {
	defer body.Close()
	for {
		n, err := io.CopyN(io.Discard, body, 1<<20)
		text += n
		peak = max(peak, heapInUse(false)-base)
		if err == io.EOF {
			return text, peak
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func heapInUse(collect bool) int64 {
	if collect {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}
