package nonudify

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
	"weak"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/sinkhole"
	"github.com/nonudify/nonudify/plugin/sinkhole/authority"
)

// pages are the listeners of the help page. They outlive a reload.
var pages = sinkhole.Pool{Failed: pageFailed}

// pageFailed tells of a listener that only a person can mend.
func pageFailed(address string, err error) {
	pageFailures.Inc()
	log.Errorf("Help page at %s: %v", address, err)
}

// counted counts the requests that a handler answers, and nothing of them.
func counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pageRequests.Inc()
		h.ServeHTTP(w, r)
	})
}

// site is what is served, at http or at https, of all directives of an instance
// whose pages say the same.
type site struct {
	sinkhole.Site
	reason    policy.Reason        // for hosts that none of the policies blocks
	authority *authority.Authority // nil: there is none

	mu      sync.Mutex
	members []*NoNudify
}

var (
	// errCertificate refuses a listener that could finish no handshake.
	errCertificate = errors.New("the help page at https has no certificate: add the tls plugin to this server block, or 'authority'")
	// errDiffer explains sinkhole.ErrShared.
	errDiffer = errors.New("directives with the same 'page' must agree in reason, organization, contact, incident, language, country, helplines and help, and at https in authority and certificate")
)

// readHelplines reads the helplines of the operator, which is done once in a start:
// what is linked to, shown and reminded of is then the same. It keeps every list
// off the hosts that they lead to and that the help pages of the instance are at.
func (n *NoNudify) readHelplines(i *instance) (err error) {
	n.helplines, err = n.config.ReadHelplines(time.Now())
	n.config.Page.Protected = append(n.helplines.Hosts(), i.help...)
	return err
}

// soon is how long before a number of the operator expires the log tells.
const soon = 30 * 24 * time.Hour

// remind tells of numbers of the operator's own that are no longer shown, or not
// for long.
func remind(own directive.Helplines, now time.Time) {
	for _, e := range own {
		switch end := e.Expires(); {
		case end.IsZero() || now.Add(soon).Before(end):
		case now.Before(end):
			log.Warningf("Helplines: %s: the number is shown until %s: check it, and write down the day", e.Source, end.Format(time.DateOnly))
		default:
			log.Warningf("Helplines: %s: the number is no longer shown since %s: check it, and write down the day", e.Source, end.Format(time.DateOnly))
		}
	}
}

// openPage starts the listeners of the help page.
func (n *NoNudify) openPage(i *instance) error {
	sites := map[bool]*site{}
	for _, l := range n.config.Page.Listeners {
		if sites[l.TLS] == nil {
			s, err := i.site(n, l.TLS)
			if err != nil {
				return err
			}
			sites[l.TLS] = s
		}
		share, err := pages.Acquire(l.Addr, weak.Make(i), &sites[l.TLS].Site)
		if errors.Is(err, sinkhole.ErrShared) {
			err = fmt.Errorf("%w: %w", err, errDiffer)
		}
		if err != nil {
			return err
		}
		n.sources.pages = append(n.sources.pages, share)
		log.Infof("Help page at %v", share.Address())
	}
	remind(n.helplines, time.Now())
	n.sources.secure = sites[true]
	return nil
}

// site returns the site of a directive: the one that another of the instance
// has already, if it shows the same.
func (i *instance) site(n *NoNudify, secure bool) (*site, error) {
	key := pageKey(n, secure)
	s := i.sites[key]
	if s == nil {
		s = &site{reason: n.config.Reason}
		if err := s.open(n, secure); err != nil {
			return nil, err
		}
		i.sites[key] = s
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members = append(s.members, n)
	return s, nil
}

// pageKey is the same for directives whose pages show the same, at https with
// the same certificates.
func pageKey(n *NoNudify, secure bool) string {
	c, a := n.config, n.config.Answer
	key := fmt.Sprintf("%d %q %q %q %q %q %q %q", c.Reason, a.Organization, a.Contacts, a.Incidents,
		c.Languages, c.Page.Help, c.Page.Countries, c.Page.Helplines)
	if !secure {
		return key
	}
	own := directive.Authority{}
	if c.Page.Authority != nil {
		own = *c.Page.Authority
	}
	return fmt.Sprintf("https %s %q %q", key, own, certificateKey(n.certificate))
}

// certificateKey is the same for settings of the tls plugin that name the same
// certificate: each server block has settings of its own.
func certificateKey(c *tls.Config) string {
	switch {
	case c == nil:
		return ""
	case len(c.Certificates) > 0 && len(c.Certificates[0].Certificate) > 0:
		return string(c.Certificates[0].Certificate[0])
	}
	return fmt.Sprintf("%p", c)
}

// open makes the handler, and reads what it needs from disk.
func (s *site) open(n *NoNudify, secure bool) error {
	c := n.config
	page, err := c.NewPage(n.helplines, time.Now)
	if err != nil {
		return err
	}
	s.Handler = counted(sinkhole.NewHandler(sinkhole.HandlerConfig{
		Page: page, Reason: s.reasonOf, Help: c.Page.Help, Contact: c.Contact(),
	}))
	if !secure {
		return nil
	}
	if c.Page.Authority == nil && n.certificate == nil {
		return errCertificate
	}
	if err := s.openAuthority(c.Page.Authority); err != nil {
		return err
	}
	own, _ := c.Page.HelpName()
	s.TLS = s.handshake(own, n.certificate)
	return nil
}

// openAuthority loads the authority if there is one. A certificate that has
// ended costs the page at https, not the DNS of a school.
func (s *site) openAuthority(a *directive.Authority) (err error) {
	if a == nil {
		return nil
	}
	s.authority, err = authority.Load(authority.Config{Certificate: a.Certificate, Key: a.Key, Listed: s.listed})
	if err != nil {
		return err
	}
	switch status := s.authority.Status(); {
	case !status.Issuing:
		log.Errorf("No help page for names at https: the time of %s is not now, it ends on %s", a.Certificate, status.NotAfter.Format(time.DateOnly))
	case status.Renew:
		log.Warningf("The certificate %s ends on %s: put a new one in its place and reload", a.Certificate, status.NotAfter.Format(time.DateOnly))
	}
	return nil
}

// handshake returns the settings of a handshake: those of the tls plugin for the
// operator's own address, those of the authority for all other names. Where
// there are none, the handshake is aborted.
func (s *site) handshake(own dnsname.Name, certificate *tls.Config) func(*tls.ClientHelloInfo) (*tls.Config, error) {
	var public, managed *tls.Config
	if certificate != nil && own != "" {
		public = certificate.Clone()
		public.NextProtos = []string{"http/1.1"}
		public.ClientAuth = tls.NoClientCert
	}
	if s.authority != nil {
		managed = s.authority.TLS()
	}
	return func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if name, err := dnsname.Parse(hello.ServerName); public != nil && err == nil && name == own {
			return public, nil
		}
		return managed, nil
	}
}

// reasonOf returns why a host is blocked.
func (s *site) reasonOf(host string) policy.Reason {
	if reason, listed := s.blocked(host); listed {
		return reason
	}
	return s.reason
}

// listed reports whether a name leads to the help page.
func (s *site) listed(name string) bool {
	_, listed := s.blocked(name)
	return listed
}

// blocked asks the policies that are in force.
func (s *site) blocked(host string) (policy.Reason, bool) {
	name, err := dnsname.Parse(host)
	if err != nil {
		return 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.members {
		if p := n.policy.Load(); p != nil {
			if reason, listed := p.Listed(name.FQDN()); listed {
				return reason, true
			}
		}
	}
	return 0, false
}
