package rule

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// TestHashName holds the hash against the words of the format, and against
// values made with another program:
//
//	printf 'nudify-list/v1\0\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17%s' badsite.example | sha256sum | cut -c1-32
func TestHashName(t *testing.T) {
	var salt Salt
	for i := range salt {
		salt[i] = byte(i)
	}
	for name, want := range map[dnsname.Name]string{
		"badsite.example": "5c0177c336babfdfcefe048cc66b814f",
		"":                "2875ec5d29ba965530e18d070b68f0a5",
	} {
		if got := HashName(salt, name); got.String() != want {
			t.Errorf("HashName(%q) = %v, want %s", name, got, want)
		}
	}
	for n := range 300 { // beyond the longest name, too
		name := strings.Repeat("a", n)
		sum := sha256.Sum256([]byte("nudify-list/v1\x00" + string(salt[:]) + name))
		if got, want := HashName(salt, []byte(name)).String(), hex.EncodeToString(sum[:16]); got != want {
			t.Errorf("HashName of %d bytes = %s, want %s", n, got, want)
		}
	}
	if got, want := salt.String(), "000102030405060708090a0b0c0d0e0f"; got != want {
		t.Errorf("String() = %s, want %s", got, want)
	}
}

func TestHashNameAllocs(t *testing.T) {
	name := []byte(strings.Repeat("a", dnsname.MaxLen))
	if n := testing.AllocsPerRun(100, func() { HashName(Salt{}, name) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkHashName hashes names of usual and of greatest length.
func BenchmarkHashName(b *testing.B) {
	for _, name := range []string{"www.badsite.example", strings.Repeat("a", dnsname.MaxLen)} {
		b.Run(strconv.Itoa(len(name)), func(b *testing.B) {
			text := []byte(name)
			b.ReportAllocs()
			for b.Loop() {
				HashName(Salt{}, text)
			}
		})
	}
}
