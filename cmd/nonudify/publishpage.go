package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/list"
)

// maxPage is the size below which the page for people stays, in bytes, unless the
// header fields of the list are very long.
const maxPage = 32 << 10

//go:embed publish.html
var pageText string

// pageTemplate is the page for people. It has no script and asks for nothing else.
var pageTemplate = template.Must(template.New("publish").Funcs(template.FuncMap{
	"day":  func(t time.Time) string { return t.UTC().Format("2 January 2006") },
	"time": stamp,
	"size": size,
	"link": isLink,
	"bare": func(s string) string { return strings.TrimPrefix(s, "mailto:") },
}).Parse(pageText))

// subscriber is a product that can use a published list.
type subscriber struct {
	name   string // as its makers write it
	to     list.Target
	config string // its name for convert -config; "" where a line is enough
	line   string // what has to be entered; FILE stands for the address of the file
	where  string // that is
}

// subscribers are in the order of the page: those that fetch for themselves first.
var subscribers = []subscriber{
	{name: "AdGuard Home", to: list.ToAdblock, line: "FILE", where: "Filters, DNS blocklists, Add blocklist, Add a custom list"},
	{name: "Pi-hole", to: list.ToPihole, line: "FILE", where: "Lists, Address, Add blocklist"},
	{name: "Technitium DNS Server", to: list.ToDomains, line: "FILE", where: "Settings, Blocking, Allow / Block List URLs"},
	{name: "uBlock Origin", to: list.ToAdblock, line: "FILE", where: "Dashboard, Filter lists, Import"},
	{name: "BIND", to: list.ToRPZ, config: "bind"},
	{name: "Unbound", to: list.ToRPZ, config: "unbound"},
	{name: "Unbound, as local zones", to: list.ToUnbound, config: "unbound-zones"},
	{name: "PowerDNS Recursor", to: list.ToRPZ, config: "powerdns"},
	{name: "PowerDNS Recursor, configured in Lua", to: list.ToRPZ, config: "powerdns-lua"},
	{name: "Knot Resolver 6", to: list.ToKnot, config: "knot"},
	{name: "Knot Resolver 5", to: list.ToRPZ, config: "knot5"},
	{name: "dnsdist", to: list.ToCDB, config: "dnsdist"},
	{name: "dnsmasq", to: list.ToDnsmasq, config: "dnsmasq"},
	{name: "dnscrypt-proxy", to: list.ToDNSCrypt, config: "dnscrypt"},
	{name: "RouterOS", to: list.ToRouterOS, config: "routeros"},
}

// way is how one product is subscribed to an edition.
type way struct {
	Name     string
	File     published
	Where    string
	Line     string
	Commands string // that fetch the file and check its signature
	Snippet  string // of the configuration
}

// writeIndexPage writes the page for people.
func writeIndexPage(w io.Writer, x *index) error {
	return pageTemplate.Execute(w, struct {
		*index
		Corefile string
		Check    string
		Ways     []way
	}{x, x.corefile(), x.check(x.Main), x.ways()})
}

// corefile returns the lines for this project's own resolver.
func (x *index) corefile() string {
	return fmt.Sprintf("nonudify {\n    list %s%s id %s key %s\n}", x.URL, x.Main, x.ID, x.Key.Public)
}

// check returns the commands that fetch a file and check its signature.
func (x *index) check(name string) string {
	at := x.URL + name
	return fmt.Sprintf("curl -fsS -O %s -O %s%s\nminisign -Vm %s -P %s", at, at, signatureSuffix, name, x.Key.Public)
}

// ways returns how the products are subscribed whose files the edition has.
func (x *index) ways() (ways []way) {
	for _, s := range subscribers {
		i := slices.IndexFunc(x.Files, func(f published) bool { return f.To == s.to })
		if i < 0 {
			continue
		}
		v := way{Name: s.name, File: x.Files[i], Where: s.where}
		if s.config == "" {
			v.Line = strings.ReplaceAll(s.line, "FILE", x.URL+v.File.Name)
		} else {
			v.Commands, v.Snippet = x.settings(s, v.File.Name)
		}
		ways = append(ways, v)
	}
	return ways
}

// settings returns how a file gets to where a product expects it, and what the
// product's configuration needs. Some products look by themselves whether the file is
// another, so it is there in one step; and some directories no package makes.
func (x *index) settings(s subscriber, name string) (commands, snippet string) {
	p := products[slices.IndexFunc(products, func(p product) bool { return p.name == s.config })]
	commands = x.check(name)
	if strings.HasPrefix(p.file, "/") {
		commands += fmt.Sprintf(" &&\n    mkdir -p %s &&\n    install -m 644 %s %s.new &&\n    mv %s.new %s", path.Dir(p.file), name, p.file, p.file, p.file)
	} else {
		p.file = name
	}
	return commands, unmade(p.fill(p.file, list.DefaultOrigin))
}

// madeBy is the line of a configuration that tells how convert makes the file. Here it
// is fetched instead, and what else an edition takes is told as elsewhere.
var madeBy = regexp.MustCompile(`(?m)^(\S+) The file: nonudify convert -to (\S+) -o \S+ LIST(?: && (.+))?\n`)

// unmade returns the text of a configuration whose file is not made but fetched.
func unmade(snippet string) string {
	return madeBy.ReplaceAllStringFunc(snippet, func(line string) string {
		m := madeBy.FindStringSubmatch(line)
		if m[3] == "" {
			return ""
		}
		return fmt.Sprintf("%s Each new edition takes '%s'.\n", m[1], m[3])
	})
}

// isLink reports whether a field of the header can be linked to.
func isLink(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http" || u.Scheme == "mailto")
}
