package rpz

import (
	"errors"
	"strings"

	"github.com/nonudify/nonudify/plugin/rule"
)

// Errors that Fit returns beside ErrTrigger, to be tested with errors.Is.
var (
	// ErrTooLong marks an owner that is no name any more with the zone's behind
	// it: no query for it could be looked up either.
	ErrTooLong = errors.New("owner is longer than a name can be")
	// ErrTaken marks the owner at which the zone tells of itself.
	ErrTaken = errors.New("owner of the zone itself")
)

// maxOwner is the length of the longest owner in text, relative to a zone, with
// the zone and a dot on either side of it (RFC 1035 §2.3.4).
const maxOwner = 254

// Owner returns the owner of a rule of trigger Exact, Below or Address, relative to
// the zone: x, *.x, or what ParseAddress reads.
func Owner(r rule.Rule) string {
	switch r.Trigger {
	case rule.Below:
		return "*." + string(r.Name)
	case rule.Address:
		return addressOwner(r.Prefix)
	}
	return string(r.Name)
}

// Target returns what the CNAME record of a rule points to. A block is NODATA
// where names below the owner may exist, which NXDOMAIN would deny, too (RFC 8020
// §2).
func Target(a rule.Action, open bool) string {
	switch {
	case a == rule.Pass:
		return passthru
	case open:
		return "*."
	}
	return "."
}

// Fit returns nil for an owner, relative to the zone, that can stand in it as the
// trigger that it is. origin is the zone's name, fully qualified.
func Fit(origin, owner string) error {
	switch {
	case len(owner)+1+len(origin) > maxOwner:
		return ErrTooLong
	case strings.EqualFold(owner, Meta):
		return ErrTaken
	case foreign(owner):
		return ErrTrigger
	}
	return nil
}
