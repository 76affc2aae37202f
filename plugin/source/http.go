package source

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// HTTP is a list at one URL (one mirror).
type HTTP struct {
	URL    string  // https or http; with a user name and password if the server wants them
	Client *Client // nil: one with the zero ClientConfig
	// MaxBytes bounds the body as it is transferred, and unpacked; 0 means
	// DefaultMaxBytes.
	MaxBytes int64
}

// Open returns the list unless it is the version that the caller has, which the
// server is asked to judge (RFC 9110 §13). A server that says nothing to tell
// versions by always has something new.
//
// The error of Open, and that of reading, names the URL without credentials and
// is or wraps one of this package, of the context, of the network or of TLS. A
// body that ends early is io.ErrUnexpectedEOF.
func (h HTTP) Open(ctx context.Context, have Version) (Body, error) {
	client := h.Client
	if client == nil {
		client = NewClient(ClientConfig{})
	}
	known := parseVersion(have, h.URL)
	header := requestHeader()
	known.ask(header)
	f, err := client.get(ctx, h.URL, header)
	if err != nil {
		return Body{}, err
	}
	if f.response.StatusCode == http.StatusNotModified && known != (validators{}) {
		f.Close()
		return Body{}, ErrNotModified
	}
	body, err := f.body(h.MaxBytes, notList)
	if err != nil {
		f.Close()
		return Body{}, f.named(err)
	}
	v := readValidators(f.response.Header, time.Now())
	return Body{ReadCloser: body, Version: v.version(h.URL), Modified: v.modified}, nil
}

// ReadFile returns a small file that stands beside a list, such as its signature,
// of at most limit bytes. What Open says of errors holds here, too; a file of any
// type is taken, but for a web page.
func (c *Client) ReadFile(ctx context.Context, url string, limit int64) ([]byte, error) {
	f, err := c.get(ctx, url, requestHeader())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := f.body(limit, isPage)
	if err != nil {
		return nil, f.named(err)
	}
	defer body.Close()
	return io.ReadAll(body)
}

// requestHeader says who asks and nothing that would tell installations apart.
// Accept-Encoding keeps the transport from unpacking, which has no limit.
func requestHeader() http.Header {
	return http.Header{"User-Agent": {"nonudify"}, "Accept-Encoding": {"zstd, gzip"}}
}

// body returns the body of a reply that is what was asked for, unpacked. The
// error of body itself is not yet named.
func (f *fetch) body(limit int64, refused func(mediaType string) bool) (io.ReadCloser, error) {
	r := f.response
	if err := checkStatus(r.StatusCode); err != nil {
		return nil, err
	}
	if t := mediaType(r.Header.Get("Content-Type")); refused(t) {
		return nil, fmt.Errorf("%w: %.80q", ErrContent, t)
	}
	in := newCapped(f, limit)
	if r.ContentLength > in.limit {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrTooLarge, r.ContentLength, in.limit)
	}
	out, err := decode(f, strings.Join(r.Header.Values("Content-Encoding"), ", "), in.limit)
	if err != nil {
		return nil, err
	}
	return &fetched{f, out}, nil
}

// checkStatus refuses all but the whole of the current list. Whoever asked with
// validators has dealt with 304 before.
func checkStatus(status int) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusNotModified:
		return fmt.Errorf("%w: 304 to a request without a copy", ErrStatus)
	}
	return fmt.Errorf("%w: %d", ErrStatus, status)
}

// fetched is an unpacked body whose errors name the URL.
type fetched struct {
	f   *fetch
	out io.ReadCloser
}

func (b *fetched) Read(p []byte) (int, error) {
	n, err := b.out.Read(p)
	if err != nil && err != io.EOF {
		err = b.f.named(err)
	}
	return n, err
}

func (b *fetched) Close() error {
	b.out.Close() // frees memory only
	return b.f.Close()
}

// mediaType returns the type of a Content-Type field in lower case, without
// parameters.
func mediaType(field string) string {
	t, _, err := mime.ParseMediaType(field)
	if err != nil {
		t, _, _ = strings.Cut(strings.ToLower(field), ";")
	}
	return strings.TrimSpace(t)
}

// isPage reports whether a media type is that of a web page, which is what
// captive portals and error pages are.
func isPage(mediaType string) bool {
	return mediaType == "text/html" || mediaType == "application/xhtml+xml"
}

// notList reports whether a media type cannot be that of a list. Types that are
// not known pass: servers send all kinds of them for plain text.
func notList(mediaType string) bool {
	kind, sub, _ := strings.Cut(mediaType, "/")
	return isPage(mediaType) ||
		slices.Contains([]string{"image", "audio", "video", "font", "multipart"}, kind) ||
		slices.Contains([]string{"json", "xml"}, sub[strings.LastIndexByte(sub, '+')+1:])
}
