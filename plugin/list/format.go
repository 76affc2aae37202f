package list

import (
	"fmt"
	"strings"
)

// Format is a format of lists, all but one of them text. The zero value is Auto.
type Format uint8

// The formats. Package list's documentation says what a line of each means.
const (
	Auto     Format = iota // find out from the content
	Domains                // badsite.example
	Hosts                  // 0.0.0.0 badsite.example
	Wildcard               // *.badsite.example
	Adblock                // ||badsite.example^
	Dnsmasq                // local=/badsite.example/
	Unbound                // local-zone: "badsite.example" always_nxdomain
	RPZ                    // badsite.example CNAME .
	Hashes                 // 5c0177c336babfdfcefe048cc66b814f
	Compiled               // no text: see set.Open. A Scanner cannot read it
)

var formats = [...]string{
	Auto: "auto", Domains: "domains", Hosts: "hosts", Wildcard: "wildcard",
	Adblock: "adblock", Dnsmasq: "dnsmasq", Unbound: "unbound", RPZ: "rpz",
	Hashes: "hashes", Compiled: "compiled",
}

// String returns the format's name in the Corefile.
func (f Format) String() string {
	if int(f) < len(formats) {
		return formats[f]
	}
	return fmt.Sprintf("format(%d)", uint8(f))
}

// MarshalText returns the format's name.
func (f Format) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText accepts the names that String returns.
func (f *Format) UnmarshalText(text []byte) error {
	for i, s := range formats {
		if s == string(text) {
			*f = Format(i)
			return nil
		}
	}
	return fmt.Errorf("unknown list format %q: want %s", text, strings.Join(formats[:], ", "))
}
