package policy

import "fmt"

// Bypass is one way round the filter, by which programs resolve names elsewhere.
// Package bypass has the names that each is closed by. The zero value is NoBypass.
type Bypass uint8

// The ways, by the words of the Corefile.
const (
	NoBypass Bypass = iota
	// Canary is the signal of Firefox: where the name does not exist, it does not
	// turn DNS over HTTPS on by itself.
	Canary
	// PrivateRelay is the signal of iCloud Private Relay: where its hosts do not
	// exist, a device tells its user that this network does without.
	PrivateRelay
	// DoH are hosts of public resolvers that answer over HTTPS (RFC 8484).
	DoH
)

var bypasses = [...]string{NoBypass: "none", Canary: "canary", PrivateRelay: "private-relay", DoH: "doh"}

// String returns the way's name in the Corefile, "none" for NoBypass.
func (b Bypass) String() string {
	if int(b) < len(bypasses) {
		return bypasses[b]
	}
	return fmt.Sprintf("bypass(%d)", uint8(b))
}

// UnmarshalText accepts the names that String returns, but for that of NoBypass.
func (b *Bypass) UnmarshalText(text []byte) error {
	for i, s := range bypasses {
		if s == string(text) && Bypass(i) != NoBypass {
			*b = Bypass(i)
			return nil
		}
	}
	return fmt.Errorf("unknown bypass %q: want canary, private-relay or doh", text)
}

// Followed reports whether a name that leads to one of these names is denied,
// too. What is only a signal is asked for by its own name.
func (b Bypass) Followed() bool { return b == DoH }
