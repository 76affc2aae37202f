package dnsname

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// randomWire returns a name as it stands in a message: labels of any bytes, at
// most 255 octets in all. Odd bytes, dots and backslashes are common.
func randomWire(r *rand.Rand) []byte {
	var wire []byte
	for n := r.IntN(12); n > 0; n-- {
		size := 1 + r.IntN(20)
		if r.IntN(4) == 0 {
			size = 1 + r.IntN(63)
		}
		if len(wire)+1+size > 254 {
			break
		}
		wire = append(wire, byte(size))
		for range size {
			wire = append(wire, randomByte(r))
		}
	}
	return append(wire, 0)
}

func randomByte(r *rand.Rand) byte {
	switch r.IntN(4) {
	case 0:
		return `.\"@;()$09aZ -_`[r.IntN(15)]
	case 1:
		return byte(r.IntN(256))
	}
	return "abcxyzABCXYZ019-_"[r.IntN(17)]
}

// foldWire is the naive twin of Fold, from the wire and not from the text: each
// octet by itself, a dot between labels, and what no Name holds as one byte.
func foldWire(wire []byte) string {
	var labels []string
	for len(wire) > 1 {
		n := int(wire[0])
		text := strings.Map(func(c rune) rune {
			switch {
			case 'A' <= c && c <= 'Z':
				return c - 'A' + 'a'
			case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
				return c
			}
			return other
		}, latin1(wire[1:1+n]))
		labels = append(labels, text)
		wire = wire[1+n:]
	}
	return strings.Join(labels, ".")
}

// latin1 returns a rune for each byte, so that strings.Map sees them one by one.
func latin1(p []byte) string {
	runes := make([]rune, len(p))
	for i, c := range p {
		runes[i] = rune(c)
	}
	return string(runes)
}

func unpack(t testing.TB, wire []byte) string {
	t.Helper()
	qname, _, err := dns.UnpackDomainName(wire, 0)
	if err != nil {
		t.Fatalf("UnpackDomainName(%q): %v", wire, err)
	}
	return qname
}

func fold1(qname string) (string, bool) {
	var dst [MaxLen]byte
	n := Fold(&dst, qname)
	if n < 0 {
		return "", false
	}
	return string(dst[:n]), true
}

func TestFold(t *testing.T) {
	const x = string(rune(other))
	tests := []struct {
		qname, want string
		ok          bool
	}{
		{"", "", true},
		{".", "", true},
		{"badsite.example.", "badsite.example", true},
		{"BadSite.EXAMPLE", "badsite.example", true},
		{`\098ad\Site.example.`, "badsite.example", true},
		{`www\.badsite.example.`, "www" + x + "badsite.example", true},
		{`www\046badsite.example.`, "www" + x + "badsite.example", true},
		{`a\\.example.`, "a" + x + ".example", true},
		{`a\\\.b.example.`, "a" + x + x + "b.example", true},
		{`\000.example.`, x + ".example", true},
		{`\255\@.example.`, x + x + ".example", true},
		{"b\xc3\xbccher.example.", "b" + x + x + "cher.example", true},
		{"a*b.example.", "a" + x + "b.example", true},
		{`badsite.example\.`, "", false}, // ends inside a label
		{`badsite.example\`, "", false},
		{`badsite.example\\`, "badsite.example" + x, true},
		{`a\25.example.`, "", false},
		{`a\256.example.`, "", false},
		{long + ".", long, true},
		{long, long, true},
		{long + "a.", "", false},
		{long + `\097.`, "", false},
		{strings.Repeat(`\097`, 63) + ".example.", label(63) + ".example", true},
		{strings.Repeat(`\000.`, 126) + `\000.`, strings.Repeat(x+".", 126) + x, true},
	}
	for _, tt := range tests {
		if got, ok := fold1(tt.qname); got != tt.want || ok != tt.ok {
			t.Errorf("Fold(%q) = %q, %v, want %q, %v", tt.qname, got, ok, tt.want, tt.ok)
		}
	}
}

// TestFoldWire folds names of any bytes as the DNS library unpacks them.
func TestFoldWire(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		wire := randomWire(r)
		qname := unpack(t, wire)
		got, ok := fold1(qname)
		if want := foldWire(wire); !ok || got != want {
			t.Fatalf("Fold(%q) = %q, %v, want %q", qname, got, ok, want)
		}
		if got2, ok := fold1(dns.CanonicalName(qname)); !ok || got2 != got {
			t.Fatalf("Fold(CanonicalName(%q)) = %q, want %q", qname, got2, got)
		}
		if strings.IndexByte(got, other) >= 0 || got == "" {
			continue
		}
		if want := strings.TrimSuffix(dns.CanonicalName(qname), "."); got != want {
			t.Fatalf("Fold(%q) = %q, CanonicalName says %q", qname, got, want)
		}
	}
}

// TestSuffixWire compares Suffix with the DNS library on names of any bytes.
func TestSuffixWire(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		wire := randomWire(r)
		qname := unpack(t, wire)
		starts := dns.Split(qname)
		for labels := 1; labels <= len(starts)+1; labels++ {
			want := qname
			if labels <= len(starts) {
				want = qname[starts[len(starts)-labels]:]
			}
			if got := Suffix(qname, labels); got != want {
				t.Fatalf("Suffix(%q, %d) = %q, want %q", qname, labels, got, want)
			}
			if i, _ := dns.PrevLabel(qname, labels); qname != "." && qname[i:] != want {
				t.Fatalf("PrevLabel(%q, %d) = %d: the library changed its mind", qname, labels, i)
			}
		}
	}
}

func TestSuffix(t *testing.T) {
	tests := []struct {
		qname  string
		labels int
		want   string
	}{
		{"WWW.Example.ORG.", 2, "Example.ORG."},
		{"WWW.Example.ORG", 2, "Example.ORG"},
		{"WWW.Example.ORG.", 1, "ORG."},
		{"WWW.Example.ORG.", 3, "WWW.Example.ORG."},
		{"WWW.Example.ORG.", 9, "WWW.Example.ORG."},
		{`a\.b.Example.`, 2, `a\.b.Example.`},
		{`a\.b.Example.`, 1, "Example."},
		{`a\\.b.Example.`, 2, "b.Example."},
		{`a\\\.b.Example.`, 2, `a\\\.b.Example.`},
		{`a\046b.Example.`, 2, `a\046b.Example.`},
		{".", 1, "."},
		{"", 1, ""},
	}
	for _, tt := range tests {
		if got := Suffix(tt.qname, tt.labels); got != tt.want {
			t.Errorf("Suffix(%q, %d) = %q, want %q", tt.qname, tt.labels, got, tt.want)
		}
	}
}

func TestFoldAllocatesNothing(t *testing.T) {
	var dst [MaxLen]byte
	for _, qname := range []string{"www.BadSite.example.", `\000\.b.example.`, long + "."} {
		if n := testing.AllocsPerRun(100, func() {
			if Fold(&dst, qname) < len(Suffix(qname, 1))-1 {
				t.Errorf("%q folds to less than its last label", qname)
			}
		}); n != 0 {
			t.Errorf("%q: %v allocations", qname, n)
		}
	}
}

func BenchmarkFold(b *testing.B) {
	var dst [MaxLen]byte
	for _, qname := range []string{"www.BadSite.example.", long + "."} {
		b.Run(qname[:8], func(b *testing.B) {
			for b.Loop() {
				Fold(&dst, qname)
			}
		})
	}
}
