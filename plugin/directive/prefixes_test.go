package directive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/nonudify/nonudify/plugin/rule"
)

func TestParsePrefix(t *testing.T) {
	tests := []struct{ in, want string }{
		{"192.0.2.0/24", "192.0.2.0/24"},
		{"192.0.2.77/24", "192.0.2.0/24"},
		{"192.0.2.1", "192.0.2.1/32"},
		{"2001:DB8::1", "2001:db8::1/128"},
		{"2001:db8::1/32", "2001:db8::/32"},
		{"fe80::1%eth0", "fe80::1/128"},
		{"::ffff:192.0.2.1", "192.0.2.1/32"},
		{"::ffff:192.0.2.1/120", "192.0.2.0/24"},
		{"::ffff:0.0.0.0/96", "0.0.0.0/0"},
		{"0.0.0.0/0", "0.0.0.0/0"},
		{"::/0", "::/0"},
	}
	for _, tt := range tests {
		if got, err := parsePrefix(tt.in); err != nil || got.String() != tt.want {
			t.Errorf("parsePrefix(%q) = %v, %v, want %s", tt.in, got, err, tt.want)
		}
	}
	for _, in := range []string{
		"", "/", "/24", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2/24", "192.0.2.0/024", "2001:db8::/129",
		"badsite.example", "192.0.2.1:53", "fe80::1%eth0/64", "192.0.2.1 ", "192.0.2.0-192.0.2.9", "010.0.0.1",
	} {
		got, err := parsePrefix(in)
		if want := fmt.Sprintf("%q is not an address or a prefix", in); err == nil || err.Error() != want {
			t.Errorf("parsePrefix(%q) = %v, %v, want %s", in, got, err, want)
		}
	}
	if _, err := parsePrefix("::ffff:0:0/95"); err == nil || err.Error() != `"::ffff:0:0/95" holds more than the IPv4 addresses` {
		t.Errorf("ParsePrefix of more than the mapped addresses: %v", err)
	}
}

func TestReadPrefixes(t *testing.T) {
	blank := strings.Repeat(" ", maxPrefixLine)
	tests := []struct{ name, in, want, err string }{
		{"empty", "", "[]", ""},
		{"comments only", "# pupils\n\n  \n\t# staff", "[]", ""},
		{"all sorts", "192.0.2.0/24 # pupils\n  2001:db8::1\t\n#\n198.51.100.7#staff\n", "[192.0.2.0/24 2001:db8::1/128 198.51.100.7/32]", ""},
		{"mark and CRLF", "\ufeff192.0.2.0/24\r\n\r\n2001:db8::/32\r\n", "[192.0.2.0/24 2001:db8::/32]", ""},
		{"no newline at the end", "192.0.2.1\n192.0.2.2", "[192.0.2.1/32 192.0.2.2/32]", ""},
		{"bad line", "192.0.2.1\n# two\n192.0.2.300\n192.0.2.2\n", "[]", `p.txt:3: "192.0.2.300" is not an address or a prefix`},
		{"two on a line", "192.0.2.1 192.0.2.2\n", "[]", `p.txt:1: "192.0.2.1 192.0.2.2" is not an address or a prefix`},
		{"page instead of a file", "<!DOCTYPE html>\n", "[]", `p.txt:1: "<!DOCTYPE html>" is not an address or a prefix`},
		{"longest line", "192.0.2.1" + blank[:maxPrefixLine-10] + "\n192.0.2.2", "[192.0.2.1/32 192.0.2.2/32]", ""},
		{"longer line", "# one\n192.0.2.1" + blank[:maxPrefixLine-9] + "\n192.0.2.2", "[]", "p.txt:2: a line of 4096 octets or more"},
	}
	for _, tt := range tests {
		got, err := readPrefixes(strings.NewReader(tt.in), "p.txt", true)
		if fmt.Sprint(got) != tt.want || tt.err == "" && err != nil || tt.err != "" && (err == nil || err.Error() != tt.err) {
			t.Errorf("%s: %v, %v, want %s, %s", tt.name, got, err, tt.want, tt.err)
		}
	}
}

func TestReadPrefixesReader(t *testing.T) {
	broken := errors.New("broken")
	_, err := readPrefixes(io.MultiReader(strings.NewReader("192.0.2.1\n"), iotest.ErrReader(broken)), "p.txt", true)
	var at *rule.LineError
	if !errors.Is(err, broken) || !errors.As(err, &at) || at.Line != 2 || at.File != "p.txt" {
		t.Errorf("A reader that fails: %v", err)
	}
	got, err := readPrefixes(iotest.OneByteReader(strings.NewReader("192.0.2.1\r\n::1")), "p.txt", false)
	if fmt.Sprint(got, err) != "[192.0.2.1/32 ::1/128] <nil>" {
		t.Errorf("A slow reader: %v, %v", got, err)
	}
}

func TestReadPrefixesLimit(t *testing.T) {
	full := bytes.Repeat([]byte("192.0.2.1\n"), maxPrefixes)
	if got, err := readPrefixes(bytes.NewReader(full), "p.txt", true); len(got) != maxPrefixes || err != nil {
		t.Errorf("%d prefixes: %v", len(got), err)
	}
	_, err := readPrefixes(bytes.NewReader(append(full, "192.0.2.1\n"...)), "p.txt", true)
	if want := "p.txt:1048577: more than 1048576 prefixes"; err == nil || err.Error() != want {
		t.Errorf("One more: %v, want %s", err, want)
	}
}

// TestReadNoPrefixes: a file of clients that was emptied by accident must not
// switch the filter off for everybody.
func TestReadNoPrefixes(t *testing.T) {
	for _, text := range []string{"", "# nobody\n\n"} {
		if _, err := readPrefixes(strings.NewReader(text), "p.txt", false); !errors.Is(err, errNobody) {
			t.Errorf("%q as clients: %v", text, err)
		}
		if got, err := readPrefixes(strings.NewReader(text), "p.txt", true); err != nil || len(got) != 0 {
			t.Errorf("%q as exceptions: %v, %v", text, got, err)
		}
	}
}
