package main

import (
	"bufio"
	"bytes"
	"cmp"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/text/language"

	"github.com/nonudify/nonudify/plugin/helpline"
)

// machine is the system that the program runs on, as far as it is looked at.
type machine struct {
	root   string                 // of the file system
	getenv func(string) string    // environment variables
	links  func() ([]link, error) // the network interfaces
	// files returns how many files a process may have open, and which.
	files func() (n int64, who string, err error)
	free  func(dir string) (int64, error) // bytes that can be written where a directory is
}

// thisMachine is the one that we are on.
var thisMachine = machine{root: "/", getenv: os.Getenv, links: links, files: fileLimit, free: freeSpace}

// link is a network interface that is up.
type link struct {
	name     string
	loopback bool
	prefixes []netip.Prefix // its addresses, with the length of their networks
}

// links returns the network interfaces.
func links() ([]link, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var found []link
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		l := link{name: i.Name, loopback: i.Flags&net.FlagLoopback != 0}
		addresses, err := i.Addrs()
		if err != nil {
			continue // it has gone meanwhile
		}
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				l.prefixes = append(l.prefixes, p)
			}
		}
		found = append(found, l)
	}
	return found, nil
}

// surroundings is what was found out about a machine.
type surroundings struct {
	loopback  []string
	listen    []netip.Addr
	left      []netip.Addr // addresses that the world can reach
	upstreams []string
	from      string // the file with the upstreams
	country   string
	language  string
	by        string // what told country and language
	links     []link
}

// look finds out what init needs for a profile.
func (m machine) look(profile string) *surroundings {
	s := &surroundings{loopback: []string{"127.0.0.1"}}
	s.links, _ = m.links() // without it, the person names the addresses
	for _, l := range s.links {
		s.takeAddresses(l, profile)
	}
	s.upstreams, s.from = m.upstreams(s)
	s.place(m)
	return s
}

// takeAddresses takes those of an interface that others reach this machine by. A
// family and a school have private ones; one that the world can reach is not taken
// without being told to. Of IPv6, a host has addresses that come and go, and the server
// does not start at one that is gone: these are taken for a provider only, who sets them
// by hand.
func (s *surroundings) takeAddresses(l link, profile string) {
	for _, p := range l.prefixes {
		a := p.Addr()
		switch {
		case l.loopback && a == netip.IPv6Loopback():
			s.loopback = append(s.loopback, a.String())
		case l.loopback && a.IsLoopback() || a.IsLinkLocalUnicast() || isVirtual(l.name):
		case a.Is4() && a.IsPrivate() || profile == "isp":
			s.listen = append(s.listen, a)
		case !a.IsPrivate():
			s.left = append(s.left, a)
		}
	}
}

// isVirtual reports whether an interface leads to containers, virtual machines or a VPN.
func isVirtual(name string) bool {
	return slices.ContainsFunc([]string{"docker", "veth", "br-", "virbr", "lxc", "lxd", "cni", "flannel", "tun", "tap", "wg", "tailscale", "zt", "podman", "vmnet", "utun"},
		func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// linksOf returns the networks that addresses are in.
func (s *surroundings) linksOf(addresses []netip.Addr) (nets []string) {
	for _, l := range s.links {
		for _, p := range l.prefixes {
			if slices.Contains(addresses, p.Addr()) && !p.IsSingleIP() {
				nets = append(nets, p.Masked().String())
			}
		}
	}
	return nets
}

// resolvConfs are the files with the resolvers of a system. Behind the first, which may
// name a program of the machine that asks others, are those in which such programs, and
// routers, have the others.
var resolvConfs = []string{
	"etc/resolv.conf", "run/systemd/resolve/resolv.conf", "run/NetworkManager/no-stub-resolv.conf",
	"tmp/resolv.conf.d/resolv.conf.auto", "run/dnsmasq/resolv.conf",
}

// upstreams returns the resolvers that the machine uses now, and the file that names
// them. Itself is none of them, as it will be this resolver.
func (m machine) upstreams(s *surroundings) (found []string, file string) {
	for _, name := range resolvConfs {
		for _, a := range nameservers(filepath.Join(m.root, name)) {
			self := a.IsLoopback() || slices.Contains(s.listen, a) || slices.Contains(s.left, a)
			if !self && len(found) < maxUpstreams && !slices.Contains(found, a.String()) {
				found = append(found, a.String())
			}
		}
		if len(found) > 0 {
			return found, filepath.Join(m.root, name)
		}
	}
	return nil, ""
}

// Limits of what is read of a system.
const (
	maxUpstreams  = 3 // as many as the C library asks
	maxSystemFile = 1 << 20
)

// nameservers returns those of a resolv.conf. One with a zone is left out: it holds on
// this machine only while the interface has its name.
func nameservers(path string) (found []netip.Addr) {
	text, err := readFile(path, maxSystemFile)
	if err != nil {
		return nil
	}
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		words := strings.Fields(s.Text())
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(words[1]); err == nil && a.Zone() == "" {
			found = append(found, a.Unmap())
		}
	}
	return found
}

// place guesses country and language. The time zone tells the country better than the
// locale, which is often the one that a system comes with.
func (s *surroundings) place(m machine) {
	locale, _, _ := strings.Cut(cmp.Or(m.getenv("LC_ALL"), m.getenv("LC_MESSAGES"), m.getenv("LANG")), ".")
	tag, err := language.Parse(strings.ReplaceAll(locale, "_", "-"))
	if base, confidence := tag.Base(); err == nil && confidence == language.Exact && locale != "C" {
		s.language = base.String()
		s.by = "the locale " + locale
	}
	if zone := m.timeZone(); zone != "" {
		if s.country = m.countryOf(zone); s.country != "" {
			s.by = strings.Join(slices.DeleteFunc([]string{"the time zone " + zone, s.by}, func(t string) bool { return t == "" }), ", ")
			return
		}
	}
	if region, confidence := tag.Region(); err == nil && confidence == language.Exact && hasHelplines(region.String()) {
		s.country = region.String()
	}
}

// timeZone returns the name of the system's time zone, "" if it is not known.
func (m machine) timeZone() string {
	if target, err := os.Readlink(filepath.Join(m.root, "etc/localtime")); err == nil {
		if _, zone, ok := strings.Cut(filepath.ToSlash(target), "zoneinfo/"); ok {
			return zone
		}
	}
	text, err := readFile(filepath.Join(m.root, "etc/timezone"), maxSystemFile)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// countryOf returns the country that a time zone is for, if helplines are known there.
// "" for a zone of none or of several.
func (m machine) countryOf(zone string) string {
	text, err := readFile(filepath.Join(m.root, "usr/share/zoneinfo/zone.tab"), maxSystemFile)
	if err != nil {
		return ""
	}
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		if f := strings.Split(s.Text(), "\t"); len(f) > 2 && f[2] == zone && hasHelplines(f[0]) {
			return f[0]
		}
	}
	return ""
}

// hasHelplines reports whether the help page knows helplines of a country.
func hasHelplines(code string) bool {
	return slices.ContainsFunc(helpline.Builtin().Countries(), func(p helpline.Place) bool { return p.Code == code })
}

// tell says what was taken of the machine, and enters it where no flag says otherwise.
func (s *surroundings) tell(e *env, c *initFlags) {
	if len(c.listen) == 0 && len(s.listen) > 0 {
		c.listen = s.listen
		e.note("this machine has the %s %s: give it the same for good, in your router or its own settings", plural(len(s.listen), "address", "addresses"), joinAddrs(s.listen))
	}
	if len(c.listen) == 0 && len(s.left) > 0 {
		e.note("left out: %s, which the world can reach; -listen names an address all the same", joinAddrs(s.left))
	}
	if len(c.upstreams) == 0 && len(s.upstreams) > 0 {
		c.upstreams = s.upstreams
		e.note("it asks %s about everything else, as %s does", strings.Join(s.upstreams, " "), s.from)
	}
	if c.country == "" && c.language == "" && s.country+s.language != "" && c.profile != "isp" {
		c.country, c.language = s.country, s.language
		e.note("country %s, language %s, after %s", orNone(s.country), orNone(s.language), s.by)
	}
}

// pageAddress returns where the help page is shown. Where nobody has said it, that is at
// an address at which only the own network sees it, and a port that few other programs
// have.
func (c *initFlags) pageAddress() string {
	if c.page != "" {
		return c.page
	}
	for _, a := range c.listen {
		if isLocal(a) && c.profile != "isp" {
			return netip.AddrPortFrom(a, 8080).String()
		}
	}
	return "off"
}

// plural chooses the word for a number of things.
func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func joinAddrs(addresses []netip.Addr) string {
	words := make([]string, len(addresses))
	for i, a := range addresses {
		words[i] = a.String()
	}
	return strings.Join(words, " ")
}
