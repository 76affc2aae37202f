// Package directive is the grammar of the nonudify directive: Corefile tokens
// become a Config, and a Config with its loaded files becomes a policy. The
// server and the list tool both read Corefiles through it, so what the tool
// says of a name is what the server does. Parsing does no I/O.
package directive

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/nonudify/nonudify/plugin/answer"
	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/dnsname"
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
	Clients Prefixes
	Except  Prefixes
	Answer  answer.Config
	// Languages are those of the people behind this server, the first the most
	// wanted, as BCP 47 tags.
	Languages []language.Tag
}

// List is one list property.
type List struct {
	Name   string // unique in the directive, also a label of metrics
	Source string // "builtin" or a path
	Format list.Format
	Reason *policy.Reason // nil: the directive's
}

// Names are the arguments of an allow or block property.
type Names struct {
	Rules []rule.Rule
	Files []string
}

// Prefixes are the arguments of a clients or except property.
type Prefixes struct {
	Literal []netip.Prefix
	Files   []string
}

// Parse reads one directive, whose name is the current token of t:
//
//	nonudify [ZONES...] {
//	    list builtin|PATH [name NAME] [format FORMAT] [reason REASON]
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
//	    clients CIDR|FILE...
//	    except CIDR|FILE...
//	    language TAG...
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
}

// repeatable are the properties that may be given more than once.
var repeatable = map[string]bool{
	"list": true, "allow": true, "block": true, "contact": true, "justification": true,
	"incident": true, "clients": true, "except": true,
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
		"incident": p.incident, "ttl": p.ttl, "sde": p.sde, "clients": p.clients, "except": p.except,
		"language": p.language,
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
		c.Lists = []List{{Name: builtin.Name, Source: builtin.Name}}
	}
	if len(c.Answer.Incidents) > 0 && !c.censors() {
		return nil, p.Errf("an incident is the public notice of a legal order: it needs 'reason censored'")
	}
	c.preferLanguage()
	if _, err := answer.New(c.Answer); err != nil {
		return nil, p.Errf("%v", err)
	}
	return c, nil
}

// censors reports whether any list blocks by legal order.
func (c *Config) censors() bool {
	censors := c.Reason == policy.Censored
	for _, l := range c.Lists {
		censors = censors || l.Reason != nil && *l.Reason == policy.Censored
	}
	return censors
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

// isFile reports whether an argument names a file, where it could be something
// else.
func isFile(arg string) bool { return strings.ContainsAny(arg, `/\`) }

// fileEndings are of files that hold names. None is a top-level domain.
var fileEndings = []string{".txt", ".list", ".hosts", ".conf", ".csv"}

// one returns the only argument.
func (p *parser) one(args []string) (string, error) {
	if len(args) != 1 {
		return "", p.ArgErr()
	}
	return args[0], nil
}

// text reads the only argument into what can read its own name.
func (p *parser) text(args []string, into interface{ UnmarshalText([]byte) error }) error {
	arg, err := p.one(args)
	if err != nil {
		return err
	}
	if err := into.UnmarshalText([]byte(arg)); err != nil {
		return p.Errf("%v", err)
	}
	return nil
}

// check has the answer package judge the answer properties read so far, so
// that an error names the line of the property at fault.
func (p *parser) check(c answer.Config) error {
	if _, err := answer.New(c); err != nil {
		return p.Errf("%v", err)
	}
	return nil
}

func (p *parser) reason(args []string) error { return p.text(args, &p.config.Reason) }

func (p *parser) sde(args []string) error { return p.text(args, &p.config.Answer.SDE) }

func (p *parser) contact(args []string) error {
	a := &p.config.Answer
	a.Contacts = append(a.Contacts, args...)
	return p.check(answer.Config{Contacts: a.Contacts})
}

func (p *parser) organization(args []string) (err error) {
	p.config.Answer.Organization, err = p.one(args)
	if err != nil {
		return err
	}
	return p.check(answer.Config{Organization: args[0]})
}

func (p *parser) justification(args []string) error {
	if len(args) != 2 {
		return p.ArgErr()
	}
	a := &p.config.Answer
	a.Justifications = append(a.Justifications, answer.Justification{Language: args[0], Text: args[1]})
	return p.check(answer.Config{Justifications: a.Justifications})
}

func (p *parser) incident(args []string) error {
	if len(args) != 2 {
		return p.ArgErr()
	}
	a := &p.config.Answer
	a.Incidents = append(a.Incidents, answer.Incident{Database: args[0], ID: args[1]})
	return p.check(answer.Config{Incidents: a.Incidents})
}

func (p *parser) ttl(args []string) error {
	arg, err := p.one(args)
	if err != nil {
		return err
	}
	if p.config.Answer.TTL, err = time.ParseDuration(arg); err != nil {
		return p.Errf("bad ttl '%s': want a duration such as 60s or 5m", arg)
	}
	if p.config.Answer.TTL == 0 {
		return p.Errf("bad ttl '%s': a denial must be cached for a second at least", arg)
	}
	return p.check(answer.Config{TTL: p.config.Answer.TTL})
}

func (p *parser) language(args []string) error {
	for _, arg := range args {
		tag, err := language.Parse(arg)
		if err != nil {
			return p.Errf("'%s' is not a language tag", arg)
		}
		p.config.Languages = append(p.config.Languages, tag)
	}
	return nil
}

func (p *parser) action(args []string) error {
	name, rest := args[0], args[1:]
	if name == "shadow" {
		p.config.Shadow = true
	} else if err := p.config.Answer.Action.UnmarshalText([]byte(name)); err != nil {
		return p.Errf("unknown action '%s': want nxdomain, nodata, sinkhole or shadow", name)
	}
	for _, arg := range rest {
		a, err := netip.ParseAddr(arg)
		if err != nil {
			return p.Errf("'%s' is not an address", arg)
		}
		p.config.Answer.Addresses = append(p.config.Answer.Addresses, a)
	}
	return p.check(answer.Config{Action: p.config.Answer.Action, Addresses: p.config.Answer.Addresses})
}

func (p *parser) clients(args []string) error { return p.prefixes(&p.config.Clients, args) }

func (p *parser) except(args []string) error { return p.prefixes(&p.config.Except, args) }

func (p *parser) prefixes(into *Prefixes, args []string) error {
	for _, arg := range args {
		prefix, err := policy.ParsePrefix(arg)
		switch {
		case err == nil:
			into.Literal = append(into.Literal, prefix)
		case isFile(arg) && !startsWithAddress(arg):
			into.Files = append(into.Files, p.path(arg))
		default:
			return p.Errf("%v; a file needs a slash, as in ./%s", err, arg)
		}
	}
	return nil
}

// startsWithAddress reports whether an argument is an address up to its first
// slash: a prefix that went wrong, such as 192.0.2.0/33, and no file.
func startsWithAddress(arg string) bool {
	text, _, _ := strings.Cut(arg, "/")
	_, err := netip.ParseAddr(text)
	return err == nil
}

func (p *parser) allow(args []string) error { return p.names(&p.config.Allow, rule.Pass, args) }

func (p *parser) block(args []string) error { return p.names(&p.config.Block, rule.Block, args) }

func (p *parser) names(into *Names, action rule.Action, args []string) error {
	for _, arg := range args {
		if isFile(arg) {
			into.Files = append(into.Files, p.path(arg))
			continue
		}
		if slices.Contains(fileEndings, filepath.Ext(arg)) {
			return p.Errf("'%s' looks like a file: write ./%s", arg, arg)
		}
		name, err := dnsname.Parse(arg)
		if err != nil {
			return p.Errf("'%s': %v", arg, err)
		}
		r := rule.Rule{Name: name, Trigger: rule.Subtree, Action: action}
		if err := p.permit(r); err != nil {
			return p.Errf("'%s': %v", arg, err)
		}
		into.Rules = append(into.Rules, r)
	}
	return nil
}

// permit asks the guard.
func (p *parser) permit(r rule.Rule) error {
	guard, err := Guard()
	if err != nil {
		return err
	}
	return guard.Check(r)
}
