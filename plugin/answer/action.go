package answer

import "fmt"

// Action says what becomes of a query for a blocked name. The zero value is
// NXDomain.
type Action uint8

// The actions, by the words of the Corefile.
const (
	NXDomain Action = iota // the name does not exist; NoData where that would deny an allowed name below it
	NoData                 // the name exists and has no record of any type
	Sinkhole               // the name has the addresses of the help page and no other record
)

var actions = [...]string{NXDomain: "nxdomain", NoData: "nodata", Sinkhole: "sinkhole"}

// String returns the action's name in the Corefile.
func (a Action) String() string {
	if int(a) < len(actions) {
		return actions[a]
	}
	return fmt.Sprintf("action(%d)", uint8(a))
}

// UnmarshalText accepts the names that String returns.
func (a *Action) UnmarshalText(text []byte) error {
	for i, s := range actions {
		if s == string(text) {
			*a = Action(i)
			return nil
		}
	}
	return fmt.Errorf("unknown action %q: want nxdomain, nodata or sinkhole", text)
}

// SDE says which of the clients that ask for structured errors
// (draft-ietf-dnsop-structured-dns-error) are given them. The zero value is
// SDEOn.
type SDE uint8

// The settings, by the words of the Corefile.
const (
	SDEOn        SDE = iota // every client that asks
	SDEOff                  // none
	SDEEncrypted            // those that ask over an encrypted transport, the only ones that may act on the text
)

var settings = [...]string{SDEOn: "on", SDEOff: "off", SDEEncrypted: "encrypted"}

// String returns the setting's name in the Corefile.
func (s SDE) String() string {
	if int(s) < len(settings) {
		return settings[s]
	}
	return fmt.Sprintf("sde(%d)", uint8(s))
}

// UnmarshalText accepts the names that String returns.
func (s *SDE) UnmarshalText(text []byte) error {
	for i, name := range settings {
		if name == string(text) {
			*s = SDE(i)
			return nil
		}
	}
	return fmt.Errorf("unknown setting %q: want on, off or encrypted", text)
}
