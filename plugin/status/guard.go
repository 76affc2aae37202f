package status

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

var (
	errHost    = errors.New("the page is not asked for by this name: use its address or localhost, or add 'name HOST' to 'status'")
	errForeign = errors.New("another site asks for the page: open it by its address")
)

// admit returns why a request is none of somebody who has opened the page: it asks
// by a name of somebody else, who may have had the name lead here (DNS rebinding),
// or it comes from the page of another site. A link from there is followed.
func (h *Handler) admit(r *http.Request) error {
	if !h.isOwn(hostOf(r.Host), r) {
		return errHost
	}
	switch site := r.Header.Get("Sec-Fetch-Site"); {
	case site == "cross-site" || site == "same-site":
		if r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document" {
			return errForeign
		}
	case r.Header.Get("Origin") != "":
		u, err := url.Parse(r.Header.Get("Origin"))
		if err != nil || !strings.EqualFold(u.Host, r.Host) {
			return errForeign
		}
	}
	return nil
}

// isOwn reports whether a host is one of those that the page is asked for by. The
// port does not matter: somebody may have forwarded another one.
func (h *Handler) isOwn(host string, r *http.Request) bool {
	if host == "localhost" || slices.Contains(h.config.Names, host) {
		return true
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	tcp, ok := local.(*net.TCPAddr)
	return a.IsLoopback() || ok && a.Unmap() == tcp.AddrPort().Addr().Unmap().WithZone("")
}

// maxHost is the length of a Host field that can be one, in bytes.
const maxHost = 260

// hostOf returns the host of a Host field in lower case, without port, brackets
// and trailing dot, an address as it is usually written; "" if it is too long.
func hostOf(field string) string {
	if len(field) > maxHost {
		return ""
	}
	host := field
	if bare, _, err := net.SplitHostPort(field); err == nil {
		host = bare
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if a, err := netip.ParseAddr(host); err == nil {
		return a.String()
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// remote returns the address that a request comes from, the zero Addr for one that
// comes through a socket in the file system.
func remote(r *http.Request) netip.Addr {
	a, _ := netip.ParseAddrPort(r.RemoteAddr)
	return a.Addr()
}
