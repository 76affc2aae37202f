package main

import (
	"bytes"
	"embed"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

// profiles are for whom init writes a Corefile.
var profiles = []string{"family", "school", "isp"}

//go:embed initconf
var initFiles embed.FS

// Names to try a resolver with, in the zone that is for tests (RFC 6761 §6.2) and so
// is nobody's. Devices that find checkName ask this resolver, and no other has it;
// blockedName is denied as a listed name is.
const (
	checkName   = "filter-check.test"
	blockedName = "filter-blocked.test"
)

// longestSocket is the length of the path of a socket that every system takes.
const longestSocket = 100

// choices is what a Corefile is written with.
type choices struct {
	Profile      string
	Dir, State   string
	Port         uint
	Binds        []string
	Upstreams    []string
	Bootstrap    []string // resolvers that look up the hosts of lists
	Open         []string // who may ask, where the world could; none: the addresses are private
	Answers      []checkAnswer
	Page         string // "": it is not shown
	Country      string
	Language     string
	Organization string
	Contact      string
	Staff        []netip.Prefix
	Guests       []netip.Prefix
	List, Key    string

	exposed  []netip.Addr // addresses that the world can reach
	loopback bool         // no other machine can ask
}

// checkAnswer is an address that checkName leads to.
type checkAnswer struct {
	Type    string
	Address netip.Addr
}

// Check and Blocked are the constants of these names, for the templates.
func (*choices) Check() string   { return checkName }
func (*choices) Blocked() string { return blockedName }

// Status returns the line of the status page. Its socket is in the state directory, which
// is there and can be written, however the server is started.
func (s *choices) Status() string {
	path := s.State + "/status.sock"
	if len(path) > longestSocket {
		return "# status 127.0.0.1:8053   # what 'nonudify status' reads"
	}
	return "status " + quote("unix:"+path) + "   # what 'nonudify status' reads"
}

// Path returns the path of a file beside the Corefile.
func (s *choices) Path(name string) string { return quote(s.Dir + "/" + name) }

// Expr returns the expression of a view for the clients in some prefixes.
func (*choices) Expr(prefixes []netip.Prefix) string {
	terms := make([]string, len(prefixes))
	for i, p := range prefixes {
		terms[i] = fmt.Sprintf("incidr(client_ip(), '%v')", p.Masked())
	}
	return strings.Join(terms, " || ")
}

// quote writes a word as a Corefile wants it.
func quote(text string) string {
	if text == "" || strings.ContainsAny(text, " #") {
		return `"` + text + `"`
	}
	return text
}

// newChoices puts together what was said and what was found.
func newChoices(c *initFlags, found *surroundings) (*choices, error) {
	s := &choices{
		Profile: c.profile, Dir: filepath.ToSlash(c.dir), State: filepath.ToSlash(c.state), Port: c.port,
		Upstreams: c.upstreams, Country: c.country, Language: c.language, Organization: c.organization,
		Contact: c.contact, Staff: c.staff, Guests: c.guests, List: c.list, Key: c.key,
	}
	if (s.List == "") != (s.Key == "") {
		return nil, usagef("a list and its key belong together: the list must be signed")
	}
	if len(s.Upstreams) == 0 {
		return nil, usagef("no resolver is known that could be asked about everything else: name one with -upstream ADDRESS")
	}
	if i := slices.IndexFunc(c.listen, func(a netip.Addr) bool { return a.IsUnspecified() || a.IsMulticast() }); i >= 0 {
		return nil, usagef("%v is no address of this machine: name those that it is to answer at", c.listen[i])
	}
	s.bind(c.listen, found)
	for _, u := range s.Upstreams {
		if a, err := parseUpstream(u); err != nil {
			return nil, err
		} else if slices.Contains(s.Binds, a.Addr().String()) && a.Port() == uint16(s.Port) {
			return nil, usagef("%s is this resolver itself: what is not blocked would be asked of it again and again", u)
		}
		if !strings.Contains(u, "://") {
			s.Bootstrap = append(s.Bootstrap, u)
		}
	}
	if page := c.pageAddress(); page != "off" {
		s.Page = page
	}
	return s, nil
}

// bind enters the addresses to listen at.
func (s *choices) bind(listen []netip.Addr, found *surroundings) {
	s.Binds, s.loopback = slices.Clone(found.loopback), true
	for _, a := range listen {
		if slices.Contains(s.Binds, a.String()) {
			continue
		}
		s.Binds, s.loopback = append(s.Binds, a.String()), false
		s.answer(a)
		if !isLocal(a) {
			s.exposed = append(s.exposed, a)
		}
	}
	if len(s.Answers) == 0 {
		s.answer(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	if len(s.exposed) > 0 && s.Profile != "isp" {
		s.Open = append(slices.Clone(privateNets), found.linksOf(s.exposed)...)
	}
}

// answer has checkName lead to an address, the first one of its family.
func (s *choices) answer(a netip.Addr) {
	c := checkAnswer{Type: "A", Address: a}
	if a.Is6() {
		c.Type = "AAAA"
	}
	known := func(other checkAnswer) bool { return other.Type == c.Type }
	if !slices.ContainsFunc(s.Answers, known) {
		s.Answers = append(s.Answers, c)
	}
}

// privateNets are those from which nobody comes over the Internet.
var privateNets = []string{"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"}

// isLocal reports whether only machines nearby can reach an address.
func isLocal(a netip.Addr) bool { return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() }

// warn tells what a person should know beside the Corefile.
func (s *choices) warn(e *env) {
	if s.loopback {
		e.note("it answers this machine only: -listen ADDRESS names an address that others can reach")
	}
	for _, a := range s.exposed {
		if s.Profile == "isp" {
			e.note("%v can be reached from everywhere: let your border routers drop queries that come from elsewhere", a)
		} else {
			e.note("%v can be reached from everywhere: 'acl' in the Corefile says who may ask there", a)
		}
	}
}

// corefile writes the Corefile.
func (s *choices) corefile() ([]byte, error) {
	funcs := template.FuncMap{"quote": quote, "join": func(words []string) string { return strings.Join(words, " ") }}
	name := s.Profile + ".corefile"
	t, err := template.New(name).Funcs(funcs).ParseFS(initFiles, "initconf/parts.corefile", "initconf/"+name)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, s); err != nil {
		return nil, err
	}
	return []byte(formatCorefile(text.String())), nil
}
