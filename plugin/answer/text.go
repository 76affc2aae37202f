package answer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
)

// networkOperatorPolicy is the sub-error of a block that the operator of the
// network decided; of the codes in use here it is defined for Blocked alone
// (draft-ietf-dnsop-structured-dns-error §11.4).
const networkOperatorPolicy = 5

// codes are the INFO-CODEs of the reasons (RFC 8914 §4.16-4.18).
var codes = [policy.Reasons]uint16{
	policy.Filtered: dns.ExtendedErrorCodeFiltered,
	policy.Blocked:  dns.ExtendedErrorCodeBlocked,
	policy.Censored: dns.ExtendedErrorCodeCensored,
}

// sentences justify a block where the configuration does not, in English.
var sentences = [policy.Reasons]string{
	policy.Filtered: "This site is blocked by a filter that was chosen for this connection.",
	policy.Blocked:  "This site is blocked by the rules of this network.",
	policy.Censored: "This site is blocked because of a legal order.",
}

// bypassSentence explains why a way round the filter is denied, in English. The
// justifications of the configuration are about the sites of the lists.
const bypassSentence = "This network answers DNS itself."

// explanation is what a reply says about one reason. Both ladders hold texts
// from the longest to the shortest, which is "".
type explanation struct {
	code       uint16
	structured []string // for clients that asked for it
	plain      []string // for all others; never anything that looks like JSON
}

// object is the EXTRA-TEXT of a structured error
// (draft-ietf-dnsop-structured-dns-error §4.1); the order of the fields is
// that of the names on the wire.
type object struct {
	C    []string `json:"c,omitempty"`
	S    int      `json:"s,omitempty"`
	J    string   `json:"j,omitempty"`
	O    string   `json:"o,omitempty"`
	L    string   `json:"l,omitempty"`
	FDBs []entry  `json:"fdbs,omitempty"`
}

// entry is an Incident on the wire.
type entry struct {
	DB string `json:"db"`
	ID string `json:"id"`
}

// Code returns the INFO-CODE of the extended error that explains a block of the
// given reason (RFC 8914 §4.16-4.18).
func Code(r policy.Reason) uint16 { return codes[r] }

// Codes returns the INFO-CODEs that replies can have, one perhaps several times:
// about names blocked for any of the reasons; with bypass, about ways round the
// filter; with waits, also before all lists are there.
func (a *Answerer) Codes(reasons []policy.Reason, bypass, waits bool) []uint16 {
	var found []uint16
	for _, r := range reasons {
		found = append(found, a.explains[r].code)
	}
	if len(found) > 0 && a.action == Sinkhole {
		found = append(found, dns.ExtendedErrorCodeForgedAnswer)
	}
	if bypass {
		found = append(found, a.bypass.code)
	}
	if waits {
		found = append(found, dns.ExtendedErrorCodeNotReady)
	}
	return found
}

// explain encodes what the configuration says about every reason.
func explain(c Config) (out [policy.Reasons]explanation, err error) {
	full, err := validated(c)
	if err != nil {
		return out, err
	}
	for i, code := range codes {
		o := full
		if o.J == "" {
			o.J, o.L = sentences[i], "en"
		}
		if policy.Reason(i) == policy.Blocked {
			o.S = networkOperatorPolicy
		}
		if policy.Reason(i) != policy.Censored {
			o.FDBs = nil
		}
		out[i] = explanation{code: code, plain: []string{o.J, ""}}
		if out[i].structured, err = o.ladder(); err != nil {
			return out, err
		}
	}
	return out, nil
}

// explainBypass encodes what is said about the ways round the filter. Closing
// them is a decision of whoever runs the network. The programs that ask for the
// signals do not read it; the person who wonders with dig why a name is gone does.
func explainBypass(c Config) (explanation, error) {
	o, err := validated(c)
	if err != nil {
		return explanation{}, err
	}
	o.J, o.L, o.S, o.FDBs = bypassSentence, "en", networkOperatorPolicy, nil
	e := explanation{code: Code(policy.Blocked), plain: []string{o.J, ""}}
	e.structured, err = o.ladder()
	return e, err
}

// validated returns the object with all that is the same for every reason.
func validated(c Config) (o object, err error) {
	if o.C, err = contacts(c.Contacts); err != nil {
		return o, err
	}
	if o.O, err = organization(c.Organization); err != nil {
		return o, err
	}
	if o.J, o.L, err = justification(c.Justifications); err != nil {
		return o, err
	}
	o.FDBs, err = incidents(c.Incidents)
	return o, err
}

// ladder encodes the object and what is left of it as its parts are given up:
// who, why, further contacts and notices (the spec gives up o and j first).
func (o object) ladder() ([]string, error) {
	anonymous := o
	anonymous.O = ""
	wordless := anonymous
	wordless.J, wordless.L = "", ""
	least := object{C: o.C[:min(1, len(o.C))], S: o.S}

	var rungs []string
	for _, o := range []object{o, anonymous, wordless, least} {
		if !o.useful() {
			continue
		}
		s, err := o.encode()
		if err != nil {
			return nil, err
		}
		rungs = append(rungs, s)
	}
	return slices.Compact(append(rungs, "")), nil
}

// useful reports whether a client will look at the object at all: it throws
// away one that has neither c nor j nor s (§5.3 of the draft).
func (o object) useful() bool { return len(o.C) > 0 || o.J != "" || o.S != 0 }

// encode returns the object as JSON without blanks. The ampersand of a mailto:
// URI stays as it is.
func (o object) encode() (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(o); err != nil {
		return "", fmt.Errorf("encoding the structured error: %w", err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// organization validates the name of the organisation. Clients must not show
// one that holds an address or a URL.
func organization(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	name, err := phrase(s, MaxOrganization)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrOrganization, err)
	}
	for word := range strings.FieldsSeq(strings.ToLower(name)) {
		if isAddress(word) {
			return "", fmt.Errorf("%w %q: want a name only, %q is an address", ErrOrganization, s, word)
		}
	}
	return name, nil
}

// isAddress reports whether a word is a URL, an e-mail address or the like. A
// plain host name is not one: there are companies that are called like that.
func isAddress(word string) bool {
	for _, prefix := range []string{"www.", "http:", "https:", "mailto:", "tel:"} {
		if strings.HasPrefix(strings.TrimLeft(word, "<(["), prefix) {
			return true
		}
	}
	user, host, at := strings.Cut(word, "@")
	domain, _, path := strings.Cut(word, "/")
	return strings.Contains(word, "://") ||
		at && user != "" && strings.Contains(host, ".") ||
		path && strings.Contains(strings.Trim(domain, "."), ".")
}

// justification validates all texts and returns the first with its language.
func justification(js []Justification) (text, lang string, err error) {
	if len(js) > MaxLanguages {
		return "", "", fmt.Errorf("%w: more than %d", ErrJustification, MaxLanguages)
	}
	seen := map[string]bool{}
	for i, j := range js {
		l, err := languageTag(j.Language)
		if err != nil {
			return "", "", fmt.Errorf("%w: %w", ErrJustification, err)
		}
		if seen[l] {
			return "", "", fmt.Errorf("%w: two for language %q", ErrJustification, l)
		}
		seen[l] = true
		t, err := phrase(j.Text, MaxJustification)
		if err != nil {
			return "", "", fmt.Errorf("%w for language %q: %w", ErrJustification, l, err)
		}
		if t[0] == '{' {
			return "", "", fmt.Errorf("%w %q: begins like a structured error, with a brace", ErrJustification, j.Text)
		}
		if i == 0 {
			text, lang = t, l
		}
	}
	return text, lang, nil
}

// maxTag is the length of a language tag that software must be able to store
// (RFC 5646 §4.4.1).
const maxTag = 35

// languageTag returns the tag in its usual letter case. Raw, because a
// language that was renamed is still the one that the operator wrote.
func languageTag(s string) (string, error) {
	if len(s) > maxTag {
		return "", fmt.Errorf("language tag is longer than %d characters", maxTag)
	}
	tag, err := language.Raw.Parse(s)
	if err != nil || tag == language.Und || strings.Contains(s, "_") {
		return "", fmt.Errorf("%q is not a language tag such as de or pt-BR", s)
	}
	return tag.String(), nil
}

func incidents(in []Incident) ([]entry, error) {
	if len(in) > MaxIncidents {
		return nil, fmt.Errorf("%w: more than %d", ErrIncident, MaxIncidents)
	}
	var out []entry
	for _, i := range in {
		db, err := phrase(i.Database, MaxIncidentID)
		if err != nil {
			return nil, fmt.Errorf("%w: database: %w", ErrIncident, err)
		}
		id, err := phrase(i.ID, MaxIncidentID)
		if err != nil {
			return nil, fmt.Errorf("%w: identifier: %w", ErrIncident, err)
		}
		out = append(out, entry{DB: db, ID: id})
	}
	return out, nil
}

// phrase returns s in Unicode normalisation form C (RFC 5198 §2) without the
// blanks around it. What I-JSON forbids (RFC 7493 §2.1) is an error, and so
// are control characters: the text is one line for a person.
func phrase(s string, limit int) (string, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("text is not valid UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return "", fmt.Errorf("text holds the control character %U", r)
		}
		if r&0xFFFE == 0xFFFE || 0xFDD0 <= r && r <= 0xFDEF {
			return "", fmt.Errorf("text holds %U, which is no character", r)
		}
	}
	s = strings.TrimSpace(norm.NFC.String(s))
	if s == "" {
		return "", errors.New("text is empty")
	}
	if len(s) > limit {
		return "", fmt.Errorf("text is longer than %d octets", limit)
	}
	return s, nil
}
