package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/coredns/caddy/caddyfile"
	"github.com/miekg/dns"
)

// maxMetrics bounds what is read of the metrics, in bytes.
const maxMetrics = 16 << 20

// lookAtPages asks for the help page at each of its addresses.
func (x *examination) lookAtPages(ctx context.Context) {
	for _, s := range x.servers {
		for _, l := range s.config.Page.Listeners {
			at := reachable(l.Addr)
			switch help := s.config.Page.Help; {
			case !l.TLS:
				x.lookAtPage(ctx, at)
			case help != nil:
				expires, err := x.shakeHands(ctx, at.String(), help.Hostname())
				x.lookAtCertificate("page", at.String(), help.Hostname(), expires, err)
			}
		}
	}
}

// reachable returns where a listener can be asked on this machine.
func reachable(at netip.AddrPort) netip.AddrPort {
	if !at.Addr().IsUnspecified() {
		return at
	}
	if at.Addr().Is4() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	}
	return netip.AddrPortFrom(netip.IPv6Loopback(), at.Port())
}

// lookAtPage asks for the page, which is known by what it tells crawlers.
func (x *examination) lookAtPage(ctx context.Context, at netip.AddrPort) {
	response, err := x.get(ctx, "http://"+at.String()+"/", "text/html")
	if err != nil {
		x.wrong("page", "Is the resolver running, and has the machine that address? 'page' in the Corefile names it", "the help page does not answer at http://%v/: %v", at, err)
		return
	}
	defer response.Body.Close()
	if response.Header.Get("X-Robots-Tag") != "noindex, nofollow" || response.Header.Get("Permissions-Policy") == "" {
		who := "Another program"
		if p, ok := x.machine.owner(at); ok {
			who = p.String()
		}
		x.wrong("page", "Give 'page' another address or port, or have that program leave it", "%s answers at http://%v/ in the place of the help page", who, at)
		return
	}
	x.fine("page", "the help page is at http://%v/", at)
}

// get asks a web server of this machine, past any proxy.
func (x *examination) get(ctx context.Context, url, accept string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accept)
	client := http.Client{
		Transport: &http.Transport{DisableKeepAlives: true}, Timeout: x.patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s", redactError(err))
	}
	return response, nil
}

// lookAtMetrics reads what the server itself says of its lists, where the prometheus
// plugin tells it on this machine.
func (x *examination) lookAtMetrics(ctx context.Context) {
	for _, b := range x.blocks {
		for _, address := range metricsOf(b) {
			x.readMetrics(ctx, address)
		}
	}
}

// metricsOf returns the addresses of the prometheus directives of a block that are on
// this machine.
func metricsOf(b caddyfile.ServerBlock) (addresses []string) {
	d := caddyfile.NewDispenserTokens("", b.Tokens["prometheus"])
	for d.Next() {
		args := append(d.RemainingArgs(), "localhost:9153") // the default
		host, _, _ := strings.Cut(args[0], ":")
		if a, err := netip.ParseAddrPort(args[0]); err == nil && a.Addr().IsLoopback() || host == "localhost" {
			addresses = append(addresses, args[0])
		}
		for d.NextBlock() { // of no concern here
		}
	}
	return addresses
}

// readMetrics reads the metrics at an address.
func (x *examination) readMetrics(ctx context.Context, address string) {
	response, err := x.get(ctx, "http://"+address+"/metrics", "text/plain")
	if err != nil {
		x.wrong("metrics", "Is the resolver running? 'prometheus' in the Corefile names the address", "nobody tells the metrics at %s: %v", address, err)
		return
	}
	defer response.Body.Close()
	if x.told { // all that the metrics say of lists
		return
	}
	for s := bufio.NewScanner(io.LimitReader(response.Body, maxMetrics)); s.Scan(); {
		x.lookAtMetric(s.Text())
	}
}

// lookAtMetric looks at one line of the metrics.
func (x *examination) lookAtMetric(line string) {
	rest, ours := strings.CutPrefix(line, "coredns_nonudify_")
	name, rest, labelled := strings.Cut(rest, "{")
	labels, value, _ := strings.Cut(rest, "} ")
	v, err := strconv.ParseFloat(value, 64)
	if !ours || !labelled || err != nil || v == 0 {
		return
	}
	list, cause := label(labels, "list"), label(labels, "cause")
	switch {
	case name == "list_failing" && cause != "none":
		x.wrong("list", causeRemedy(x.conf, cause), "the resolver cannot use the source of list %s: %s", list, cause)
	case name == "list_not_saved":
		x.wrong("state", "Look at the state directory and its disk", "the resolver could not save list %s", list)
	case name == "list_unread":
		x.wrong("disk", "Look at the disk", "a copy of list %s could not be read from disk", list)
	case name == "list_last_success_timestamp_seconds" && x.env.now().Unix()-int64(v) > 24*3600:
		x.wrong("list", causeRemedy(x.conf, ""), "the resolver has had no answer about list %s for a day", list)
	}
}

// label returns the value of a label, such as list="nudify".
func label(labels, name string) string {
	_, rest, _ := strings.Cut(","+labels, ","+name+`="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// causeRemedy returns what to do about a list that cannot be had, by its cause in the
// metrics.
func causeRemedy(conf, cause string) string {
	switch {
	case cause == "shrunk":
		return fmt.Sprintf("Compare with 'nonudify diff', then 'nonudify approve -conf %s', or ask its publisher", conf)
	case cause == "clock":
		return "Set the clock"
	case slices.Contains([]string{"signature", "list_id", "serial", "truncated", "refused_lines", "empty", "content"}, cause):
		return "Its publisher or a mirror is at fault: write to the publisher. The last good edition goes on meanwhile"
	case cause == "file":
		return "Mend the file, or its permissions"
	}
	return fmt.Sprintf("'nonudify fetch -conf %s' says why", conf)
}

// lookAtDevices says how to find the devices that do not use this resolver: from here they
// cannot be seen.
func (x *examination) lookAtDevices() {
	if len(x.ours) == 0 {
		return
	}
	const settings = "If not, it asks somebody else: look there at the DNS of its network, private DNS, a VPN, and secure DNS in the browser"
	if x.answersCheck(x.ours[0]) {
		x.hint("device", "'nslookup "+checkName+"' must find an address on each device. "+settings+", and in the router at what it tells devices, also over IPv6", "doctor cannot see which devices use this resolver")
	} else {
		x.hint("device", "Ask for a name that only this resolver has, or blocks. "+settings, "doctor cannot see which devices use this resolver, and nobody answers for "+checkName+" here; 'nonudify init' writes that into a Corefile")
	}
	x.lookAtOwn()
}

// answersCheck reports whether the name that devices are checked with has an address.
func (x *examination) answersCheck(l *listener) bool {
	return slices.ContainsFunc([]uint16{dns.TypeA, dns.TypeAAAA}, func(qtype uint16) bool {
		reply, err := x.ask(l.at, checkName+".", qtype, false)
		return err == nil && len(reply.Answer) > 0
	})
}

// lookAtOwn looks whether this machine asks the resolver that runs on it.
func (x *examination) lookAtOwn() {
	asked := nameservers(filepath.Join(x.machine.root, resolvConfs[0]))
	for _, a := range asked {
		if slices.ContainsFunc(x.ours, func(l *listener) bool { return l.reachedAs(netip.AddrPortFrom(a, 53)) }) {
			x.fine("device", "this machine asks this resolver")
			return
		}
	}
	if len(asked) > 0 {
		x.hint("device", "That may be meant so: it then has names while the resolver is not running", "this machine itself asks %s", joinAddrs(asked))
	}
}
