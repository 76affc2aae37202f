// Package rpz translates between the records of a response policy zone and
// rules (draft-vixie-dnsop-dns-rpz-00).
//
// Of the zone's five kinds of trigger it reads two, the query name (Parse) and,
// for whoever asks for it, the address in an answer (ParseAddress), and of its
// actions the two that a rule has: block and pass. Every other trigger or
// action is an error of its record alone, so that a zone that also holds, say,
// client triggers can be used for the names that it holds.
package rpz

import (
	"errors"
	"strings"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// Errors that Parse returns beside those of dnsname.Parse, to be tested with
// errors.Is.
var (
	// ErrSkip marks a record that is no rule and no fault either: what stands
	// at the apex, DNSSEC records, the TXT record of the list at _list.meta.
	ErrSkip = errors.New("record of the zone itself, not a rule")
	// ErrTrigger marks a rule with a trigger that the function does not read: for
	// Parse an rpz-ip, rpz-client-ip, rpz-nsip or rpz-nsdname owner, for
	// ParseAddress any but rpz-ip. A bare "*" is refused with it too: it would
	// mean every name there is.
	ErrTrigger = errors.New("trigger other than a query name")
	// ErrAction marks a rule that does something other than block or pass:
	// drop, tcp-only, or data of its own, a CNAME to another host included.
	ErrAction = errors.New("action other than block or pass")
	// ErrOutOfZone marks an owner that does not end in the zone's origin.
	ErrOutOfZone = errors.New("owner outside of the zone")
)

// Meta is the owner, relative to the zone, of the TXT records with which a
// publisher describes the list itself.
const Meta = "_list.meta"

// passthru is the target of a CNAME that lets a name pass.
const passthru = "rpz-passthru."

// Parse returns the rule that one record of the policy zone stands for.
//
// The names are in presentation form, letter case aside as the DNS library
// writes them. origin is the name of the zone; "." or "" says that owner is
// relative to it already. target is the absolute name that a CNAME record
// points to and is ignored for other types.
//
//	x    CNAME .               block exact x   (NXDOMAIN)
//	*.x  CNAME .               block below x
//	x    CNAME *.              block exact x   (NODATA)
//	x    CNAME rpz-passthru.   pass exact x
//	x    CNAME x.              pass exact x    (older spelling of the same)
//
// NODATA is a block like NXDOMAIN: which of the two denials a client gets is
// what this server's action says, for all lists alike.
func Parse(origin, owner string, rrtype uint16, target string) (rule.Rule, error) {
	trigger, err := triggerOf(origin, owner, rrtype)
	switch {
	case err != nil:
		return rule.Rule{}, err
	case foreign(trigger):
		return rule.Rule{}, ErrTrigger
	case rrtype != dns.TypeCNAME:
		return rule.Rule{}, ErrAction
	}
	act := action(trigger, target)
	if act == rule.None {
		return rule.Rule{}, ErrAction
	}
	name, scope := trigger, rule.Exact
	if below, ok := strings.CutPrefix(trigger, "*."); ok {
		name, scope = below, rule.Below
	}
	n, err := dnsname.Parse(name)
	if err != nil {
		return rule.Rule{}, err
	}
	return rule.Rule{Name: n, Trigger: scope, Action: act}, nil
}

// triggerOf returns the owner of a rule without the origin. The errors are
// ErrOutOfZone and ErrSkip.
func triggerOf(origin, owner string, rrtype uint16) (string, error) {
	trigger, ok := relative(owner, origin)
	switch {
	case !ok:
		return "", ErrOutOfZone
	case ofZone(trigger, rrtype):
		return "", ErrSkip
	}
	return trigger, nil
}

// relative cuts origin off owner. The apex is the empty string. An escaped dot
// where the cut falls leaves a lone backslash, which no name survives.
func relative(owner, origin string) (trigger string, ok bool) {
	owner = strings.TrimSuffix(owner, ".")
	origin = strings.TrimSuffix(origin, ".")
	if origin == "" {
		return owner, true
	}
	cut := len(owner) - len(origin)
	if cut < 0 || !strings.EqualFold(owner[cut:], origin) {
		return "", false
	}
	if cut == 0 {
		return "", true
	}
	return owner[:cut-1], owner[cut-1] == '.' && cut > 1
}

// ofZone reports whether a record belongs to the zone as a zone. Signed zones
// hold signatures and denials of existence at every owner, not at the apex
// alone.
func ofZone(trigger string, rrtype uint16) bool {
	switch rrtype {
	case dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM,
		dns.TypeDNSKEY, dns.TypeDS, dns.TypeCDS, dns.TypeCDNSKEY, dns.TypeZONEMD:
		return true
	case dns.TypeTXT:
		return trigger == "" || strings.EqualFold(trigger, Meta)
	case dns.TypeCNAME: // at the apex it would be a rule about every name
		return false
	}
	return trigger == ""
}

// foreign reports whether a trigger is not a query name. Its kind is the label
// next to the origin.
func foreign(trigger string) bool {
	last := trigger[strings.LastIndexByte(trigger, '.')+1:]
	return trigger == "" || trigger == "*" ||
		len(last) >= 4 && strings.EqualFold(last[:4], "rpz-")
}

// action says what the target of a CNAME means, None when it is neither of the
// two actions of a rule.
func action(trigger, target string) rule.Action {
	switch {
	case target == "." || target == "*.":
		return rule.Block
	case strings.EqualFold(target, passthru):
		return rule.Pass
	case len(target) == len(trigger)+1 && target[len(trigger)] == '.' &&
		strings.EqualFold(target[:len(trigger)], trigger) && trigger[0] != '*':
		return rule.Pass
	}
	return rule.None
}
