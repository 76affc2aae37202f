package nonudify

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"
)

// benchmark serves one question over and over, behind a list of n names.
func benchmark(b *testing.B, n int, qname string, edns bool) {
	file := filepath.Join(b.TempDir(), "list.txt")
	f, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		fmt.Fprintf(f, "site%d.blocked.example\n", i)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	h := handler(b, "list "+file)
	h.Next = plugin.HandlerFunc(func(context.Context, dns.ResponseWriter, *dns.Msg) (int, error) { return 0, nil })
	m := new(dns.Msg).SetQuestion(qname, dns.TypeA)
	if edns {
		m.SetEdns0(1232, true)
	}
	w := &addrWriter{addr: &net.UDPAddr{IP: net.IPv4(10, 1, 2, 3).To4()}, ResponseWriter: test.ResponseWriter{}}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeDNS(ctx, w, m)
	}
}

func BenchmarkServeDNS(b *testing.B) {
	for _, n := range []int{5_000, 500_000} {
		b.Run(fmt.Sprintf("pass/%d", n), func(b *testing.B) { benchmark(b, n, "www.good.example.", false) })
		b.Run(fmt.Sprintf("block/%d", n), func(b *testing.B) { benchmark(b, n, "www.site77.blocked.example.", false) })
		b.Run(fmt.Sprintf("block-edns/%d", n), func(b *testing.B) { benchmark(b, n, "www.site77.blocked.example.", true) })
	}
}

// BenchmarkChain is what a query costs that only goes through the chain: what
// the pass rows of BenchmarkServeDNS are to be compared with.
func BenchmarkChain(b *testing.B) {
	next := plugin.HandlerFunc(func(context.Context, dns.ResponseWriter, *dns.Msg) (int, error) { return 0, nil })
	m := new(dns.Msg).SetQuestion("www.good.example.", dns.TypeA)
	w := &test.ResponseWriter{}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		plugin.NextOrFailure("nonudify", next, ctx, w, m)
	}
}
