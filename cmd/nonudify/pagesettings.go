package main

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"golang.org/x/text/language"

	"github.com/nonudify/nonudify/plugin/answer"
	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/sinkhole"
	"github.com/nonudify/nonudify/plugin/sinkhole/message"
)

//go:embed pageconf
var settingsFiles embed.FS

// settingsNames are the files with the settings of web servers.
var settingsNames = []string{"Caddyfile", "apache.conf", "nginx.conf"}

var settingsTemplates = template.Must(template.ParseFS(settingsFiles, "pageconf/*"))

// nothing is the file that a program gets in the place of the page: it is empty.
const nothing = "nothing"

// settings is what the settings of a web server are made of.
type settings struct {
	Dir       string // of the files, absolute
	Blocked   bool   // the page is there for the place of blocked sites
	Status    int
	Addresses []string // to listen at, with brackets where URLs have them; none: all
	Link      string   // who blocks, a Link field; "" where none is sent
	CSP       string   // Content-Security-Policy

	Own        bool   // the page is there for the operator's own address
	Host, Port string // of it
	Path       string // of it, with a slash at its end

	Certificate, Key string // of it: paths
	Named            bool   // by -certificate and -key: Caddy needs neither

	Tags     []tag
	Fallback string // the language of index.html
}

// tag is a language that a browser may ask for.
type tag struct{ Tag, File string }

// addSettings adds the settings of each web server to the files.
func (c *pageFlags) addSettings(files map[string][]byte, p *sinkhole.Page, config *directive.Config) error {
	s, err := c.settings(p, config)
	if err != nil {
		return err
	}
	for _, name := range settingsNames {
		var b bytes.Buffer
		if err := settingsTemplates.ExecuteTemplate(&b, name, s); err != nil {
			return err
		}
		files[name] = b.Bytes()
	}
	return nil
}

func (c *pageFlags) settings(p *sinkhole.Page, config *directive.Config) (*settings, error) {
	dir, err := settingsPath("-o", c.out)
	if err != nil {
		return nil, err
	}
	s := &settings{
		Dir:      dir,
		Blocked:  !c.own,
		Status:   http.StatusForbidden,
		CSP:      p.ContentSecurityPolicy(),
		Own:      c.own,
		Host:     "help.example",
		Port:     "443",
		Path:     "/",
		Tags:     tags(),
		Fallback: message.Match(config.Languages...).String(),
	}
	if config.Answer.Action == answer.Sinkhole {
		for _, a := range config.Answer.Addresses {
			s.Addresses = append(s.Addresses, urlHost(a.String()))
		}
	}
	if config.Reason == policy.Censored {
		s.Status, s.Link = http.StatusUnavailableForLegalReasons, linkOf(config)
	}
	if err := s.setHelp(config.Page.Help); err != nil {
		return nil, err
	}
	return s, c.setCertificate(s)
}

// special reports whether a character may mean something to a web server in its
// settings.
func special(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~:/", r)
}

// setHelp enters the operator's own address.
func (s *settings) setHelp(help *url.URL) error {
	if help == nil {
		return nil
	}
	s.Own, s.Host, s.Path = true, help.Hostname(), path.Join("/", help.Path)
	s.Port = cmp.Or(help.Port(), s.Port)
	if s.Path != "/" {
		s.Path += "/"
	}
	if strings.ContainsFunc(s.Host+s.Path, special) {
		return usagef("the settings of web servers cannot hold %s: want letters, digits and -._~/ only", help)
	}
	return nil
}

// setCertificate enters where the certificate of the operator's own address is. It
// need not be there yet, or on this machine.
func (c *pageFlags) setCertificate(s *settings) error {
	s.Certificate, s.Key = "/etc/ssl/"+s.Host+".pem", "/etc/ssl/"+s.Host+".key"
	if c.certificate == "" {
		return nil
	}
	if !s.Own {
		return usagef("-certificate and -key are for your own address: give %s, or -own", c.flagOr("help"))
	}
	s.Named = true
	var err error
	if s.Certificate, err = settingsPath("-certificate", c.certificate); err != nil {
		return err
	}
	s.Key, err = settingsPath("-key", c.key)
	return err
}

// settingsPath returns the value of a flag as an absolute path that settings can
// hold.
func settingsPath(flag, value string) (string, error) {
	path, err := filepath.Abs(value)
	if err != nil {
		return "", err
	}
	path = filepath.ToSlash(path)
	if strings.ContainsFunc(path, special) {
		return "", usagef("%s: the settings of web servers cannot hold the path %q: want one of letters, digits and -._~:/ only", flag, path)
	}
	return path, nil
}

// linkOf returns the field that names who blocks by law (RFC 7725 §4).
func linkOf(config *directive.Config) string {
	by := sinkhole.BlockedBy(config.Page.Help, config.Contact())
	if by == "" {
		return ""
	}
	return "<" + plainURI(by) + `>; rel="blocked-by"`
}

// plainURI returns a URI without characters that mean something to a web server.
func plainURI(uri string) string {
	var b strings.Builder
	for _, c := range []byte(uri) {
		if special(rune(c)) && strings.IndexByte("%?&=+@,[]", c) < 0 {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// urlHost returns an address as it stands in a URL.
func urlHost(address string) string {
	if strings.Contains(address, ":") {
		return "[" + address + "]"
	}
	return address
}

// aliases are tags by which browsers ask for a language that has another tag on
// the page: of old or national forms, and of Chinese by country.
var aliases = []string{"no", "nn", "tl", "iw", "in", "sh", "zh", "zh-CN", "zh-SG", "zh-TW", "zh-HK", "zh-MO"}

// tags returns what browsers may ask for, a longer tag before one that it begins
// with.
func tags() (all []tag) {
	for _, l := range message.Languages() {
		all = append(all, tag{l.String(), l.String()})
	}
	for _, alias := range aliases {
		all = append(all, tag{alias, message.Match(language.Make(alias)).String()})
	}
	slices.SortStableFunc(all, func(a, b tag) int { return len(b.Tag) - len(a.Tag) })
	return all
}

// Pattern returns a regular expression of all tags.
func (s *settings) Pattern() string {
	var words []string
	for _, t := range s.Tags {
		words = append(words, t.Tag)
	}
	return strings.Join(words, "|")
}

// Pages returns a regular expression of the names of all pages.
func (s *settings) Pages() string {
	words := []string{"index"}
	for _, t := range s.Tags {
		if t.Tag == t.File {
			words = append(words, t.File)
		}
	}
	return strings.Join(words, "|")
}

// ApacheLink returns the Link field for a server to which % means something.
func (s *settings) ApacheLink() string { return strings.ReplaceAll(s.Link, "%", "%%") }

// URL returns the operator's own address of the page.
func (s *settings) URL() string {
	if s.Port == "443" {
		return "https://" + s.Host + s.Path
	}
	return "https://" + s.Host + ":" + s.Port + s.Path
}

// Bare returns the path without the slash at its end.
func (s *settings) Bare() string { return strings.TrimSuffix(s.Path, "/") }
