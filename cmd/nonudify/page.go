package main

import (
	"flag"
	"slices"
	"strings"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/policy"
)

var page = verb{
	name: "page",
	args: "[-conf COREFILE] [-organization NAME] [-contact URI]... [-country CC]... [-language TAG]... [-reason REASON] " +
		"[-incident NOTICE]... [-helplines FILE]... [-help URL] [-own] [-listen ADDRESS]... [-o DIR] [-certificate FILE] [-key FILE]",
	short: "serve the page that helps those who were led to such a site, or write it as files",
	long: `page serves the help page over HTTP, without DNS, until it is told to end by
Ctrl-C or SIGTERM. It answers every request in the place of a blocked site: 403,
or 451 with -reason censored. At the host of -help, or with -own at every host, it
is a page like any other, with status 200. There is no TLS: a web server in front
has the certificate, and hands the Host field on.

With -o it writes the page in all languages as files instead: DIR/blocked for the
place of blocked sites and, with -help, DIR/help for your own address; with -own
DIR/help alone. Beside them are settings for nginx, Apache and Caddy, in which your
own address has the certificate of -certificate and -key. No other file is touched;
each is written anew, whatever has been changed in it. Phone numbers are shown for six months after somebody has last
checked them: it says when the files have to be written again. Without -country
the files show no country's numbers: a file cannot ask where its reader is.

With -conf, a Corefile says all that the flags from -organization to -help say
otherwise: in the first nonudify directive with 'page' or 'help', or else in the
first of all. What its 'page' says of addresses is for the resolver only.
`,
	run: runPage,
}

// pageFlags is what the command line of page says. Most of it is judged by the
// grammar of the directive.
type pageFlags struct {
	conf   string
	lines  [][]string // properties of a directive with their arguments
	own    bool
	listen []string
	out    string

	certificate, key string // paths for the settings of web servers
}

func (c *pageFlags) declare(fs *flag.FlagSet) {
	fs.StringVar(&c.conf, "conf", "", "show the page of this `COREFILE`")
	fs.Func("organization", "`NAME` of who blocks", c.property("organization"))
	fs.Func("contact", "whom to tell of a wrong block, a mailto: or tel: `URI`; may be given again", c.property("contact"))
	fs.Func("country", "show the helplines of this country first, two letters `CC`; may be given again", c.property("country"))
	fs.Func("language", "the language, `TAG`, of people whose browser asks for none that the page has; may be given again", c.property("language"))
	fs.Func("reason", "who has decided, `REASON`: filtered (the user), blocked (the operator) or censored (the law); filtered if not given", c.property("reason"))
	fs.Func("incident", "with -reason censored, the public `NOTICE`: database and number in one argument, such as \"lumen 12345678\"; may be given again", c.incident)
	fs.Func("helplines", "show the helplines in this `FILE`, too; may be given again", c.property("helplines"))
	fs.Func("help", "the page's address of your own is `URL`, at https", c.property("help"))
	fs.BoolVar(&c.own, "own", false, "every address is your own: nothing was blocked there")
	fs.Func("listen", "serve at this `ADDRESS`, with port 80 unless it says another; may be given again; "+defaultListen+" if not given", appendTo(&c.listen))
	fs.StringVar(&c.out, "o", "", "write the page as files into the directory `DIR`")
	fs.StringVar(&c.certificate, "certificate", "", "with -o, the web server has the certificate of your own address in this `FILE`, and those up to its root; "+
		"/etc/ssl/HOST.pem if not given, or what Caddy gets by itself")
	fs.StringVar(&c.key, "key", "", "with -certificate, its private key is in this `FILE`; /etc/ssl/HOST.key if not given")
}

// property returns what adds a value to a property.
func (c *pageFlags) property(name string) func(string) error {
	return func(value string) error {
		for i, line := range c.lines {
			if line[0] == name {
				c.lines[i] = append(line, value)
				return nil
			}
		}
		c.lines = append(c.lines, []string{name, value})
		return nil
	}
}

// says reports whether a property was given, with these values if there are any.
func (c *pageFlags) says(property string, values ...string) bool {
	return slices.ContainsFunc(c.lines, func(line []string) bool {
		return line[0] == property && (len(values) == 0 || slices.Equal(line[1:], values))
	})
}

// incident adds an incident, which has two values.
func (c *pageFlags) incident(value string) error {
	c.lines = append(c.lines, append([]string{"incident"}, strings.Fields(value)...))
	return nil
}

func runPage(e *env, fs *flag.FlagSet, args []string) (int, error) {
	var c pageFlags
	c.declare(fs)
	operands, err := parse(fs, args)
	switch {
	case err != nil:
		return wrong, err
	case len(operands) > 0:
		return wrong, usagef("%q is not needed: page takes flags only", operands[0])
	case c.conf != "" && !onlyGiven(fs, "conf", "own", "listen", "o", "certificate", "key"):
		return wrong, usagef("-conf says what the page shows: only -own, -listen, -o, -certificate and -key go with it")
	case c.out != "" && len(c.listen) > 0:
		return wrong, usagef("-o writes files, -listen serves the page: one of them at a time")
	case (c.certificate == "") != (c.key == ""):
		return wrong, usagef("-certificate and -key go together")
	case c.certificate != "" && c.out == "":
		return wrong, usagef("-certificate and -key are for the settings that -o writes; to serve the page at https, put a web server in front")
	case c.says("reason", policy.Censored.String()) && !c.says("contact") && !c.says("help"):
		// RFC 7725 §4
		return wrong, usagef("-reason censored needs -contact or -help: who is kept from a site by law must be told whom to ask")
	}
	config, err := c.config(e)
	if err != nil {
		return wrong, err
	}
	if c.out != "" {
		return c.write(e, config)
	}
	return c.serve(e, config)
}

// config returns the directive whose page is shown.
func (c *pageFlags) config(e *env) (*directive.Config, error) {
	if c.conf == "" {
		return directive.Parse(&properties{lines: append([][]string{{directive.Name}}, c.lines...)}, "")
	}
	servers, err := readCorefile(e, c.conf)
	if err != nil {
		return nil, err
	}
	s := servers[max(0, slices.IndexFunc(servers, showsPage))]
	if len(servers) > 1 {
		e.note("the page is that of the server block %s", s.blockName())
	}
	return s.config, nil
}

// showsPage reports whether a server serves the page, or names its address.
func showsPage(s server) bool { return len(s.config.Page.Listeners) > 0 || s.config.Page.Help != nil }

// blockName returns the keys of a server block, and its view if it has one.
func (s server) blockName() string {
	if s.view == "" {
		return s.label()
	}
	return s.label() + ", view " + s.view
}
