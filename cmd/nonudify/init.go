package main

import (
	"flag"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
)

// initialize is the verb init, whose name Go keeps for itself.
var initialize = verb{
	name: "init",
	args: "[-o DIR] [-state DIR] [-n] [-force] [-y] [-listen ADDRESS]... [-port N] [-upstream ADDRESS]... [-page ADDRESS|off] [-country CC] " +
		"[-language TAG] [-organization NAME] [-contact URI] [-staff PREFIX]... [-guests PREFIX]... [-list URL] [-key PUBKEY] family|school|isp",
	short: "write a Corefile for a family, a school or a provider, and make the state directory",
	long: `init writes a Corefile with comments for a resolver that works at once, beside it
allow.txt and block.txt for names of your own, and makes the state directory. It
takes the addresses of this machine, the resolvers that it uses now, and country and
language from what the system says, and tells what it took. A terminal is asked a few
questions about what no flag says; -y takes every answer that would be proposed.

A Corefile that is there is shown with what would change in it, and stays. With -force it
is replaced, and kept beside the new one with the time behind its name. allow.txt,
block.txt and what is in the state directory are never touched.

Exit code 1 says that there is another Corefile, and that nothing was written.
`,
	run: runInit,
}

// Where an installed system has its files.
const (
	defaultDir      = "/etc/nonudify"
	defaultState    = "/var/lib/nonudify"
	defaultCorefile = defaultDir + "/Corefile"
	serviceUser     = "nonudify"
)

// initFlags is what the command line of init says.
type initFlags struct {
	profile       string
	dir, state    string
	show, force   bool
	yes           bool
	listen        []netip.Addr
	port          uint
	upstreams     []string
	page          string
	country       string
	language      string
	organization  string
	contact       string
	staff, guests []netip.Prefix
	list, key     string
}

// declare declares the flags.
func (c *initFlags) declare(fs *flag.FlagSet) {
	fs.StringVar(&c.dir, "o", defaultDir, "write into this `DIR`")
	fs.StringVar(&c.state, "state", defaultState, "the `DIR` in which the last good lists are kept")
	fs.BoolVar(&c.show, "n", false, "only show what would be written")
	fs.BoolVar(&c.force, "force", false, "replace a Corefile that is there, and keep it under another name")
	fs.BoolVar(&c.yes, "y", false, "ask nothing")
	fs.Func("listen", "answer at this `ADDRESS` beside loopback; may be given again", appendParsed(&c.listen, netip.ParseAddr))
	fs.UintVar(&c.port, "port", 53, "answer at port `N`")
	fs.Func("upstream", "ask the resolver at this `ADDRESS` about everything else; may be given again", appendTo(&c.upstreams))
	fs.StringVar(&c.page, "page", "", "show the help page at this `ADDRESS|off`, with a port or without")
	fs.StringVar(&c.country, "country", "", "show the helplines of this country first: `CC` as in ISO 3166")
	fs.StringVar(&c.language, "language", "", "the language of the people, a `TAG` such as de")
	fs.StringVar(&c.organization, "organization", "", "the `NAME` of whoever filters")
	fs.StringVar(&c.contact, "contact", "", "where wrong blocks are reported, a `URI` with mailto: or tel:")
	fs.Func("staff", "with school: a `PREFIX` of the staff's network; may be given again", appendParsed(&c.staff, netip.ParsePrefix))
	fs.Func("guests", "with school: a `PREFIX` of the guests' network; may be given again", appendParsed(&c.guests, netip.ParsePrefix))
	fs.StringVar(&c.list, "list", "", "a list at this `URL`, beside the built-in one, or for isp in its place")
	fs.StringVar(&c.key, "key", "", "the `PUBKEY` that the list is signed with")
}

// appendParsed returns a flag that may be given several times.
func appendParsed[T any](to *[]T, parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		v, err := parse(s)
		*to = append(*to, v)
		return err
	}
}

// check refuses what cannot be written into a Corefile, or says nothing there.
func (c *initFlags) check(operands []string) error {
	switch {
	case len(operands) != 1 || !slices.Contains(profiles, operands[0]):
		return usagef("say for whom: %s", strings.Join(profiles, ", "))
	case len(c.staff)+len(c.guests) > 0 && operands[0] != "school":
		return usagef("-staff and -guests are for a school")
	case c.port == 0 || c.port > 65535:
		return usagef("-port %d is none", c.port)
	}
	c.profile = operands[0]
	for _, text := range []string{c.dir, c.state, c.page, c.country, c.language, c.organization, c.contact, c.list, c.key} {
		if err := plainText(text); err != nil {
			return err
		}
	}
	return c.checkUpstreams()
}

// plainText refuses what would be more than one word of a Corefile.
func plainText(text string) error {
	if strings.ContainsAny(text, "{}#\"\\\r\n\t") && !isWindowsPath(text) {
		return usagef("%q cannot stand in a Corefile", text)
	}
	return nil
}

// isWindowsPath reports whether all that is special in a text is the backslashes of
// a path, which are turned round.
func isWindowsPath(text string) bool {
	return filepath.Separator == '\\' && !strings.ContainsAny(text, "{}#\"\r\n\t")
}

func (c *initFlags) checkUpstreams() error {
	for _, u := range c.upstreams {
		if _, err := parseUpstream(u); err != nil {
			return err
		}
	}
	return nil
}

// parseUpstream reads the address of a resolver, with or without a port, and with tls://
// in front or without.
func parseUpstream(text string) (netip.AddrPort, error) {
	host, port := strings.TrimPrefix(text, "dns://"), uint16(53)
	if rest, ok := strings.CutPrefix(host, "tls://"); ok {
		host, port = rest, 853
		host, _, _ = strings.Cut(host, "%")
	}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return netip.AddrPortFrom(a, port), nil
	}
	if a, err := netip.ParseAddrPort(host); err == nil {
		return a, nil
	}
	return netip.AddrPort{}, usagef("%q is no address of a resolver, such as 192.0.2.1 or tls://192.0.2.1", text)
}

func runInit(e *env, fs *flag.FlagSet, args []string) (int, error) {
	var c initFlags
	c.declare(fs)
	operands, err := parse(fs, args)
	if err != nil {
		return wrong, err
	}
	if err := c.check(operands); err != nil {
		return wrong, err
	}
	return e.initialize(&c, thisMachine)
}

// initialize writes what the flags, the machine and the answers of the person come to.
func (e *env) initialize(c *initFlags, m machine) (int, error) {
	if err := c.absolute(); err != nil {
		return wrong, err
	}
	found := m.look(c.profile)
	found.tell(e, c)
	if err := e.questions(c, found); err != nil {
		return wrong, err
	}
	s, err := newChoices(c, found)
	if err != nil {
		return wrong, err
	}
	s.warn(e)
	text, err := s.corefile()
	if err != nil {
		return wrong, err
	}
	p := plan{dir: c.dir, state: c.state, corefile: text, show: c.show, force: c.force}
	if err := p.prove(e); err != nil {
		return wrong, err
	}
	return p.carryOut(e)
}

// absolute makes paths that hold wherever the server is started.
func (c *initFlags) absolute() error {
	for _, path := range []*string{&c.dir, &c.state} {
		whole, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("%s: %w", *path, err)
		}
		*path = whole
	}
	return nil
}
