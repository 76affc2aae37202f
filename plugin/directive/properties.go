package directive

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/nonudify/nonudify/plugin/answer"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

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

func (p *parser) reason(args []string) error {
	err := p.text(args, &p.config.Reason)
	p.mustTell(p.config.Reason)
	return err
}

// mustTell keeps what is wrong with this line unless another of the directive
// says whom to ask about a block by law.
func (p *parser) mustTell(r policy.Reason) {
	if r == policy.Censored && p.untold == nil {
		p.untold = p.Errf("who is kept from a site by law must be told whom to ask: 'reason censored' needs a 'contact' or 'help'")
	}
}

func (p *parser) sde(args []string) error { return p.text(args, &p.config.Answer.SDE) }

func (p *parser) inspect(args []string) error {
	arg, err := p.one(args)
	if err != nil {
		return err
	}
	on, err := p.onOff("inspect", arg)
	p.config.InspectOff = !on
	return err
}

func (p *parser) front(args []string) error {
	arg, err := p.one(args)
	if err != nil {
		return err
	}
	p.config.Front, err = p.onOff("front", arg)
	return err
}

func (p *parser) totals(args []string) error {
	arg, err := p.one(args)
	if err != nil {
		return err
	}
	p.config.Totals, err = p.onOff("totals", arg)
	return err
}

// onOff reads the value of a switch, whose name is for the error.
func (p *parser) onOff(name, value string) (bool, error) {
	if value != "on" && value != "off" {
		return false, p.Errf("unknown setting '%s': want %s on or off", show(value), name)
	}
	return value == "on", nil
}

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
	if len(rest) == 0 && p.config.Answer.Action == answer.Sinkhole {
		return nil // the addresses of the page, which may come later
	}
	return p.check(answer.Config{Action: p.config.Answer.Action, Addresses: p.config.Answer.Addresses})
}

func (p *parser) state(args []string) error {
	arg, err := p.one(args)
	if err != nil {
		return err
	}
	if arg == "" {
		return p.Errf("the state directory has no name")
	}
	p.config.State = p.path(arg)
	return nil
}

func (p *parser) start(args []string) error {
	arg, err := p.one(args)
	if err != nil {
		return err
	}
	if arg != "wait" && arg != "open" {
		return p.Errf("unknown start '%s': want wait or open", arg)
	}
	p.config.Open = arg == "open"
	return nil
}

func (p *parser) bootstrap(args []string) error {
	for _, arg := range args {
		a, err := netip.ParseAddrPort(arg)
		if err != nil {
			addr, err := netip.ParseAddr(arg)
			if err != nil {
				return p.Errf("'%s' is not the address of a resolver: want 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53", arg)
			}
			a = netip.AddrPortFrom(addr, 53)
		}
		if a.Addr().IsUnspecified() || a.Addr().IsMulticast() || a.Port() == 0 {
			return p.Errf("'%s': nobody answers at such an address", arg)
		}
		p.config.Bootstrap = append(p.config.Bootstrap, a)
	}
	return nil
}

func (p *parser) clients(args []string) error { return p.group(&p.config.Clients, args) }

func (p *parser) except(args []string) error { return p.group(&p.config.Except, args) }

func (p *parser) group(into *Group, args []string) error {
	for _, arg := range args {
		if isEndpoint(arg) {
			if err := p.endpoint(into, arg); err != nil {
				return err
			}
			continue
		}
		prefix, err := parsePrefix(arg)
		switch {
		case err == nil:
			into.Literal = append(into.Literal, prefix)
		case isURL(arg):
			return p.Errf("'%s': a file is meant, not a URL", show(arg))
		case isFile(arg) && !startsWithAddress(arg):
			into.Files = append(into.Files, p.path(arg))
		default:
			return p.Errf("%v; a file needs a slash, as in ./%s", err, arg)
		}
	}
	return nil
}

// Args returns the arguments that name the group, as group reads them: prefixes,
// then the paths of files, paths of DNS over HTTPS, and names of the handshake.
func (g Group) Args() (args []string) {
	for _, prefix := range g.Literal {
		args = append(args, prefix.String())
	}
	args = append(args, g.Files...)
	for _, path := range g.Paths {
		args = append(args, pathTerm+path)
	}
	for _, name := range g.TLSNames {
		args = append(args, tlsNameTerm+name)
	}
	return args
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
		switch {
		case isURL(arg):
			return p.Errf("'%s': a file is meant, not a URL; a list has one", show(arg))
		case isFile(arg):
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
