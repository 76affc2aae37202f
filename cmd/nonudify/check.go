package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/source"
)

var check = verb{
	name:  "check",
	args:  "[-conf COREFILE [-client ADDRESS]] [-list FILE]... [-format FORMAT] [-allow NAME|FILE]... [-type TYPE] [-json] NAME...",
	short: "tell whether names are blocked, by which line of which list, and what a client would be told",
	long: `check judges names as the resolver would: by the built-in list with its default
settings, by the lists given, or by every server block of a Corefile that has a
nonudify directive. A file in the Corefile or after -allow has a slash in its
name. Nothing is asked of the network: a list that comes from there is read from
its copy in the state directory.

Exit code 1 says that at least one of the names is blocked, 2 that of one of them
nothing is known, because there is no copy of a list.
`,
	run: runCheck,
}

// checkFlags is what the command line of check says.
type checkFlags struct {
	conf   string
	lists  []string
	allow  []string
	format list.Format
	client netip.Addr
	qtype  uint16
	json   bool
}

func (c *checkFlags) declare(fs *flag.FlagSet) {
	c.qtype = dns.TypeA
	fs.StringVar(&c.conf, "conf", "", "judge by the server blocks of this `COREFILE`")
	fs.Func("list", "judge by this `FILE`, or \"builtin\"; may be given again", appendTo(&c.lists))
	fs.Func("allow", "let this `NAME|FILE` through; may be given again", appendTo(&c.allow))
	fs.TextVar(&c.format, "format", list.Auto, "the `FORMAT` of the files given with -list, instead of finding out")
	fs.Func("client", "decide for a client with this `ADDRESS`", func(s string) (err error) {
		c.client, err = netip.ParseAddr(s)
		return err
	})
	fs.Func("type", "the `TYPE` of record that is asked for, A if not given", func(s string) (err error) {
		c.qtype, err = recordType(s)
		return err
	})
	fs.BoolVar(&c.json, "json", false, "write a JSON object a line, for each name and server block")
}

func appendTo(to *[]string) func(string) error {
	return func(s string) error { *to = append(*to, s); return nil }
}

// recordType reads a type by name, or by number as in TYPE65 (RFC 3597 §5).
func recordType(s string) (uint16, error) {
	s = strings.ToUpper(s)
	if t := dns.StringToType[s]; t != dns.TypeNone {
		return t, nil
	}
	if digits, ok := strings.CutPrefix(s, "TYPE"); ok {
		if n, err := strconv.ParseUint(digits, 10, 16); err == nil && n != 0 {
			return uint16(n), nil
		}
	}
	return 0, errors.New("no type of record is called that")
}

// exclude refuses flags that say nothing together.
func (c *checkFlags) exclude() error {
	switch {
	case c.conf != "" && len(c.lists)+len(c.allow) > 0:
		return usagef("-conf says which lists and exceptions there are: it does not go with -list or -allow")
	case c.conf == "" && c.client.IsValid():
		return usagef("-client decides by the clients of a Corefile: it needs -conf")
	case c.format != list.Auto && len(c.lists) == 0:
		return usagef("-format is that of the files given with -list")
	}
	return nil
}

func runCheck(e *env, fs *flag.FlagSet, args []string) (int, error) {
	var c checkFlags
	c.declare(fs)
	operands, err := parse(fs, args)
	if err != nil {
		return wrong, err
	}
	if err := c.exclude(); err != nil {
		return wrong, err
	}
	names, err := parseNames(operands)
	if err != nil {
		return wrong, err
	}
	servers, err := c.servers(e)
	if err != nil {
		return wrong, err
	}
	judges, err := e.judges(context.Background(), servers, names, c)
	if err != nil {
		return wrong, err
	}
	c.tellMissing(e, judges)
	return c.print(e, judges, names)
}

// tellMissing says once of each list that is missing how to get it.
func (c *checkFlags) tellMissing(e *env, judges []*judge) {
	told := map[missingList]bool{}
	for _, j := range judges {
		for _, m := range j.missing {
			if !told[m] {
				e.note("list %s is missing: %s; 'nonudify fetch -conf %s' gets it", m.List, m.Reason, c.conf)
			}
			told[m] = true
		}
	}
}

// print writes what every judge says of every name.
func (c *checkFlags) print(e *env, judges []*judge, names []dnsname.Name) (int, error) {
	code := fine
	lines := json.NewEncoder(e.stdout)
	lines.SetEscapeHTML(false)
	for _, name := range names {
		for _, j := range judges {
			v := j.judge(name)
			switch v.Verdict {
			case blocked:
				code = max(code, finding)
			case notKnown:
				code = wrong
			}
			if !c.json {
				v.print(e.stdout)
			} else if err := lines.Encode(v); err != nil {
				return wrong, err
			}
		}
	}
	return code, nil
}

// parseNames reads names as people write them.
func parseNames(args []string) ([]dnsname.Name, error) {
	if len(args) == 0 {
		return nil, usagef("no name given")
	}
	var names []dnsname.Name
	for _, arg := range args {
		name, err := dnsname.Parse(arg)
		if host := hostOf(arg); err != nil && host != "" {
			return nil, usagef("%q: give the name only, %s", arg, host)
		}
		if err != nil {
			return nil, usagef("%q: %w", arg, err)
		}
		names = append(names, name)
	}
	return names, nil
}

// hostOf returns the name in what is a URL, a name with a port or with a path,
// or an e-mail address, "" when there is none.
func hostOf(arg string) dnsname.Name {
	host := arg
	if _, rest, ok := strings.Cut(host, "://"); ok {
		host = rest
	}
	host, _, _ = strings.Cut(host, "/")
	host = host[strings.LastIndexByte(host, '@')+1:]
	host, _, _ = strings.Cut(host, ":")
	name, err := dnsname.Parse(host)
	if host == arg || err != nil {
		return ""
	}
	return name
}

// servers returns what is to judge: the server blocks of the Corefile, or one
// made of the command line.
func (c *checkFlags) servers(e *env) ([]server, error) {
	if c.conf != "" {
		servers, err := readCorefile(e, c.conf)
		if err != nil {
			return nil, err
		}
		return servers, protect(servers, e.now())
	}
	config := &directive.Config{}
	for _, file := range c.lists {
		if strings.Contains(file, "://") {
			return nil, usagef("-list %s is no file; 'nonudify fetch -o FILE' makes one of it", source.Redact(file))
		}
		l := directive.List{Name: file, Sources: []string{file}, Format: c.format}
		if file == builtin.Name {
			l.Format = list.Auto
		}
		config.Lists = append(config.Lists, l)
	}
	if len(config.Lists) == 0 {
		config.Lists = []directive.List{{Name: builtin.Name, Sources: []string{builtin.Name}}}
	}
	var own []foundRule
	for _, arg := range c.allow {
		if strings.ContainsAny(arg, `/\`) {
			config.Allow.Files = append(config.Allow.Files, arg)
			continue
		}
		name, err := allowed(arg)
		if err != nil {
			return nil, err
		}
		r := rule.Rule{Name: name, Trigger: rule.Subtree, Action: rule.Pass}
		config.Allow.Rules = append(config.Allow.Rules, r)
		own = append(own, foundRule{List: policy.AllowList, Rule: r.Name, Trigger: r.Trigger, Action: r.Action, File: "-allow"})
	}
	return []server{{config: config, own: own}}, nil
}

// protect keeps every list off the hosts that the resolver keeps it off: those of
// all help pages of the Corefile, and in each block those that its operator's
// helplines lead to.
func protect(servers []server, now time.Time) error {
	var pages []dnsname.Name
	for _, s := range servers {
		if name, ok := s.config.Page.HelpName(); ok {
			pages = append(pages, name)
		}
	}
	for i := range servers {
		s := &servers[i]
		own, err := s.config.ReadHelplines(now)
		if err != nil {
			return err
		}
		s.protect(pages, "the host of the help page")
		s.protect(own.Hosts(), "the host of a helpline")
	}
	return nil
}

// protect lets hosts through, and says why.
func (s *server) protect(hosts []dnsname.Name, why string) {
	s.config.Page.Protected = append(s.config.Page.Protected, hosts...)
	for _, host := range hosts {
		s.own = append(s.own, foundRule{List: policy.AllowList, Action: rule.Pass, Trigger: rule.Exact, Rule: host, Comment: why})
	}
}

// allowed reads a name to allow. A file that was meant must not pass for one.
func allowed(arg string) (dnsname.Name, error) {
	if _, err := os.Stat(arg); err == nil {
		return "", usagef("-allow %s is a name; for the file write ./%s", arg, arg)
	}
	name, err := dnsname.Parse(arg)
	if err != nil {
		return "", usagef("-allow %q: %w", arg, err)
	}
	return name, nil
}
