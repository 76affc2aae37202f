package answer

import (
	"testing"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
)

var cases = []struct {
	name   string
	config Config
	client string
	size   int
	allocs float64 // at most
}{
	{"noEDNS", isp, noEDNS, 512, 1},
	{"EDNS", isp, edns, 1232, 2},
	{"SDE", isp, sde, 1232, 2},
	{"sinkhole", page, edns, 1232, 7}, // a slice, and a record with its octets for each address
	{"SDE512long", large, sde, 512, 4},
}

var sink *dns.Msg // keeps the reply on the heap, as a server would

func TestAllocs(t *testing.T) {
	for _, tt := range cases {
		a := mustNew(t, tt.config)
		r := Request{Msg: query("www.bad.example.", dns.TypeA, tt.client), Size: tt.size, UDP: true}
		v := verdict(policy.Filtered)
		if got := testing.AllocsPerRun(100, func() { sink = a.Reply(r, v) }); got > tt.allocs {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, got, tt.allocs)
		}
	}
}

func BenchmarkReply(b *testing.B) {
	for _, tt := range cases {
		b.Run(tt.name, func(b *testing.B) {
			a := mustNew(b, tt.config)
			r := Request{Msg: query("www.bad.example.", dns.TypeA, tt.client), Size: tt.size, UDP: true}
			v := verdict(policy.Filtered)
			b.ReportAllocs()
			for b.Loop() {
				sink = a.Reply(r, v)
			}
		})
	}
}
