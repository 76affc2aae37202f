package directive

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/primary"
)

// PolicyZone is one zone property.
type PolicyZone struct {
	Origin string // canonical, with a trailing dot
	List   string // the only list that it is made of; "": all
}

const (
	// maxOrigin is the length of the longest name of a policy zone: it takes away
	// from the names that fit into the zone.
	maxOrigin = 64
	// maxZones bounds the policy zones of a directive: at each change of a list, all
	// of them are gone through.
	maxZones = 16
)

// policyZone reads the name of a policy zone, and of the list that it is made of.
func (p *parser) policyZone(args []string) error {
	if len(args) > 2 {
		return p.ArgErr()
	}
	name, err := dnsname.Parse(args[0])
	switch {
	case err != nil:
		return p.Errf("zone '%s': %v", show(args[0]), err)
	case len(name) > maxOrigin:
		return p.Errf("zone '%s': longer than %d characters, which all names in it would have less", show(args[0]), maxOrigin)
	case name == "resolver.arpa" || name.IsBelow("resolver.arpa"):
		return p.Errf("zone '%s': that is where clients ask about the resolver", name)
	case len(p.config.PolicyZones) == maxZones:
		return p.Errf("more than %d zones", maxZones)
	}
	z := PolicyZone{Origin: name.FQDN()}
	for _, other := range p.config.PolicyZones {
		before := dnsname.Name(strings.TrimSuffix(other.Origin, "."))
		if before == name {
			return p.Errf("zone '%s' is given twice", name)
		}
		if before.IsBelow(name) || name.IsBelow(before) {
			return p.Errf("zone '%s': one policy zone cannot be inside another, '%s'", name, before)
		}
	}
	if len(args) == 2 {
		z.List = args[1]
	}
	at := p.Errf("zone '%s': no list is named '%s'", name, show(z.List))
	p.zoneErrors = append(p.zoneErrors, at) // lists may come later
	p.config.PolicyZones = append(p.config.PolicyZones, z)
	return nil
}

// finishZones checks what the zones are made of, and that their names are none
// that queries need.
func (p *parser) finishZones() error {
	c := p.config
	for i, z := range c.PolicyZones {
		name := dnsname.Name(strings.TrimSuffix(z.Origin, "."))
		if !slices.Contains(c.published(), z.List) {
			return p.zoneErrors[i]
		}
		for _, host := range c.needed() {
			if host == name || host.IsBelow(name) {
				return p.Errf("zone '%s' would hide %s from those who ask here", name, host)
			}
		}
		if err := p.hides(name); err != nil {
			return p.Errf("zone '%s' would hide names that others have: %v; nudify.rpz is nobody's", name, err)
		}
	}
	return nil
}

// published returns what a zone can be made of.
func (c *Config) published() []string {
	names := []string{""}
	for _, l := range c.Lists {
		names = append(names, l.Name)
	}
	if len(c.Block.Rules)+len(c.Block.Files) > 0 {
		names = append(names, policy.BlockList)
	}
	if len(c.Bypass) > 0 {
		names = append(names, policy.BypassList)
	}
	return names
}

// needed returns the names of the operator's own that must stay to be had.
func (c *Config) needed() []dnsname.Name {
	names := c.Hosts()
	if name, ok := c.Page.HelpName(); ok {
		names = append(names, name)
	}
	if c.Resolver.Name != "" {
		names = append(names, c.Resolver.Name)
	}
	return names
}

// ZoneContent returns what a zone is to say, of a policy made of what the feeds
// hold, in the order of Feeds. ok is false while a list that it is made of is
// missing: a zone with holes would have its secondaries drop what is in them.
func (c *Config) ZoneContent(z PolicyZone, p *policy.Policy, editions []*feed.List) (content primary.Content, ok bool) {
	content = primary.Content{Rules: p.Flat(z.List), Mbox: c.Answer.Mbox, Since: programSince()}
	for i, e := range editions {
		of := i >= len(c.Lists) // a file of the operator's own
		if !of && z.List != "" && z.List != c.Lists[i].Name {
			continue
		}
		if e == nil {
			return primary.Content{}, false
		}
		if made := madeAt(e); made.After(content.Since) {
			content.Since = made
		}
		if !of {
			content.About = append(content.About, about(c.Lists[i].Name, e))
		}
	}
	slices.Sort(content.About)
	return content, true
}

// programSince is when the program was made at the earliest: its list was there.
var programSince = sync.OnceValue(func() time.Time {
	s := list.NewScanner(bytes.NewReader(builtin.List()), list.Config{Format: list.Domains})
	s.Scan() // the header is read with the first rule
	return s.Header().Issued
})

// latest is how long after the program a list may say to be made. What is beyond that
// is a serial that was no date, or an error of its publisher, and must not become a
// serial of ours: one that is half the way round ahead is an old one to secondaries
// (RFC 1982 §3.2). Of a program that is older, the clock is to be right.
const latest = 3 * 365 * 24 * time.Hour

// madeAt returns the newest time at which an edition says to be made, the zero time if
// it says none: by its header, the time of its file, or a serial that is a date
// (YYYYMMDDnn, RFC 1912 §2.2) or the seconds since 1970.
func madeAt(e *feed.List) (newest time.Time) {
	for _, t := range []time.Time{e.Header.Issued, e.Header.Modified, e.Modified, serialTime(e.Header.Serial)} {
		if t.After(newest) && t.Before(programSince().Add(latest)) {
			newest = t
		}
	}
	return newest
}

// serialTime returns the day, or else the second, that a serial may be made of. One
// that was counted up is of 1970.
func serialTime(serial uint32) time.Time {
	if day, err := time.Parse("20060102", fmt.Sprint(serial/100)); err == nil {
		return day
	}
	return time.Unix(int64(serial), 0)
}

// maxText is the length of the longest character-string of a TXT record (RFC 1035
// §3.3), in octets.
const maxText = 255

// about returns what a zone says of a list: its name, and what its header says.
// Times of a file are left out: they would make an edition of what has not
// changed.
func about(name string, e *feed.List) string {
	fields := []string{"v=1", "list=" + name}
	add := func(key, value string) {
		if f := key + "=" + value; value != "" && len(strings.Join(append(fields, f), " ")) <= maxText && !strings.ContainsFunc(f, unprintable) {
			fields = append(fields, f)
		}
	}
	if e.Header.Serial != 0 {
		add("serial", fmt.Sprint(e.Header.Serial))
	}
	if !e.Header.Expires.IsZero() {
		add("expires", e.Header.Expires.UTC().Format(time.RFC3339))
	}
	add("id", e.Header.ID)
	return strings.Join(fields, " ")
}

// unprintable reports whether a character has no place in a field.
func unprintable(r rune) bool { return r <= ' ' || r > '~' }
