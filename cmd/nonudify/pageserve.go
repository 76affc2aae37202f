package main

import (
	"context"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/sinkhole"
)

// defaultListen is where the page is served unless -listen says otherwise.
const defaultListen = "127.0.0.1:8080"

// serve serves the page until the program is told to end.
func (c *pageFlags) serve(e *env, config *directive.Config) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	addresses, err := c.addresses()
	if err != nil {
		return wrong, err
	}
	h, err := c.handler(e, config)
	if err != nil {
		return wrong, err
	}
	pool := sinkhole.Pool{Failed: func(a string, err error) { e.note("help page at %s: %v", a, err) }}
	site := &sinkhole.Site{Handler: h}
	var shares []*sinkhole.Share
	defer func() { sinkhole.ReleaseAll(shares) }()
	for _, a := range addresses {
		share, err := pool.Acquire(a, e, site)
		if err != nil {
			return wrong, err
		}
		shares = append(shares, share)
	}
	for _, s := range shares {
		e.note("help page at http://%v/", s.Address())
	}
	<-ctx.Done()
	stop() // whoever asks again does not want to wait for slow clients
	return fine, nil
}

// addresses returns where the page is served.
func (c *pageFlags) addresses() (all []netip.AddrPort, err error) {
	listen := c.listen
	if len(listen) == 0 {
		listen = []string{defaultListen}
	}
	for _, arg := range listen {
		a, err := parseListen(arg)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// parseListen reads an address as the directive does, but for port 0, of which
// the system makes a free one.
func parseListen(arg string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(arg); err == nil && a.Port() == 0 {
		return a, nil
	}
	config, err := directive.Parse(&properties{lines: [][]string{{directive.Name}, {"page", arg}}}, "")
	switch {
	case strings.HasPrefix(arg, "https:") || err == nil && len(config.Page.Listeners) == 0:
		return netip.AddrPort{}, usagef("-listen '%s': want an address; for https, put a web server with the certificate in front", arg)
	case err != nil:
		return netip.AddrPort{}, err
	}
	return config.Page.Listeners[0].Addr, nil
}

// handler returns what answers the requests.
func (c *pageFlags) handler(e *env, config *directive.Config) (http.Handler, error) {
	own, err := config.ReadHelplines(e.now())
	if err != nil {
		return nil, err
	}
	p, err := config.NewPage(own, e.now)
	if err != nil {
		return nil, err
	}
	return sinkhole.NewHandler(sinkhole.HandlerConfig{
		Page:    p,
		Reason:  func(string) policy.Reason { return config.Reason },
		Help:    config.Page.Help,
		Own:     c.own,
		Contact: config.Contact(),
	}), nil
}
