package answer

import (
	"fmt"
	"net/mail"
	"net/url"
	"strings"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// contacts validates the contact URIs. The two schemes are the whole of the
// registry of contact schemes (draft-ietf-dnsop-structured-dns-error §11);
// web addresses were left out of it on purpose.
func contacts(uris []string) ([]string, error) {
	if len(uris) > MaxContacts {
		return nil, fmt.Errorf("%w: more than %d", ErrContact, MaxContacts)
	}
	var out []string
	for _, uri := range uris {
		c, err := contact(uri)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// contact returns the URI with its scheme in lower case.
func contact(uri string) (string, error) {
	if len(uri) > MaxContact {
		return "", fmt.Errorf("%w: URI is longer than %d octets", ErrContact, MaxContact)
	}
	if !isURI(uri) {
		return "", fmt.Errorf("%w %q: holds characters that a URI must escape as %%XX", ErrContact, uri)
	}
	scheme, rest, _ := strings.Cut(uri, ":")
	scheme = strings.ToLower(scheme)
	ok := false
	switch scheme {
	case "mailto":
		ok = isMailto(rest)
	case "tel":
		ok = isTel(rest)
	default:
		return "", fmt.Errorf("%w %q: want mailto:user@host.example or tel:+15550100", ErrContact, uri)
	}
	if !ok {
		return "", fmt.Errorf("%w %q: is not a valid %s: URI", ErrContact, uri, scheme)
	}
	return scheme + ":" + rest, nil
}

// isURI reports whether s has only the characters of a URI without a fragment
// (RFC 3986 §2), every percent sign followed by two hexadecimal digits.
func isURI(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || strings.IndexByte("\"#<>\\^`{|}", c) >= 0 {
			return false
		}
	}
	_, err := url.PathUnescape(s)
	return err == nil
}

// isMailto reports whether s is what may follow "mailto:" (RFC 6068 §2): at
// least one address, then header fields. Quoted local parts and address
// literals are no contact for the public and refused.
func isMailto(s string) bool {
	to, fields, hasFields := strings.Cut(s, "?")
	for addr := range strings.SplitSeq(to, ",") {
		if !isMailbox(addr) {
			return false
		}
	}
	if !hasFields {
		return true
	}
	for field := range strings.SplitSeq(fields, "&") {
		if name, _, ok := strings.Cut(field, "="); !ok || name == "" {
			return false
		}
	}
	return true
}

// isMailbox reports whether escaped is an address as a mailto: URI holds it. Some
// characters of an address must be escaped there though URIs as such may have
// them.
func isMailbox(escaped string) bool {
	if strings.ContainsAny(escaped, "/[]&;=") {
		return false
	}
	addr, err := url.PathUnescape(escaped)
	if err != nil {
		return false
	}
	parsed, err := mail.ParseAddress(addr)
	if err != nil || parsed.Address != addr {
		return false
	}
	_, err = dnsname.Parse(addr[strings.LastIndexByte(addr, '@')+1:])
	return err == nil
}

// isTel reports whether s is what may follow "tel:" (RFC 3966 §3): a global
// number, or a local one with the context that makes it unique.
func isTel(s string) bool {
	number, rest, hasParams := strings.Cut(s, ";")
	params := map[string]string{}
	if hasParams {
		for p := range strings.SplitSeq(rest, ";") {
			name, value, _ := strings.Cut(p, "=")
			name = strings.ToLower(name)
			if _, twice := params[name]; twice || !consistsOf(name, letters+digits+"-") {
				return false
			}
			params[name] = value
		}
	}
	if ext, ok := params["ext"]; ok && !isNumber(ext, digits) {
		return false
	}
	if isGlobal(number) {
		return true
	}
	return isNumber(number, digits+"abcdefABCDEF*") && isContext(params["phone-context"])
}

const (
	digits  = "0123456789"
	letters = "abcdefghijklmnopqrstuvwxyz"
)

// isContext reports whether s says where a local number is valid: the leading
// digits of a global number, or a domain name.
func isContext(s string) bool {
	_, err := dnsname.Parse(s)
	return isGlobal(s) || err == nil
}

func isGlobal(s string) bool {
	n, ok := strings.CutPrefix(s, "+")
	return ok && isNumber(n, digits)
}

// isNumber reports whether s is at least one of the given digits with visual
// separators among them.
func isNumber(s, of string) bool {
	return strings.ContainsAny(s, of) && consistsOf(s, of+"-.()")
}

func consistsOf(s, set string) bool { return s != "" && strings.Trim(s, set) == "" }
