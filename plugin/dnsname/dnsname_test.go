package dnsname

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// label returns a label of n bytes.
func label(n int) string { return strings.Repeat("a", n) }

// long is the longest name: 253 bytes in four labels.
var long = strings.Join([]string{label(63), label(63), label(63), label(61)}, ".")

func TestParse(t *testing.T) {
	tests := []struct {
		in   string
		want Name
		err  error
	}{
		{in: "badsite.example", want: "badsite.example"},
		{in: "BadSite.EXAMPLE", want: "badsite.example"},
		{in: "badsite.example.", want: "badsite.example"},
		{in: "example", want: "example"},
		{in: "a_b.example", want: "a_b.example"},
		{in: "_dmarc.badsite.example", want: "_dmarc.badsite.example"},
		{in: "-bad.example", want: "-bad.example"}, // a host name cannot begin so, a name in the DNS can
		{in: "bad-.example", want: "bad-.example"},
		{in: "r3---sn-a.example", want: "r3---sn-a.example"}, // hyphens where an A-label has them
		{in: "123.example", want: "123.example"},
		{in: "1.2.3.4.example", want: "1.2.3.4.example"},
		{in: "4.in-addr.arpa", want: "4.in-addr.arpa"},
		{in: "badsite.1e", want: "badsite.1e"},

		{in: "", err: ErrEmpty},
		{in: ".", err: ErrEmpty},
		{in: "。", err: ErrEmpty},
		{in: "..", err: ErrLabel},
		{in: ".badsite.example", err: ErrLabel},
		{in: "badsite..example", err: ErrLabel},
		{in: "badsite.example..", err: ErrLabel},
		{in: "badsite.example.。", err: ErrLabel},

		{in: label(63) + ".example", want: Name(label(63) + ".example")},
		{in: label(64) + ".example", err: ErrLabel},
		{in: "badsite." + label(64), err: ErrLabel},
		{in: long, want: Name(long)},
		{in: long + ".", want: Name(long)},
		{in: long + "a", err: ErrTooLong},
		{in: strings.Repeat("a.", 126) + "a", want: Name(strings.Repeat("a.", 126) + "a")}, // 127 labels
		{in: strings.Repeat("a.", 127) + "a", err: ErrTooLong},

		{in: "192.0.2.1", err: ErrAddress},
		{in: "192.0.2.1.", err: ErrAddress},
		{in: "192.0.2", err: ErrAddress},
		{in: "１９２.０.２.１", err: ErrAddress},
		{in: "2001:db8::1", err: ErrAddress},
		{in: "2001:db8::1.", err: ErrAddress},
		{in: "::ffff:192.0.2.1", err: ErrAddress},
		{in: "fe80::1%eth0", err: ErrAddress},
		{in: "badsite.42", err: ErrAddress},
		{in: "7", err: ErrAddress},

		{in: "bad site.example", err: ErrByte},
		{in: " badsite.example", err: ErrByte},
		{in: "badsite.example\r", err: ErrByte},
		{in: "bad\x00site.example", err: ErrByte},
		{in: "badsite.example:443", err: ErrByte},
		{in: "badsite.example/path", err: ErrByte},
		{in: "https://badsite.example", err: ErrByte},
		{in: "user@badsite.example", err: ErrByte},
		{in: "*.badsite.example", err: ErrByte},
		{in: "[2001:db8::1]", err: ErrByte},
		{in: "a,b.example", err: ErrByte},

		{in: `bad\115ite.example`, want: "badsite.example"},
		{in: `\bad\-\site.example`, want: "bad-site.example"},
		{in: `\097.example`, want: "a.example"},
		{in: `\065.example`, want: "a.example"},
		{in: `\120n--bcher-kva.example`, want: "xn--bcher-kva.example"},
		{in: `a\.b.example`, err: ErrByte},
		{in: `a\046b.example`, err: ErrByte},
		{in: `badsite.example\.`, err: ErrByte},
		{in: `a\\b.example`, err: ErrByte},
		{in: `a\032b.example`, err: ErrByte},
		{in: `a\000b.example`, err: ErrByte},
		{in: `b\195\188cher.example`, err: ErrByte},
		{in: `bücher\ü.example`, err: ErrByte},
		{in: `a\300b.example`, err: ErrEscape},
		{in: `a\256b.example`, err: ErrEscape},
		{in: `a\09b.example`, err: ErrEscape},
		{in: `a\9`, err: ErrEscape},
		{in: `badsite.example\`, err: ErrEscape},
		{in: `\`, err: ErrEscape},

		// UTS #46, non-transitional.
		{in: "Straße.DE", want: "xn--strae-oqa.de"},
		{in: "faß.example", want: "xn--fa-hia.example"},
		{in: "βόλος.example", want: "xn--nxasmm1c.example"}, // final sigma kept
		{in: "ＥＸＡＭＰＬＥ.com", want: "example.com"},
		{in: "bücher。example", want: "xn--bcher-kva.example"},
		{in: "bücher．example｡", want: "xn--bcher-kva.example"},
		{in: "BÜCHER.example", want: "xn--bcher-kva.example"},
		{in: "bu\u0308cher.example", want: "xn--bcher-kva.example"}, // decomposed
		{in: "bü\u00adcher.example", want: "xn--bcher-kva.example"}, // soft hyphen
		{in: "bücher_1.example", want: "xn--bcher_1-n2a.example"},
		{in: "xn--bcher-kva.example", want: "xn--bcher-kva.example"},
		{in: "XN--BCHER-KVA.example", want: "xn--bcher-kva.example"},
		{in: "www.bücher.xn--p1ai", want: "www.xn--bcher-kva.xn--p1ai"},
		{in: "💩.example", want: "xn--ls8h.example"},
		{in: "例え.テスト", want: "xn--r8jz45g.xn--zckzah"},
		{in: "אבג.example", want: "xn--4dbcd.example"},
		{in: "xn--a.example", err: ErrIDN},
		{in: "xn--.example", err: ErrLabel},
		{in: "badsite.example.xn--", err: ErrLabel}, // not badsite.example
		{in: "badsite.example.XN--.", err: ErrLabel},
		{in: "badsite.example.\u00ad", err: ErrLabel},
		{in: "badsite.example.ｘｎ－－", err: ErrLabel},
		{in: "xn--", err: ErrEmpty},
		{in: "xn--abc-.example", err: ErrIDN}, // all ASCII under the prefix
		{in: "xn--bcher-kvA\x80.example", err: ErrIDN},
		{in: "אabc.example", err: ErrIDN}, // both directions in one label (RFC 5893 §2)
		{in: "a\u200db.example", err: ErrIDN},
		{in: "a\u202eb.example", err: ErrIDN},
		{in: "bad\ufffdsite.example", err: ErrIDN},
		{in: "bad\xffsite.example", err: ErrIDN},
		{in: "\xc3.example", err: ErrIDN},
		{in: strings.Repeat("ü", 60) + ".example", err: ErrLabel},
		{in: strings.Repeat("ü", 1<<16) + ".example", err: ErrLabel}, // at once, not after seconds
		{in: "xn--" + label(1<<16) + "。example", err: ErrLabel},
		{in: "bücher" + strings.Repeat("\u00ad", 122) + ".example", want: "xn--bcher-kva.example"}, // 251 bytes, of which IDNA drops the hyphens
		{in: "bücher" + strings.Repeat("\u00ad", 123) + ".example", err: ErrLabel},
		{in: "bücher site.example", err: ErrByte},
		{in: "ｂad／.example", err: ErrByte}, // becomes a slash
	}
	for _, tt := range tests {
		got, err := Parse(tt.in)
		if got != tt.want || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
			t.Errorf("Parse(%q) = %q, %v, want %q, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
}

func TestName(t *testing.T) {
	tests := []struct {
		name, parent Name
		labels       int
		suffixes     []Name
	}{
		{"", "", 0, nil},
		{"example", "", 1, []Name{"example"}},
		{"www.badsite.example", "badsite.example", 3, []Name{"www.badsite.example", "badsite.example", "example"}},
	}
	for _, tt := range tests {
		parent, ok := tt.name.Parent()
		if parent != tt.parent || ok != (tt.parent != "") {
			t.Errorf("%q.Parent() = %q, %v", tt.name, parent, ok)
		}
		if got := tt.name.Labels(); got != tt.labels {
			t.Errorf("%q.Labels() = %d, want %d", tt.name, got, tt.labels)
		}
		if got := slices.Collect(tt.name.Suffixes()); !slices.Equal(got, tt.suffixes) {
			t.Errorf("%q.Suffixes() = %q, want %q", tt.name, got, tt.suffixes)
		}
		if got := tt.name.FQDN(); got != string(tt.name)+"." {
			t.Errorf("%q.FQDN() = %q", tt.name, got)
		}
	}
	for s := range Name("a.b.example").Suffixes() {
		if s != "a.b.example" {
			t.Errorf("Suffixes() went on after a break: %q", s)
		}
		break
	}
}

func TestIsBelow(t *testing.T) {
	tests := []struct {
		name, ancestor Name
		want           bool
	}{
		{"www.badsite.example", "badsite.example", true},
		{"a.b.badsite.example", "badsite.example", true},
		{"badsite.example", "badsite.example", false},
		{"badsite.example", "www.badsite.example", false},
		{"notbadsite.example", "badsite.example", false},
		{"wwwxbadsite.example", "badsite.example", false},
		{"badsite.example", "example", true},
		{"badsite.example", "", false},
		{"", "", false},
		{"", "example", false},
	}
	for _, tt := range tests {
		if got := tt.name.IsBelow(tt.ancestor); got != tt.want {
			t.Errorf("%q.IsBelow(%q) = %v", tt.name, tt.ancestor, got)
		}
	}
}
