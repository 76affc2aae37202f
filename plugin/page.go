package nonudify

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"
	"weak"

	"github.com/coredns/coredns/plugin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/sinkhole"
	"github.com/nonudify/nonudify/plugin/sinkhole/authority"
)

// pages are the listeners of the help page. They outlive a reload.
var pages = sinkhole.Pool{Failed: func(address netip.AddrPort, err error) { log.Errorf("Help page at %v: %v", address, err) }}

var (
	pageRequests = promauto.NewCounter(prometheus.CounterOpts{
		Namespace: plugin.Namespace, Subsystem: directive.Name, Name: "page_requests_total",
		Help: "Counter of requests that the help page's listeners have answered.",
	})
	authorityExpiry = promauto.NewGauge(prometheus.GaugeOpts{
		Namespace: plugin.Namespace, Subsystem: directive.Name, Name: "authority_expiry_timestamp_seconds",
		Help: "When the certificate of the authority ends, 0 if there is none.",
	})
)

// counted counts the requests that a handler answers, and nothing of them.
func counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pageRequests.Inc()
		h.ServeHTTP(w, r)
	})
}

// site is the help page of all directives of an instance that show the same.
type site struct {
	plain, secure sinkhole.Site
	reason        policy.Reason        // for hosts that none of the policies blocks
	authority     *authority.Authority // nil: there is none

	mu      sync.Mutex
	members []*NoNudify
}

// errCertificate refuses a listener that could finish no handshake.
var errCertificate = errors.New("the help page at https has no certificate: add the tls plugin to this server block, or 'authority'")

// openPage starts the listeners of the help page.
func (n *NoNudify) openPage(i *instance, certificate *tls.Config) error {
	if len(n.config.Page.Listeners) == 0 {
		return nil
	}
	s, err := i.site(n, certificate)
	if err != nil {
		return err
	}
	for _, l := range n.config.Page.Listeners {
		served := &s.plain
		if l.TLS {
			served = &s.secure
		}
		share, err := pages.Acquire(l.Addr, weak.Make(i), served)
		if err != nil {
			return err
		}
		n.sources.pages = append(n.sources.pages, share)
	}
	return nil
}

// site returns the site of a directive: the one that another of the instance
// has already, if it shows the same.
func (i *instance) site(n *NoNudify, certificate *tls.Config) (*site, error) {
	key := pageKey(n.config, certificate)
	s := i.sites[key]
	if s == nil {
		s = &site{reason: n.config.Reason}
		if err := s.open(n.config, certificate); err != nil {
			return nil, err
		}
		i.sites[key] = s
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members = append(s.members, n)
	return s, nil
}

// pageKey is the same for directives whose pages show the same.
func pageKey(c *directive.Config, certificate *tls.Config) string {
	a := c.Answer
	return fmt.Sprint(c.Reason, a.Organization, a.Contacts, a.Incidents, c.Languages, c.Page.Help, c.Page.Countries, c.Page.Helplines, c.Page.Authority != nil, certificate != nil)
}

// open makes the handler, and reads what it needs from disk.
func (s *site) open(c *directive.Config, certificate *tls.Config) error {
	page, err := c.NewPage(time.Now)
	if err != nil {
		return err
	}
	if err := s.openAuthority(c.Page.Authority); err != nil {
		return err
	}
	if c.Page.Authority == nil && certificate == nil && c.Page.Secure() {
		return errCertificate
	}
	s.plain.Handler = counted(sinkhole.NewHandler(sinkhole.HandlerConfig{
		Page: page, Reason: s.reasonOf, Help: c.Page.Help, Contact: c.Contact(),
	}))
	own, _ := c.Page.HelpName()
	s.secure = sinkhole.Site{Handler: s.plain.Handler, TLS: s.handshake(own, certificate)}
	return nil
}

// openAuthority loads the authority if there is one. A certificate that has
// ended costs the page at https, not the DNS of a school.
func (s *site) openAuthority(a *directive.Authority) (err error) {
	if a == nil {
		return nil
	}
	s.authority, err = authority.Load(authority.Config{Certificate: a.Certificate, Key: a.Key, Listed: s.listed})
	switch {
	case errors.Is(err, authority.ErrExpired):
		log.Errorf("No help page for names at https: %v", err)
		return nil
	case err != nil:
		return err
	}
	status := s.authority.Status()
	authorityExpiry.Set(unix(status.NotAfter))
	if status.Renew {
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
