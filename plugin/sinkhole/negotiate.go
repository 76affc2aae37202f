package sinkhole

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
)

// form is what kind of body a client can use.
type form int

const (
	wantNothing form = iota
	wantPage
	wantProblem
)

// wanted returns the form of the reply to a request. The page is for people who
// went somewhere; pictures, scripts and apps are to fail fast, with nothing to
// read. Programs that prefer JSON to HTML by name can tell their user.
func wanted(r *http.Request) form {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.URL.Path == "/favicon.ico" || r.URL.Path == "/robots.txt" {
		return wantNothing
	}
	accept := r.Header["Accept"]
	html := weight(accept, "text/html")
	program := max(weight(accept, "application/problem+json"), weight(accept, "application/json"))
	switch dest := cmp.Or(r.Header.Get("Sec-Fetch-Dest"), "document"); {
	case program > html:
		return wantProblem
	case html > 0 && (dest == "document" || dest == "iframe"):
		return wantPage
	}
	return wantNothing
}

// weight returns how much the fields of Accept want a media type (RFC 9110
// §12.5.1), 0 to 1. Ranges such as */* name none: every browser sends them for
// everything.
func weight(accept []string, mediaType string) float64 {
	for _, field := range accept {
		for element := range strings.SplitSeq(field, ",") {
			name, parameters, _ := strings.Cut(element, ";")
			if strings.EqualFold(strings.TrimSpace(name), mediaType) {
				return quality(parameters)
			}
		}
	}
	return 0
}

// quality returns the weight among the parameters of a media type, 1 without.
func quality(parameters string) float64 {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}
