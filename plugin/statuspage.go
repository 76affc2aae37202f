package nonudify

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
	"weak"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/sinkhole"
	"github.com/nonudify/nonudify/plugin/status"
)

// statuses are the listeners of the status page. They outlive a reload. Few look at
// it, so few may at a time.
var statuses = sinkhole.Pool{
	Title:  "status",
	Config: sinkhole.ServerConfig{Conns: 64, ClientConns: 32},
	Failed: func(address string, err error) { log.Errorf("Status at %s: %v", address, err) },
}

// tally counts the verdicts of the process for the status page.
var tally status.Tally

// errStatusDiffers explains sinkhole.ErrShared.
var errStatusDiffers = errors.New("directives with the same 'status' must agree in password and name")

// overview is what the status page of an instance is about: all of its handlers. It
// does not hold the instance, which must be free to go.
type overview struct {
	mu      sync.Mutex
	members []*NoNudify
}

func (o *overview) add(n *NoNudify) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.members = append(o.members, n)
}

func (o *overview) all() []*NoNudify {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.members)
}

// openStatus adds the handler to what the status page of the instance is about, and
// serves that where the directive names it.
func (n *NoNudify) openStatus(i *instance) error {
	if i.overview == nil {
		i.overview, i.statuses = new(overview), map[string]*sinkhole.Site{}
	}
	i.overview.add(n)
	at := n.config.Status
	if !at.Served() {
		return nil
	}
	site, err := i.status(at)
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	share, err := acquireStatus(at, i, site)
	if errors.Is(err, sinkhole.ErrShared) {
		err = fmt.Errorf("%w: %w", err, errStatusDiffers)
	}
	if err != nil {
		return err
	}
	if at.Socket != "" {
		log.Infof("Status at %s", at.Socket)
	} else {
		log.Infof("Status at http://%v/", share.Address())
	}
	release := tally.Keep()
	n.sources.status = func() { share.Release(); release() }
	if at.Socket == "" && !at.Addr.Addr().Unmap().IsLoopback() {
		log.Warningf("Status at %v: passwords go there unencrypted: right only if nobody listens on the way, or if a proxy with TLS stands in front", at.Addr)
	}
	return nil
}

func acquireStatus(at directive.Status, i *instance, site *sinkhole.Site) (*sinkhole.Share, error) {
	if at.Socket != "" {
		return statuses.AcquireSocket(at.Socket, weak.Make(i), site)
	}
	return statuses.Acquire(at.Addr, weak.Make(i), site)
}

// status returns the site for all directives that want the same password and names.
func (i *instance) status(at directive.Status) (*sinkhole.Site, error) {
	key := fmt.Sprintf("%q %q", at.Password, at.Names)
	if s := i.statuses[key]; s != nil {
		return s, nil
	}
	c := status.Config{Report: i.overview.report, Check: i.overview.check, Names: at.Names}
	if at.Password != "" {
		var err error
		if c.Password, err = status.ReadPassword(at.Password); err != nil {
			return nil, err
		}
	}
	s := &sinkhole.Site{Handler: status.NewHandler(c)}
	i.statuses[key] = s
	return s, nil
}

// whereabouts is what a handler knows of its server block.
type whereabouts struct {
	labels  []string // as the Corefile has its keys
	zones   []string
	loggers []string // plugins that write down queries
	fronts  []string // listeners that there is to be a front before
}

// loggers are the plugins that write down who asks for what.
var loggers = []string{"log", "dnstap"}

// whereabouts finds the handler's server block among all.
func (n *NoNudify) whereabouts(all []*dnsserver.Config) (w whereabouts) {
	for _, c := range all {
		if c.Handler(directive.Name) != plugin.Handler(n) {
			continue
		}
		w.labels, w.zones = append(w.labels, label(c)), append(w.zones, c.Zone)
		for _, name := range loggers {
			if c.Handler(name) != nil && !slices.Contains(w.loggers, name) {
				w.loggers = append(w.loggers, name)
			}
		}
		if n.config.Front && c.Transport == "dns" {
			w.fronts = append(w.fronts, serverAddresses(c)...)
		}
	}
	return w
}

// check returns what each server block says of a name that it could be asked for.
func (o *overview) check(name dnsname.Name) (all []status.Judgement) {
	for _, n := range o.all() {
		if plugin.Zones(n.place.zones).Matches(name.FQDN()) != "" {
			all = append(all, n.judge(name.FQDN()))
		}
	}
	return all
}

// judge returns what the handler says of a name, for those that it is for. Nothing
// is counted.
func (n *NoNudify) judge(name string) status.Judgement {
	j := status.Judgement{Server: n.place.label(), Verdict: status.NotKnown}
	p := n.policy.Load()
	if p == nil {
		return j
	}
	v := p.Uncounted().Decide(name, netip.Addr{})
	if v.Action == rule.None {
		if !v.Pending {
			j.Verdict = status.NotListed
		}
		return j
	}
	matched, _ := dnsname.Parse(v.Matched(name))
	j.List, j.Rule, j.Reason = v.List, string(matched), v.Reason.String()
	switch {
	case v.Blocked():
		j.Verdict, j.Action = status.Blocked, n.action(v)
	case v.List == policy.AllowList:
		j.Verdict, j.Why = status.Passed, "allow"
	default:
		j.Verdict, j.Why = status.Passed, "exception"
	}
	return j
}

// label names the server block.
func (w whereabouts) label() string {
	if len(w.labels) == 0 {
		return ""
	}
	return w.labels[0]
}

// processStart is when the counts began.
var processStart = time.Now()
