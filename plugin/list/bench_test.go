package list_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
)

// forms writes one name in each format.
var forms = map[list.Format]string{
	list.Domains:  "%s\n",
	list.Hosts:    "0.0.0.0 %s\n",
	list.Wildcard: "*.%s\n",
	list.Adblock:  "||%s^\n",
	list.Dnsmasq:  "local=/%s/\n",
	list.Unbound:  "local-zone: \"%s\" always_nxdomain\n",
	list.RPZ:      "%s CNAME .\n",
	list.Hashes:   "%s\n",
}

// many returns a list of n names.
func many(f list.Format, n int) []byte {
	var b strings.Builder
	if f == list.Hashes {
		fmt.Fprintf(&b, "# Salt: %v\n", rule.Salt{})
	}
	for i := range n {
		name := fmt.Sprintf("name-%06d.some-site.example", i)
		if f == list.Hashes {
			name = rule.HashName(rule.Salt{}, name).String()
		}
		fmt.Fprintf(&b, forms[f], name)
	}
	return []byte(b.String())
}

// BenchmarkScan reads 100,000 lines an operation.
func BenchmarkScan(b *testing.B) {
	const lines = 100_000
	for _, f := range published {
		b.Run(f.String(), func(b *testing.B) {
			text := many(f, lines)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				s := list.NewScanner(bytes.NewReader(text), list.Config{})
				for s.Scan() {
				}
				if st := s.Stats(); st.Rules != lines || s.Err() != nil {
					b.Fatalf("%+v, %v", st, s.Err())
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lines, "ns/line")
		})
	}
}

// TestAllocs wants no more than the name's own allocation for a line, whatever
// the number of lines.
func TestAllocs(t *testing.T) {
	const lines = 10_000
	for _, f := range published {
		text := many(f, lines)
		got := testing.AllocsPerRun(3, func() {
			s := list.NewScanner(bytes.NewReader(text), list.Config{Format: f})
			for s.Scan() {
			}
		})
		if got > lines*1.001+50 {
			t.Errorf("%s: %.0f allocations for %d lines", f, got, lines)
		}
	}
}
