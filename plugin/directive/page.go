package directive

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/answer"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/helpline"
	"github.com/nonudify/nonudify/plugin/sinkhole"
)

// Limits of what a directive may ask for.
const (
	maxListeners = 16
	maxCountries = 4
	maxHelplines = 8
)

// Page is what a directive says of the help page.
type Page struct {
	Listeners []Listener // none: the page is not served
	// Help is the operator's own address of the page; nil: there is none.
	Help      *url.URL
	Countries []string            // whose helplines come first, as ISO 3166-1 codes in upper case
	Helplines []string            // files of the operator's own helplines
	named     map[string]position // where the Corefile has each of these
	Authority *Authority
	// Protected are more hosts that no list may block. They are no part of the
	// directive: whoever has them enters them.
	Protected []dnsname.Name
}

// Listener is where the page is served.
type Listener struct {
	Addr netip.AddrPort
	TLS  bool
}

// Authority is the certificate authority of a managed network.
type Authority struct {
	Certificate, Key string // paths
}

// page reads where the help page is served: ADDRESS is an IP address with or
// without a port, with https:// in front for a listener with TLS.
func (p *parser) page(args []string) error {
	if slices.Contains(args, "off") && len(args)+len(p.config.Page.Listeners) > 1 || p.pageOff {
		return p.Errf("the page is off, or it has addresses")
	}
	if args[0] == "off" {
		p.pageOff = true
		return nil
	}
	for _, arg := range args {
		l, err := parseListener(arg)
		if err != nil {
			return p.Errf("%v", err)
		}
		if slices.ContainsFunc(p.config.Page.Listeners, func(other Listener) bool { return other.Addr == l.Addr }) {
			return p.Errf("page '%s' is given twice", arg)
		}
		p.config.Page.Listeners = append(p.config.Page.Listeners, l)
	}
	if len(p.config.Page.Listeners) > maxListeners {
		return p.Errf("more than %d addresses of the page", maxListeners)
	}
	return nil
}

// parseListener reads one address of the page.
func parseListener(arg string) (Listener, error) {
	l := Listener{}
	scheme, rest, found := strings.Cut(arg, "://")
	port := uint16(80)
	switch {
	case !found:
		rest = arg
	case scheme == "https":
		l.TLS, port = true, 443
	case scheme != "http":
		return l, fmt.Errorf("page '%s': want an address, with http:// or https:// in front or without", arg)
	}
	bare := rest
	if strings.HasPrefix(bare, "[") && strings.HasSuffix(bare, "]") {
		bare = bare[1 : len(bare)-1]
	}
	addr, err := netip.ParseAddr(bare)
	if err == nil {
		l.Addr = netip.AddrPortFrom(addr, port)
	} else if l.Addr, err = netip.ParseAddrPort(rest); err != nil {
		return l, fmt.Errorf("page '%s': want an address such as 192.0.2.1, 192.0.2.1:8080 or [2001:db8::1]:80", arg)
	}
	if l.Addr.Port() == 0 || l.Addr.Addr().IsMulticast() {
		return l, fmt.Errorf("page '%s': nobody can connect to such an address", arg)
	}
	return l, nil
}

// help reads the operator's own address of the page.
func (p *parser) help(args []string) error {
	arg, err := p.one(args)
	if err != nil {
		return err
	}
	u, err := url.Parse(arg)
	switch {
	case err != nil || u.Scheme != "https" || u.Opaque != "" || !isHost(u.Hostname()):
		return p.Errf("help '%s': want an address such as https://help.isp.example/", show(arg))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return p.Errf("help '%s': want no user, query or fragment", show(arg))
	}
	name, err := dnsname.Parse(u.Hostname())
	if err != nil {
		return p.Errf("help '%s': want a name, which a certificate can be for", show(arg))
	}
	u.Host = strings.Replace(u.Host, u.Hostname(), string(name), 1)
	p.config.Page.Help = u
	return nil
}

// country reads the countries whose helplines come first.
func (p *parser) country(args []string) error {
	for _, arg := range args {
		code := strings.ToUpper(arg)
		if len(code) != 2 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return p.Errf("'%s' is no country: want two letters of ISO 3166, such as DE", arg)
		}
		if slices.Contains(p.config.Page.Countries, code) {
			return p.Errf("country '%s' is given twice", arg)
		}
		p.config.Page.Countries = append(p.config.Page.Countries, code)
	}
	if len(p.config.Page.Countries) > maxCountries {
		return p.Errf("more than %d countries", maxCountries)
	}
	return nil
}

// helplines reads the files of the operator's own helplines.
func (p *parser) helplines(args []string) error {
	page := &p.config.Page
	if page.named == nil {
		page.named = make(map[string]position)
	}
	for _, arg := range args {
		if isURL(arg) {
			return p.Errf("'%s': a file is meant, not a URL", show(arg))
		}
		page.Helplines = append(page.Helplines, p.path(arg))
		page.named[p.path(arg)] = p.position()
	}
	if len(page.Helplines) > maxHelplines {
		return p.Errf("more than %d files of helplines", maxHelplines)
	}
	return nil
}

// authority reads where the certificate authority is.
func (p *parser) authority(args []string) error {
	if len(args) != 2 {
		return p.ArgErr()
	}
	p.config.Page.Authority = &Authority{Certificate: p.path(args[0]), Key: p.path(args[1])}
	return nil
}

// finishPage checks what the properties of the page say together.
func (p *parser) finishPage() error {
	page, a := &p.config.Page, &p.config.Answer
	switch {
	case page.Authority != nil && !page.Secure():
		return p.Errf("an authority needs a listener with TLS, such as 'page https://192.0.2.1'")
	case page.Secure() && page.Authority == nil && page.Help == nil:
		return p.Errf("a page at https needs a certificate: either 'help URL' and the tls plugin, or 'authority CERT KEY'")
	}
	if err := p.knowCountries(); err != nil {
		return err
	}
	if a.Action == answer.Sinkhole && len(a.Addresses) == 0 {
		a.Addresses = page.addresses()
		if len(a.Addresses) == 0 {
			return p.Errf("action sinkhole needs the addresses of the page: name them, or give 'page' one on port 80 that is not 0.0.0.0 or [::]")
		}
	}
	return nil
}

// knowCountries refuses a country for which there is nothing to show. With files
// of helplines, which may have it, that is found out when they are read.
func (p *parser) knowCountries() error {
	for _, code := range p.config.Page.Countries {
		known := slices.ContainsFunc(helpline.Builtin().Countries(), func(place helpline.Place) bool { return place.Code == code })
		if !known && len(p.config.Page.Helplines) == 0 {
			if code == "UK" {
				return p.Errf("no helplines are known for country 'UK': the United Kingdom is GB")
			}
			return p.Errf("no helplines are known for country '%s': give it some with 'helplines'", code)
		}
	}
	return nil
}

// Secure reports whether the page is served over TLS anywhere.
func (p *Page) Secure() bool {
	return slices.ContainsFunc(p.Listeners, func(l Listener) bool { return l.TLS })
}

// addresses returns the addresses at which a browser finds the page by itself.
func (p *Page) addresses() []netip.Addr {
	var found []netip.Addr
	for _, l := range p.Listeners {
		if a := l.Addr.Addr().Unmap(); !a.IsUnspecified() && l.Addr.Port() == 80 && !slices.Contains(found, a) {
			found = append(found, a)
		}
	}
	return found
}

// HelpName returns the host of the operator's own page as a name, and whether it
// is one.
func (p *Page) HelpName() (dnsname.Name, bool) {
	if p.Help == nil {
		return "", false
	}
	name, err := dnsname.Parse(p.Help.Hostname())
	return name, err == nil
}

// NewPage returns the help page of the directive, with the operator's own
// helplines.
func (c *Config) NewPage(own Helplines, now func() time.Time) (*sinkhole.Page, error) {
	config := sinkhole.PageConfig{
		Organization: c.Answer.Organization,
		Contacts:     c.Answer.Contacts,
		Countries:    c.Page.Countries,
		Languages:    c.Languages,
		Directory:    helpline.Builtin().With(own),
		Now:          now,
	}
	for _, i := range c.Answer.Incidents {
		config.Notices = append(config.Notices, i.Database+" "+i.ID)
	}
	return sinkhole.NewPage(config)
}

// Helplines are the operator's own.
type Helplines []helpline.Change

// ReadHelplines reads the files of the operator's own helplines. The error names
// the lines that are wrong, and for a file that cannot be read the line of the
// Corefile that names it.
func (c *Config) ReadHelplines(now time.Time) (all Helplines, err error) {
	for _, path := range c.Page.Helplines {
		changes, wrong := readHelplineFile(path, c.Page.named[path], now)
		all, err = append(all, changes...), errors.Join(err, wrong)
	}
	return all, err
}

func readHelplineFile(path string, named position, now time.Time) ([]helpline.Change, error) {
	f, err := openHelplines(path)
	if err != nil {
		return nil, named.of(fmt.Errorf("helplines: %w", err))
	}
	defer f.Close()
	return helpline.Parse(f, path, now)
}

func openHelplines(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: is no regular file", path) // to open a pipe could wait for ever
	}
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

// Hosts returns the hosts that the helplines lead to.
func (h Helplines) Hosts() []dnsname.Name {
	var hosts []dnsname.Name
	for _, change := range h {
		u, err := url.Parse(change.URL)
		if err != nil {
			continue // there is none
		}
		if name, err := dnsname.Parse(u.Hostname()); err == nil {
			hosts = append(hosts, name)
		}
	}
	return hosts
}

// Contact returns the first address for wrong blocks, "" when there is none.
func (c *Config) Contact() string {
	if len(c.Answer.Contacts) == 0 {
		return ""
	}
	return c.Answer.Contacts[0]
}
