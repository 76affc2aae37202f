package list

import (
	"bytes"
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/rule"
)

// Header is what a list says of itself in the comments before its first rule.
// A field that is missing, or whose value makes no sense, is zero. Times are
// UTC.
type Header struct {
	Title    string
	ID       string // List-ID, which CheckID takes
	Version  string
	Homepage string
	Appeals  string // where to complain of a wrong entry: a mailto: or https: URI
	License  string
	Serial   uint32 // of the SOA record in a policy zone
	Issued   time.Time
	Modified time.Time
	// Expires is a "Valid until", or else an "Expires". A period such as "4 days"
	// there counts from Modified, or Issued without one.
	Expires time.Time
	Entries int
	Salt    rule.Salt // of a blinded list
	HasSalt bool      // Salt was there: it may be all zeros
}

// maxValue is the length in bytes to which the text of a header field is cut.
const maxValue = 256

// headerReader fills a Header from comments until the first rule.
//
// It reads "Key: value" in any letter case behind any comment sign, and several
// of them in one comment where each has its own "# ":
//
//	# Title: Example        # List-ID: example     # Serial: 2026112201
//	! Last modified: 04 Nov 2025 18:28 UTC
//	! Expires: 4 days (update frequency)
//
// To the programs that read adblock lists an Expires is how often to look for a new
// edition, so there a list says until when it is good in a key of its own, which counts
// before the other one:
//
//	! Expires: 1 day
//	! Valid until: 2026-12-06T00:00:00Z
//
// Keys that it does not know are left alone. Once there was a salt, another one
// is noticed wherever it stands: behind it begins another list.
type headerReader struct {
	Header
	closed bool
	until  time.Time     // a Valid until
	period time.Duration // an Expires that is relative
	salts  bool          // there was a Salt, and then another one
}

// comment reads one whole-line comment. What cannot be printed goes before the fields
// are told apart: else a value could hold a sign that becomes one only when the value is
// written again, and begins another field there. The error is about a field without which
// nobody can tell which list it is.
func (h *headerReader) comment(text []byte) (err error) {
	if h.closed && !h.HasSalt || bytes.IndexByte(text, ':') < 0 {
		return nil
	}
	rest := strings.TrimLeft(printable(string(text)), "#!;/ ")
	for rest != "" {
		var field string
		field, rest = cutField(rest)
		key, value, ok := strings.Cut(field, ":")
		if key = strings.ToLower(strings.TrimSpace(key)); ok && (!h.closed || key == "salt") {
			err = cmp.Or(h.set(key, clean(value)), err)
		}
	}
	return err
}

// ParseHeader reads what a compiled list says of itself: the comments that would stand
// before the rules of a text. What cannot be a List-ID is none.
func ParseHeader(text []byte) Header {
	var h headerReader
	for line := range bytes.Lines(text) {
		_ = h.comment(trim(line))
	}
	h.close()
	return h.Header
}

// cutField splits a comment in front of the next "# Key:" of a known key, so
// that a value may itself hold such a sign.
func cutField(s string) (field, rest string) {
	for i := 0; ; {
		j := strings.Index(s[i:], "# ")
		if j < 0 {
			return s, ""
		}
		i += j + len("# ")
		key, _, ok := strings.Cut(s[i:min(len(s), i+maxKey)], ":")
		if ok && known[strings.ToLower(strings.TrimSpace(key))] {
			return s[:i-len("# ")], s[i:]
		}
	}
}

// maxKey is the number of bytes in which a known key ends; a longer look would
// make a comment full of number signs costly.
const maxKey = 40

// clean returns a value that is short and can be printed. What it returns, it returns
// again as it is.
func clean(s string) string {
	s = strings.TrimSpace(printable(s))
	if len(s) > maxValue {
		s = strings.TrimSpace(strings.ToValidUTF8(s[:maxValue], "")) // without half a character
	}
	return s
}

// printable returns a text without what cannot be printed.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(s, ""))
}

// known holds every key that set understands.
var known = map[string]bool{
	"title": true, "list-id": true, "version": true, "homepage": true, "appeals": true, "license": true, "serial": true,
	"issued": true, "last modified": true, "last updated": true, "modified": true, "updated": true,
	"date": true, "expires": true, "valid until": true, "entries": true, "number of entries": true,
	"number of unique domains": true, "salt": true,
}

// set takes one field over. The first of two with the same key counts.
func (h *headerReader) set(key, value string) error {
	switch key {
	case "title":
		setFirst(&h.Title, value)
	case "list-id":
		if err := CheckID(value); value != "" && err != nil {
			return err
		}
		setFirst(&h.ID, value)
	case "version":
		setFirst(&h.Version, value)
	case "homepage":
		setFirst(&h.Homepage, value)
	case "appeals":
		setFirst(&h.Appeals, value)
	case "license":
		setFirst(&h.License, value)
	case "serial":
		if n, err := strconv.ParseUint(value, 10, 32); err == nil {
			setFirst(&h.Serial, uint32(n))
		}
	case "issued":
		setTime(&h.Issued, value)
	case "last modified", "last updated", "modified", "updated", "date":
		setTime(&h.Modified, value)
	case "expires":
		setTime(&h.Expires, value)
		setFirst(&h.period, period(value))
	case "valid until":
		setTime(&h.until, value)
	case "entries", "number of entries", "number of unique domains":
		setFirst(&h.Entries, count(value))
	case "salt":
		if salt, ok := parseHash([]byte(value)); ok {
			h.salts = h.salts || h.HasSalt && salt != h.Salt
			if !h.HasSalt {
				h.Salt, h.HasSalt = salt, true
			}
		}
	}
	return nil
}

// meta reads the TXT record of a policy zone that describes the list:
// "v=1 list=nudify expires=2026-12-06T00:00:00Z".
//
// It may stand anywhere: servers send a zone in an order of their own.
func (h *headerReader) meta(data [][]byte) (err error) {
	for _, text := range data {
		for word := range strings.FieldsSeq(string(text)) {
			switch key, value, _ := strings.Cut(word, "="); key {
			case "list":
				err = cmp.Or(h.set("list-id", clean(value)), err)
			case "expires":
				err = cmp.Or(h.set(key, clean(value)), err)
			}
		}
	}
	return err
}

func setFirst[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// setTime is setFirst for times, which are not to be compared with ==.
func setTime(field *time.Time, value string) {
	if field.IsZero() {
		*field = date(value)
	}
}

// close ends the header: the first rule has come, or the end of the file.
func (h *headerReader) close() {
	if h.closed {
		return
	}
	h.closed = true
	from := h.Modified
	if from.IsZero() {
		from = h.Issued
	}
	switch {
	case !h.until.IsZero():
		h.Expires = h.until
	case h.Expires.IsZero() && h.period > 0 && !from.IsZero():
		h.Expires = inYears(from.Add(h.period))
	}
}

// layouts are the forms of dates met in published lists.
var layouts = []string{
	time.RFC3339,
	"2006-01-02T15:04:05-0700",
	"2006-01-02 15:04:05 MST",
	"2006-01-02 15:04 MST",
	"2006-01-02 15:04:05",
	"2006-01-02 15:04",
	time.DateOnly,
	"02 Jan 2006 15:04 MST",
	"2 January 2006 15:04:05 (MST)",
	"2 Jan 2006",
	time.RFC1123Z,
	time.RFC1123,
}

// date returns the time that a value names, in whole seconds, zero when it names none.
// A zone that is an abbreviation other than UTC or GMT says nothing certain, also where
// the machine has one of that name, so such a date is not used.
func date(value string) time.Time {
	for _, layout := range layouts {
		t, err := time.ParseInLocation(layout, value, time.UTC)
		if err != nil {
			continue
		}
		if name, offset := t.Zone(); offset == 0 && name != "UTC" && name != "GMT" && name != "" {
			return time.Time{}
		}
		return inYears(t.UTC().Truncate(time.Second))
	}
	return time.Time{}
}

// inYears returns a time, zero for one of a year that RFC 3339 cannot write.
func inYears(t time.Time) time.Time {
	if y := t.Year(); y < 1 || y > 9999 {
		return time.Time{}
	}
	return t
}

// maxPeriod is the longest period that an Expires is believed.
const maxPeriod = 3650 * 24 * time.Hour

// period reads "1 day", "4 days (update frequency)", "12 hours" or "5d".
func period(value string) time.Duration {
	digits := len(value) - len(strings.TrimLeft(value, "0123456789"))
	n, err := strconv.Atoi(value[:digits])
	if err != nil || n <= 0 {
		return 0
	}
	unit, _, _ := strings.Cut(strings.TrimSpace(value[digits:]), " ")
	var d time.Duration
	switch strings.ToLower(unit) {
	case "h", "hour", "hours":
		d = time.Hour
	case "d", "day", "days":
		d = 24 * time.Hour
	case "w", "week", "weeks":
		d = 7 * 24 * time.Hour
	default:
		return 0
	}
	if n > int(maxPeriod/d) {
		return 0
	}
	return time.Duration(n) * d
}

// maxCount is more entries than any list has; a larger number is a mistake.
const maxCount = 1e9

// count reads a number of entries, which may have commas between thousands.
func count(value string) int {
	n, err := strconv.Atoi(strings.ReplaceAll(value, ",", ""))
	if err != nil || n < 0 || n > maxCount {
		return 0
	}
	return n
}
