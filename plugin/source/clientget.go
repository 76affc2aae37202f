package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// maxRedirects is how often a server may lead elsewhere.
const maxRedirects = 5

// fetch is one GET: from the first request to the end of the body, over
// all redirects. Reading it reads the body as it is transferred; it must be
// closed.
type fetch struct {
	client   *Client
	parent   context.Context // of the caller
	ctx      context.Context // of all requests; its cause is what ended them
	cancel   context.CancelCauseFunc
	total    *time.Timer
	idle     *time.Timer // runs while a Read waits; nil before the first
	asked    []*url.URL  // the URL asked for and where it led
	response *http.Response
}

// get asks for a URL and follows where it leads. The error names the URL, less
// what could be a credential, and has its reason wrapped: ErrRedirect,
// ErrPrivate, ErrTimeout, the context's, or one of the network or of TLS.
func (c *Client) get(ctx context.Context, address string, header http.Header) (*fetch, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("a URL that is neither https nor http, or that cannot be read")
	}
	f := &fetch{client: c, parent: ctx}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	f.total = f.timer(c.total, "in all")
	if f.response, err = f.follow(u, header); err != nil {
		err = f.named(f.reason(err))
		f.Close()
		return nil, err
	}
	return f, nil
}

// timer ends the fetch when it fires.
func (f *fetch) timer(d time.Duration, what string) *time.Timer {
	return time.AfterFunc(d, func() { f.cancel(fmt.Errorf("%w: more than %v %s", ErrTimeout, d, what)) })
}

// follow returns the first reply that is no redirect.
func (f *fetch) follow(u *url.URL, header http.Header) (*http.Response, error) {
	for {
		f.asked = append(f.asked, u)
		response, err := f.ask(u, header)
		if err != nil {
			return nil, err
		}
		location := response.Header.Get("Location")
		if !leads(response.StatusCode) || location == "" {
			return response, nil
		}
		response.Body.Close()
		if u, err = f.next(u, location); err != nil {
			return nil, err
		}
	}
}

// leads reports whether a reply with this status leads elsewhere (RFC 9110
// §15.4).
func leads(status int) bool {
	return slices.Contains([]int{301, 302, 303, 307, 308}, status)
}

// ask sends one request and returns the reply to it.
func (f *fetch) ask(u *url.URL, header http.Header) (*http.Response, error) {
	if err := f.client.judge(u); err != nil {
		return nil, err
	}
	r := (&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: maps.Clone(header)}).WithContext(f.ctx)
	if u.User != nil {
		password, _ := u.User.Password()
		r.SetBasicAuth(u.User.Username(), password)
	}
	proxy, err := f.client.proxy(r)
	if err != nil {
		return nil, errors.New("the address of the proxy cannot be read") // it may hold a password
	}
	return f.client.transport.RoundTrip(way{proxy, f.client.named(u)}.of(r))
}

// next returns where a URL leads, if that may be followed. The user name and
// password of the first one are not taken along, and there are no others.
func (f *fetch) next(from *url.URL, location string) (*url.URL, error) {
	ref, err := url.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("%w: to what is no URL", ErrRedirect)
	}
	to := from.ResolveReference(ref)
	to.User, to.Fragment, to.RawFragment = nil, "", ""
	switch {
	case to.Hostname() == "" || to.Scheme != "https" && (to.Scheme != "http" || from.Scheme != "http"):
		return nil, fmt.Errorf("%w: to %s", ErrRedirect, redacted(to))
	case ref.User != nil:
		return nil, fmt.Errorf("%w: to %s with a user name", ErrRedirect, redacted(to))
	case f.visited(to):
		return nil, fmt.Errorf("%w: in a circle", ErrRedirect)
	case len(f.asked) > maxRedirects:
		return nil, fmt.Errorf("%w: more than %d times", ErrRedirect, maxRedirects)
	}
	return to, nil
}

func (f *fetch) visited(u *url.URL) bool {
	return slices.ContainsFunc(f.asked, func(before *url.URL) bool { return before.String() == u.String() })
}

// Read reads the body. An error is not yet named.
func (f *fetch) Read(p []byte) (int, error) {
	if f.idle == nil {
		f.idle = f.timer(f.client.idle, "without a byte")
	} else {
		f.idle.Reset(f.client.idle)
	}
	n, err := f.response.Body.Read(p)
	f.idle.Stop()
	if err != nil && err != io.EOF {
		err = f.reason(err)
	}
	return n, err
}

// reason returns what an error comes from: the end of the caller's context, or a
// time that was exceeded, if it was one of the two.
func (f *fetch) reason(err error) error {
	if ended := f.parent.Err(); ended != nil {
		return ended
	}
	if cause := context.Cause(f.ctx); cause != nil {
		return cause
	}
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	return err
}

// Close ends the fetch wherever it is.
func (f *fetch) Close() error {
	f.total.Stop()
	if f.idle != nil {
		f.idle.Stop()
	}
	f.cancel(context.Canceled)
	// The transport goes on connecting for a request that has ended, in case
	// that another comes; this ends it.
	f.client.transport.CloseIdleConnections()
	if f.response == nil {
		return nil
	}
	return f.response.Body.Close()
}

// named returns the error with the URL that was asked for and the one that it
// led to.
func (f *fetch) named(err error) error {
	name := redacted(f.asked[0])
	if last := f.asked[len(f.asked)-1]; len(f.asked) > 1 {
		name += ", redirected to " + redacted(last)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// redacted returns a URL as errors may show it: without user name, password and
// query, and not too long.
func redacted(u *url.URL) string {
	s := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
	if u.Opaque != "" {
		s = u.Scheme + ":"
	}
	return fmt.Sprintf("%.200s", s)
}
