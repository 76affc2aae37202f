// Package directive is the grammar of the nonudify directive: Corefile tokens
// become a Config, and a Config with its loaded files becomes a policy. The
// server and the list tool both read Corefiles through it, so what the tool
// says of a name is what the server does. Parsing does no I/O.
package directive

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/nonudify/nonudify/plugin/answer"
	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// Name is the directive's name.
const Name = "nonudify"

// Tokens is the part of a Corefile that a Config is parsed from. Its errors
// carry file and line. The server's controller and the dispenser of its lexer
// are Tokens.
type Tokens interface {
	NextBlock() bool
	Val() string
	RemainingArgs() []string
	ArgErr() error
	Errf(format string, args ...any) error
}

// Config is one nonudify directive. Parse makes it.
type Config struct {
	Zones   []string // canonical, with a trailing dot; empty: those of the server block
	Lists   []List
	Allow   Names
	Block   Names
	Shadow  bool // decide and count, do not act
	Reason  policy.Reason
	Clients Group
	Except  Group
	Answer  answer.Config
	// InspectOff is that an answer is not looked at for listed names that it
	// leads to.
	InspectOff bool
	Bypass     []policy.Bypass // ways round the filter that are closed
	// Front is that a UDP front stands before the servers of the block.
	Front bool
	// Languages are those of the people behind this server, the first the most
	// wanted, as BCP 47 tags.
	Languages []language.Tag
	Page      Page
	Resolver  Resolver
	State     string           // directory of the last good copies; "": none are kept
	Totals    bool             // keep daily totals there
	Open      bool             // let queries pass until the lists are there for the first time
	Bootstrap []netip.AddrPort // resolvers of the names in the sources of lists; empty: the system's
	// PolicyZones are served to those who take the policy as a zone.
	PolicyZones []PolicyZone
	Status      Status
	// Secrets are those of TSIG keys in base64, by their canonical name. They are
	// no part of the directive: whoever has them enters them.
	Secrets map[string]string
}

// List is one list property.
type List struct {
	Name string // unique in the directive, also a label of metrics
	// Sources are "builtin", or a path, or the URLs of mirrors.
	Sources   []string
	Format    list.Format
	Reason    *policy.Reason // nil: the directive's
	Keys      []feed.Key     // with any, an edition must be signed
	Signature string         // where its signature is; "": beside it
	ID        string         // the List-ID that it must have; "": the one of its first edition
	Refresh   time.Duration  // 0: what the list asks for
	Shrink    int            // as in feed.Config
	MaxBytes  int64          // 0: feed.DefaultMaxBytes
	Addresses bool           // honour its response-address triggers
}

// Names are the arguments of an allow or block property.
type Names struct {
	Rules []rule.Rule
	Files []string
}

// Group is the clients that a clients or except property means.
type Group struct {
	Literal  []netip.Prefix
	Files    []string // of prefixes
	Paths    []string // of DNS over HTTPS
	TLSNames []string // that clients ask for in the handshake, lower-case, without the dot at the end
}

// Parse reads one directive, whose name is the current token of t:
//
//	nonudify [ZONES...] {
//	    list builtin|PATH|URL... [name NAME] [format FORMAT] [reason REASON] [key PUBKEY]... [signature URL|PATH]
//	         [id LIST-ID] [refresh DURATION] [shrink PERCENT|off] [max BYTES]
//	         [addresses on|off]
//	    allow NAME|FILE...
//	    block NAME|FILE...
//	    action nxdomain | nodata | sinkhole ADDRESS... | shadow
//	    reason filtered | blocked | censored
//	    contact URI...
//	    organization NAME
//	    justification LANG TEXT
//	    incident DATABASE ID
//	    ttl DURATION
//	    sde on | off | encrypted
//	    inspect on | off
//	    clients CIDR|FILE|doh:PATH|tls:NAME...
//	    except CIDR|FILE|doh:PATH|tls:NAME...
//	    bypass [canary] [private-relay] [doh]
//	    resolver NAME [INFO-URL]
//	    page [http://|https://]ADDRESS... | off
//	    help URL
//	    country CC...
//	    language TAG...
//	    helplines FILE...
//	    authority CERTIFICATE KEY
//	    state DIR
//	    totals on | off
//	    start wait | open
//	    bootstrap ADDRESS...
//	    front on | off
//	    zone RPZ-ORIGIN [LIST]
//	    status ADDRESS|unix:PATH [password FILE] [name HOST]...
//	}
//
// An argument is a file when it has a slash in it and is no prefix; the source
// of a list is one whenever it is not the word builtin (./builtin is). Relative
// paths are taken from root. Without a list property the built-in list is used.
func Parse(t Tokens, root string) (*Config, error) {
	p := parser{Tokens: t, root: root, config: &Config{}, seen: map[string]bool{}}
	if err := p.zones(t.RemainingArgs()); err != nil {
		return nil, err
	}
	for t.NextBlock() {
		if err := p.property(t.Val()); err != nil {
			return nil, err
		}
	}
	return p.finish()
}

// parser holds what has been read of a directive.
type parser struct {
	Tokens
	root   string
	config *Config
	seen   map[string]bool // properties that were given
	// pageOff is that the page was turned off, beside which no address makes sense.
	pageOff bool
	untold  error // of the first line that blocks by law; nil without one
	// uninspected is what is wrong with the first list with addresses where answers
	// are not inspected; nil without one.
	uninspected error
	// zoneErrors are what is wrong with each policy zone if its list is none.
	zoneErrors []error
}

// repeatable are the properties that may be given more than once.
var repeatable = map[string]bool{
	"list": true, "allow": true, "block": true, "contact": true, "justification": true,
	"incident": true, "clients": true, "except": true, "bootstrap": true,
	"page": true, "helplines": true, "zone": true,
}

// zones reads the directive's arguments. A zone that is none must not be taken
// for no zone at all, which would filter everything.
func (p *parser) zones(args []string) error {
	for _, arg := range args {
		if arg == "." {
			p.config.Zones = nil // all that the server block is asked
			return nil
		}
		if strings.ContainsAny(arg, "{}") {
			return p.Errf("'%s' is not a zone: a block opens with a brace of its own at the end of the line", arg)
		}
		name, err := dnsname.Parse(arg)
		if err != nil {
			return p.Errf("'%s' is not a zone: %v", arg, err)
		}
		p.config.Zones = append(p.config.Zones, name.FQDN())
	}
	return nil
}

// property reads one property, whose name is the current token.
func (p *parser) property(name string) error {
	read := map[string]func([]string) error{
		"list": p.list, "allow": p.allow, "block": p.block, "action": p.action, "reason": p.reason,
		"contact": p.contact, "organization": p.organization, "justification": p.justification,
		"incident": p.incident, "ttl": p.ttl, "sde": p.sde, "inspect": p.inspect, "front": p.front, "clients": p.clients, "except": p.except,
		"resolver": p.resolver, "language": p.language, "state": p.state, "totals": p.totals, "start": p.start, "bootstrap": p.bootstrap,
		"bypass": p.bypass, "page": p.page, "help": p.help, "country": p.country, "helplines": p.helplines, "authority": p.authority,
		"zone": p.policyZone, "status": p.status,
	}[name]
	if read == nil {
		return p.Errf("unknown property '%s'", name)
	}
	if p.seen[name] && !repeatable[name] {
		return p.Errf("property '%s' is given twice", name)
	}
	p.seen[name] = true
	args := p.RemainingArgs()
	if len(args) == 0 {
		return p.ArgErr()
	}
	return read(args)
}

// finish checks what no single property shows.
func (p *parser) finish() (*Config, error) {
	c := p.config
	if len(c.Lists) == 0 {
		c.Lists = []List{{Name: builtin.Name, Sources: []string{builtin.Name}}}
	}
	if len(c.Answer.Incidents) > 0 && !c.censors() {
		return nil, p.Errf("an incident is the public notice of a legal order: it needs 'reason censored'")
	}
	if p.untold != nil && c.Page.Help == nil && len(c.Answer.Contacts) == 0 {
		return nil, p.untold
	}
	if p.uninspected != nil && c.InspectOff {
		return nil, p.uninspected
	}
	if c.Totals && c.State == "" {
		return nil, p.Errf("the totals are kept in the state directory: 'totals on' needs 'state'")
	}
	if err := p.finishPage(); err != nil {
		return nil, err
	}
	if err := p.finishZones(); err != nil {
		return nil, err
	}
	c.preferLanguage()
	c.Answer.Mbox = mailbox(c.Answer.Contacts)
	if _, err := answer.New(c.Answer); err != nil {
		return nil, p.Errf("%v", err)
	}
	return c, nil
}

// mailbox returns the first e-mail address of the contacts in the form of an SOA's
// RNAME (RFC 1035 §8), so that it can be found with any DNS client. "" when there
// is none, or none that fits.
func mailbox(contacts []string) string {
	for _, c := range contacts {
		address, ok := strings.CutPrefix(strings.ToLower(c), "mailto:")
		address, _, _ = strings.Cut(address, "?")
		local, domain, at := strings.Cut(address, "@")
		if !ok || !at || local == "" || len(local) > 63 || strings.ContainsAny(local, `%"\`) {
			continue
		}
		name, err := dnsname.Parse(domain)
		if mbox := strings.ReplaceAll(local, ".", `\.`) + "." + name.FQDN(); err == nil && len(mbox) < answer.MaxMbox {
			return mbox
		}
	}
	return ""
}

// censors reports whether any list blocks by legal order.
func (c *Config) censors() bool {
	return c.Reason == policy.Censored || slices.Contains(c.Reasons(), policy.Censored)
}

// Reasons returns why names are blocked, one reason perhaps several times.
func (c *Config) Reasons() []policy.Reason {
	var reasons []policy.Reason
	if len(c.Block.Rules)+len(c.Block.Files) > 0 {
		reasons = append(reasons, c.Reason)
	}
	for _, l := range c.Lists {
		if l.Reason != nil {
			reasons = append(reasons, *l.Reason)
		} else {
			reasons = append(reasons, c.Reason)
		}
	}
	return reasons
}

// Waits reports whether there may be queries that cannot be judged yet, because a
// list has to come over the network first.
func (c *Config) Waits() bool {
	return !c.Open && !c.Shadow && slices.ContainsFunc(c.Lists, func(l List) bool { return len(urlsOf(l)) > 0 })
}

// preferLanguage puts the justification first that the languages ask for.
func (c *Config) preferLanguage() {
	js := c.Answer.Justifications
	if len(js) < 2 || len(c.Languages) == 0 {
		return
	}
	tags := make([]language.Tag, len(js))
	for i, j := range js {
		tags[i] = language.Make(j.Language)
	}
	_, i, _ := language.NewMatcher(tags).Match(c.Languages...)
	js[0], js[i] = js[i], js[0]
}
