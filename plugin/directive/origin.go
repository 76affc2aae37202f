package directive

import (
	"errors"
	"slices"

	"golang.org/x/net/publicsuffix"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// errLocal is about a name that networks have their own names below.
var errLocal = errors.New("networks have names of their own below it")

// localDomains are the names that no policy zone may have, though no list of suffixes
// knows them: those of IANA's registry of special-use domain names that are not below
// arpa (RFC 6761, 6762, 7686, 9476), and those that routers and offices give their
// networks, of which ICANN delegates none (home, corp and mail since 2018, internal
// since 2024; RFC 6762 appendix G). Names below them are free: what a network has as
// nas.lan is not hidden by rpz.lan, and a zone at rpz.invalid or rpz.example hides
// nothing at all.
var localDomains = []dnsname.Name{
	"alt", "example", "invalid", "local", "localhost", "onion", "test",
	"corp", "home", "internal", "intranet", "lan", "localdomain", "mail", "private", "workgroup",
}

// routers are the names at which the routers of homes are to be had, and have those of
// all devices below.
var routers = []dnsname.Name{"easy.box", "fritz.box", "fritz.nas", "homerouter.cpe", "kabel.box", "o2.box", "speedport.ip"}

// homeNames is where homes are told to have their names (RFC 8375).
const homeNames dnsname.Name = "home.arpa"

// hides returns why a zone would hide names that those who ask here may need. A
// single label that is no top-level domain, and none that networks use, hides nothing.
func (p *parser) hides(name dnsname.Name) error {
	switch {
	case slices.Contains(localDomains, name) || slices.Contains(routers, name) || name == homeNames:
		return errLocal
	case (name == "arpa" || name.IsBelow("arpa")) && !name.IsBelow(homeNames):
		return errors.New("below arpa are the names of addresses, and others that machines look for")
	case name.IsBelow("localhost"):
		return errors.New("every name below localhost is the machine itself")
	}
	if _, known := publicsuffix.PublicSuffix(string(name)); !known && name.Labels() == 1 {
		return nil
	}
	return p.permit(rule.Rule{Name: name, Trigger: rule.Subtree, Action: rule.Block})
}
