package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/directive"
)

const (
	// maxReport bounds the report of a server in bytes.
	maxReport = 16 << 20
	// statusPatience is how long a server may take to answer.
	statusPatience = 10 * time.Second
	// maxLogin bounds a file with a user and a password in bytes.
	maxLogin = 1 << 10
)

// statusPlace is where a server tells of itself.
type statusPlace struct {
	shown          string // for people
	url            *url.URL
	socket         string        // in the file system; "": the URL says where
	user, password string        // "": none is wanted
	patience       time.Duration // for an answer; 0: statusPatience
}

// place finds out where to ask.
func (s *statusFlags) place(e *env) (p statusPlace, err error) {
	if s.at != "" {
		p, err = parsePlace(s.at)
	} else {
		p, err = placeIn(e, cmp.Or(s.conf, defaultCorefile), s.passfile != "")
	}
	if err == nil && s.passfile != "" {
		p.user, p.password, err = readLogin(s.passfile)
	}
	return p, err
}

// parsePlace reads what -at says.
func parsePlace(at string) (statusPlace, error) {
	if path, ok := strings.CutPrefix(at, "unix:"); ok && path != "" {
		return statusPlace{shown: at, url: &url.URL{Scheme: "http", Host: "localhost"}, socket: path}, nil
	}
	full := at
	if !strings.Contains(at, "://") {
		full = "http://" + at
	}
	u, err := url.Parse(full)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "":
		return statusPlace{}, usagef("-at: want an address such as 127.0.0.1:8053, a URL at http or https, or unix:PATH")
	case u.User != nil:
		return statusPlace{}, usagef("-at: others could read a password there: put it into a file, and name that with -passfile")
	}
	return statusPlace{shown: u.Redacted(), url: u}, nil
}

// placeIn finds the place in a Corefile.
func placeIn(e *env, corefile string, login bool) (statusPlace, error) {
	servers, err := readCorefile(e, corefile)
	if err != nil {
		return statusPlace{}, err
	}
	for _, s := range servers {
		if at := s.config.Status; at.Served() {
			if at.Password != "" && !login {
				return statusPlace{}, usagef("%s: its status wants a password: name a file with USER:PASSWORD with -passfile", corefile)
			}
			return placeOf(at), nil
		}
	}
	return statusPlace{}, fmt.Errorf("%s: no server block has 'status', so that there is nothing to ask; add 'status 127.0.0.1:8053' to a %s directive and reload the server", corefile, directive.Name)
}

// placeOf returns the place of a directive. A server at all addresses is asked at
// that of this machine.
func placeOf(at directive.Status) statusPlace {
	if at.Socket != "" {
		return statusPlace{shown: "unix:" + at.Socket, url: &url.URL{Scheme: "http", Host: "localhost"}, socket: at.Socket}
	}
	a := at.Addr.Addr()
	switch {
	case a.IsUnspecified() && a.Is4():
		a = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case a.IsUnspecified():
		a = netip.IPv6Loopback()
	}
	u := &url.URL{Scheme: "http", Host: netip.AddrPortFrom(a, at.Addr.Port()).String()}
	return statusPlace{shown: u.String(), url: u}
}

// readLogin reads a user and a password. Its errors do not show what the file holds.
func readLogin(path string) (user, password string, err error) {
	text, err := readFile(path, maxLogin)
	if err != nil {
		return "", "", err
	}
	user, password, ok := strings.Cut(strings.TrimRight(string(text), "\r\n"), ":")
	if !ok || user == "" || strings.Contains(password, "\n") {
		return "", "", fmt.Errorf("%s: want one line, USER:PASSWORD", path)
	}
	return user, password, nil
}

// read asks for the report.
func (p statusPlace) read() ([]byte, error) {
	r, err := http.NewRequest(http.MethodGet, p.url.JoinPath("status.json").String(), nil)
	if err != nil {
		return nil, err
	}
	if p.user != "" {
		r.SetBasicAuth(p.user, p.password)
	}
	reply, err := p.client().Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // the rest of it is said here
		}
		return nil, fmt.Errorf("%s: no server answers: %w; is it running, and has it 'status' in its Corefile?", p.shown, err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(io.LimitReader(reply.Body, maxReport+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", p.shown, err)
	case len(text) > maxReport:
		return nil, fmt.Errorf("%s: the report is larger than %s", p.shown, size(maxReport))
	}
	return text, p.refused(reply, text)
}

// client returns what asks. No proxy is asked, and no other place.
func (p statusPlace) client() *http.Client {
	transport := &http.Transport{DisableKeepAlives: true}
	if p.socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", p.socket)
		}
	}
	return &http.Client{Transport: transport, Timeout: cmp.Or(p.patience, statusPatience), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// refused returns why there is no report.
func (p statusPlace) refused(reply *http.Response, text []byte) error {
	switch {
	case reply.StatusCode == http.StatusOK:
		return nil
	case reply.StatusCode == http.StatusUnauthorized && p.user == "":
		return fmt.Errorf("%s: the server wants a password: name a file with USER:PASSWORD with -passfile", p.shown)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return fmt.Errorf("%s: %s: %.200s", p.shown, reply.Status, printable(line))
}
