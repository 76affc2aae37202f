package helpline

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// isLink reports whether s is a link that a page may have: https, to a name of
// at least two labels in the form that the DNS has it, without a user, and in
// the characters of a URI (RFC 3986 §2).
func isLink(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.User != nil || strings.ContainsFunc(s, noURI) {
		return false
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); err != nil && u.Port() != "" {
		return false
	}
	return isHost(u.Hostname())
}

func noURI(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`{|}", r) }

// isHost refuses addresses as well: no authority vouches for who is behind one.
func isHost(host string) bool {
	name, err := dnsname.Parse(host)
	return err == nil && string(name) == host && name.Labels() > 1
}

// dial returns the URI that dials a number as people write it: the digits, with
// the leading + of an international number (RFC 3966 §5.1.4).
func dial(number string) (string, error) {
	rest, international := strings.CutPrefix(number, "+")
	if international && strings.Contains(strings.ReplaceAll(rest, " ", ""), "(0)") {
		return "", ErrTrunk
	}
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" .-/()", r) {
			return -1
		}
		return r
	}, rest)
	if len(digits) < 2 || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" {
		return "", ErrNumber
	}
	if international {
		digits = "+" + digits
	}
	return "tel:" + digits, nil
}
