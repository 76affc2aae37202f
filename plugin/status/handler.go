package status

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

const (
	maxQuery = 2000 // of a request, in bytes
	maxName  = 1000 // of what is to be a name, in bytes: somebody may paste an address
)

// Config says what a Handler answers. Report is needed.
type Config struct {
	// Report returns what is known, but for the warnings. It is called for each
	// request, by many goroutines.
	Report func() Report
	// Check returns what each server block says of a name. It must not keep the name,
	// log it or count it. nil: no name can be checked.
	Check func(dnsname.Name) []Judgement
	// Names are hosts that the page is asked for by, in lower case, beside localhost
	// and the address of the listener.
	Names    []string
	Password *Password        // nil: everybody who can connect may read
	Now      func() time.Time // nil: time.Now
}

// Handler answers requests for the status: / is the page, /status.json the Report,
// /check?name= the page with what becomes of a name, or that alone as JSON for who
// accepts JSON only. It changes nothing, sets no cookie and reads no body. It is
// safe for concurrent use.
type Handler struct{ config Config }

// NewHandler returns a Handler.
func NewHandler(c Config) *Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	names := make([]string, len(c.Names))
	for i, name := range c.Names {
		names[i] = hostOf(name)
	}
	c.Names = names
	return &Handler{c}
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeader(w.Header())
	if err := h.admit(r); err != nil {
		refuse(w, http.StatusForbidden, err)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, errMethod)
		return
	}
	if !h.login(w, r) {
		return
	}
	switch r.URL.Path {
	case "/":
		send(w, r, http.StatusOK, htmlType, render(view{Report: h.report()}))
	case "/status.json":
		send(w, r, http.StatusOK, jsonType, marshal(h.report()))
	case "/check":
		h.check(w, r)
	case "/robots.txt":
		send(w, r, http.StatusOK, textType, []byte("User-agent: *\nDisallow: /\n"))
	default:
		refuse(w, http.StatusNotFound, errPath)
	}
}

var (
	errMethod = errors.New("nothing can be changed here: want GET or HEAD")
	errPath   = errors.New("nothing is here: the page is at /, the same for programs at /status.json")
	errName   = errors.New("that is not the name of a site: write it as in example.org")
)

const (
	htmlType = "text/html; charset=utf-8"
	jsonType = "application/json"
	textType = "text/plain; charset=utf-8"
)

// setHeader sets what every reply has: nobody keeps it, frames it, or reads it from
// another site.
func setHeader(header http.Header) {
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", contentPolicy)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Robots-Tag", "noindex, nofollow")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// login asks for a user and a password where they are wanted, and reports whether
// they were right.
func (h *Handler) login(w http.ResponseWriter, r *http.Request) bool {
	if h.config.Password == nil {
		return true
	}
	user, password, said := r.BasicAuth()
	if !said { // a browser asks without, first
		challenge(w, http.StatusUnauthorized, errLogin)
		return false
	}
	switch err := h.config.Password.Check(remote(r), user, password, h.config.Now()); {
	case err == nil:
		return true
	case errors.Is(err, errWrong):
		challenge(w, http.StatusUnauthorized, err)
	default:
		w.Header().Set("Retry-After", strconv.Itoa(int(pause.Seconds())))
		refuse(w, http.StatusTooManyRequests, err)
	}
	return false
}

var errLogin = errors.New("a user and a password are wanted")

func challenge(w http.ResponseWriter, status int, err error) {
	w.Header().Set("WWW-Authenticate", `Basic realm="nonudify status", charset="UTF-8"`)
	refuse(w, status, err)
}

// report returns what is known, with the warnings that follow.
func (h *Handler) report() Report {
	r := h.config.Report()
	r.Schema = Schema
	r.Now = seconds(h.config.Now())
	r.Started = seconds(r.Started)
	r.Uptime = int64(r.Now.Sub(r.Started) / time.Second)
	if p := h.config.Password; p != nil {
		r.Password = &PasswordUses{p.refused.Load()}
	}
	r.Warnings = r.warnings()
	return r
}

// checked is what /check says to a program.
type checked struct {
	Schema   int          `json:"schema"`
	Name     dnsname.Name `json:"name"`
	Verdicts []Judgement  `json:"verdicts"`
}

// check answers what becomes of a name.
func (h *Handler) check(w http.ResponseWriter, r *http.Request) {
	asked := nameIn(r.URL)
	name, err := parseName(asked)
	program := strings.HasPrefix(r.Header.Get("Accept"), jsonType)
	switch {
	case h.config.Check == nil:
		refuse(w, http.StatusNotFound, errPath)
	case err != nil && program:
		refuse(w, http.StatusBadRequest, err)
	case err != nil:
		send(w, r, http.StatusBadRequest, htmlType, render(view{Report: h.report(), Asked: asked, Wrong: err.Error()}))
	case program:
		send(w, r, http.StatusOK, jsonType, marshal(checked{Schema, name, h.config.Check(name)}))
	default:
		send(w, r, http.StatusOK, htmlType, render(view{Report: h.report(), Asked: asked, Name: name, Judgements: h.config.Check(name)}))
	}
}

// nameIn returns what was asked for, "" if it cannot be a name.
func nameIn(u *url.URL) string {
	if len(u.RawQuery) > maxQuery {
		return ""
	}
	q, _ := url.ParseQuery(u.RawQuery) // what can be read of it
	name := strings.TrimSpace(q.Get("name"))
	if len(name) > maxName {
		return ""
	}
	return name
}

// parseName reads a name as a person has it: alone, or as the address of a page.
func parseName(text string) (dnsname.Name, error) {
	if _, rest, ok := strings.Cut(text, "://"); ok {
		text, _, _ = strings.Cut(rest, "/")
		text = text[strings.LastIndexByte(text, '@')+1:]
	} else {
		text, _, _ = strings.Cut(text, "/")
	}
	if host, port, ok := strings.Cut(text, ":"); ok && strings.Trim(port, "0123456789") == "" {
		text = host
	}
	name, err := dnsname.Parse(text)
	if err != nil {
		return "", errName
	}
	return name, nil
}

// refuse says in a line why there is no page.
func refuse(w http.ResponseWriter, status int, err error) {
	text := err.Error() + "\n"
	w.Header().Set("Content-Type", textType)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	w.Write([]byte(text)) // who has gone does not want it
}

func send(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

func marshal(v any) []byte {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // strings, numbers and times
	}
	return append(b, '\n')
}
