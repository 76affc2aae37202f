package sinkhole

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/policy"
)

// Limits on what is read of a request, in bytes. A browser sends less; what is
// longer is taken for absent.
const (
	maxQuery     = 256
	maxLanguages = 1000
	maxHost      = 260 // of a name, its dot and a port
)

// renderer is the page.
type renderer interface {
	// Render returns the page in HTML and the tag of its language.
	Render(w Wish) (html []byte, language string)
	// ContentSecurityPolicy returns the policy that the page needs.
	ContentSecurityPolicy() string
	// Problem returns title and detail of a problem (RFC 9457 §3.1) and the tag of
	// their language.
	Problem(w Wish) (title, detail, language string)
}

// HandlerConfig says what a Handler answers. All but the page may be left out.
type HandlerConfig struct {
	Page renderer // a *Page
	// Reason returns why a host is blocked. It gets a host in lower case without
	// port and trailing dot, as the client sent it, which may be empty or
	// nonsense; it must not keep or log it. It is called by many goroutines. nil
	// means policy.Filtered.
	Reason func(host string) policy.Reason
	// Help is the operator's own address of the page. A request for this host is
	// from somebody who came to read it, not from somebody who was blocked.
	Help *url.URL
	// Own says that every host is the operator's own: nobody was blocked.
	Own bool
	// Contact is the operator's first contact as a URI, for who is blocked by law
	// when there is no Help.
	Contact string
	Now     func() time.Time // nil: time.Now
}

// Handler answers requests for blocked names with the help page. It reads no
// body, sets no cookie, and nothing of a request but its language and country
// is in the reply. It is safe for concurrent use.
type Handler struct {
	page     renderer
	shelf    *shelf
	reason   func(host string) policy.Reason
	csp      string // Content-Security-Policy
	own      bool   // every host is the operator's
	ownHost  string // hostOf the operator's address; "": none
	ownPath  string
	blockers []string // value of the Link field of RFC 7725 §4
}

// NewHandler returns a Handler.
func NewHandler(c HandlerConfig) *Handler {
	h := &Handler{page: c.Page, reason: c.Reason, csp: c.Page.ContentSecurityPolicy(), own: c.Own}
	now := c.Now
	if now == nil {
		now = time.Now
	}
	h.shelf = newShelf(c.Page, now)
	if h.reason == nil {
		h.reason = func(string) policy.Reason { return policy.Filtered }
	}
	if c.Help != nil {
		h.ownHost, h.ownPath = hostOf(c.Help.Host), trimSlash(c.Help.Path)
	}
	if by := BlockedBy(c.Help, c.Contact); by != "" {
		h.blockers = []string{"<" + by + `>; rel="blocked-by"`}
	}
	return h
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := hostOf(r.Host)
	to := reply{w: w, head: r.Method == http.MethodHead}
	h.setHeader(w.Header())
	if h.own || h.ownHost != "" && host == h.ownHost {
		h.serveOwn(to, r, h.reason(host))
		return
	}
	h.serveBlocked(to, r, h.reason(host))
}

// setHeader sets what every reply has. None of it may outlive the reply: the
// origin belongs to somebody else, and its name may be taken off the list.
func (h *Handler) setHeader(header http.Header) {
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", h.csp)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Vary", "Accept, Accept-Language, Sec-Fetch-Dest")
}

// serveBlocked answers in the place of a blocked site. The status is the same
// for every method and path: 403, or 451 when the law decided (RFC 7725 §3).
// Never 200, which programs would take for the site itself.
//
// That is so for robots.txt, too. To crawlers a 4xx there means that they may
// look at everything (RFC 9309 §2.3.1.3): so they see the status and the
// X-Robots-Tag of the pages they know, and forget them. Told to stay away, they
// would keep what they have in their index, and for up to a day what they were
// told, though the name be unblocked by then.
func (h *Handler) serveBlocked(to reply, r *http.Request, reason policy.Reason) {
	header := to.w.Header()
	header.Set("X-Robots-Tag", "noindex, nofollow")
	status := http.StatusForbidden
	if reason == policy.Censored {
		status = http.StatusUnavailableForLegalReasons
		if h.blockers != nil {
			header["Link"] = h.blockers
		}
	}
	switch wanted(r) {
	case wantPage:
		h.sendPage(to, r, status, wishOf(r, reason, false))
	case wantProblem:
		title, detail, language := h.page.Problem(wishOf(r, reason, false))
		to.send(status, "application/problem+json", language, problemOf(status, title, detail))
	default:
		to.send(status, "", "", nil)
	}
}

// robots lets crawlers find the page at the operator's own address.
const robots = "User-agent: *\nAllow: /\n"

// serveOwn answers at the operator's own address, where the page is a page like
// any other. Who follows an old link there gets it, too: he has come for help.
func (h *Handler) serveOwn(to reply, r *http.Request, reason policy.Reason) {
	found := r.URL.Path == "/" || trimSlash(r.URL.Path) == h.ownPath
	switch {
	case r.Method != http.MethodGet && !to.head:
		to.w.Header().Set("Allow", "GET, HEAD")
		to.send(http.StatusMethodNotAllowed, "", "", nil)
	case r.URL.Path == "/robots.txt":
		to.send(http.StatusOK, "text/plain; charset=utf-8", "", []byte(robots))
	case !found && wanted(r) != wantPage:
		to.send(http.StatusNotFound, "", "", nil)
	default:
		status := http.StatusNotFound
		if found {
			status = http.StatusOK
		}
		h.sendPage(to, r, status, wishOf(r, reason, true))
	}
}

// sendPage sends a page, unless the client goes before there is one.
func (h *Handler) sendPage(to reply, r *http.Request, status int, w Wish) {
	p, err := h.shelf.get(r.Context(), w)
	if err != nil {
		to.send(status, "", "", nil)
		return
	}
	to.send(status, "text/html; charset=utf-8", p.language, p.html)
}

// reply writes the reply to one request.
type reply struct {
	w    http.ResponseWriter
	head bool // the body is left out, and its length given
}

// send writes a reply; without a content type it has no body.
func (to reply) send(status int, contentType, language string, body []byte) {
	header := to.w.Header()
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	if language != "" {
		header.Set("Content-Language", language)
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	to.w.WriteHeader(status)
	if !to.head {
		to.w.Write(body) // who has gone does not want it
	}
}

// problemOf returns a problem in JSON (RFC 9457 §3). It is of no registered
// type, and says nothing of the host.
func problemOf(status int, title, detail string) []byte {
	b, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{"about:blank", title, status, detail})
	if err != nil {
		panic(err) // strings and a number
	}
	return b
}

// hostOf returns the host of a Host field in lower case, without port, brackets
// and trailing dot, or "" if it is longer than any.
func hostOf(field string) string {
	if len(field) > maxHost {
		return ""
	}
	host := field
	if i := strings.LastIndexByte(field, ':'); i >= 0 && !strings.HasSuffix(field, "]") {
		host = field[:i]
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if a, err := netip.ParseAddr(host); err == nil { // an address has many spellings
		return a.String()
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// trimSlash returns a path such that the same with and without a slash at its
// end are equal. That of the root is "".
func trimSlash(path string) string { return strings.TrimSuffix(path, "/") }

// wishOf returns what a request asks of the page.
func wishOf(r *http.Request, reason policy.Reason, own bool) Wish {
	w := Wish{Accepted: languagesOf(r), Reason: reason, Own: own}
	if len(r.URL.RawQuery) <= maxQuery {
		q, _ := url.ParseQuery(r.URL.RawQuery) // what can be read of it
		w.Language, w.Country = q.Get("lang"), q.Get("country")
	}
	return w
}

// languagesOf returns the field of a request that the page needs.
func languagesOf(r *http.Request) string {
	accepted := r.Header.Get("Accept-Language")
	if len(accepted) > maxLanguages {
		return ""
	}
	return accepted
}

// BlockedBy returns the target of the Link field that names who blocks by law
// (RFC 7725 §4): the operator's own address of the page without a user or, where
// help is nil, his contact, which is a URI. It is "" where there is neither, and
// holds no character that could end it.
func BlockedBy(help *url.URL, contact string) string {
	if help == nil {
		return escapeLink(contact)
	}
	public := *help
	public.User = nil
	return escapeLink(public.String())
}

// escapeLink returns a URI in which every character that could end the target
// of a Link field (RFC 8288 §3) is escaped.
func escapeLink(uri string) string {
	var b strings.Builder
	for i := range len(uri) {
		if c := uri[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)|1<<8, 16)[1:]))
			continue
		}
		b.WriteByte(uri[i])
	}
	return b.String()
}
