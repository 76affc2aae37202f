package list

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Comments returns the header as a list in the domains format begins with it, a field a
// line. It has no salt: that is of a blinded list.
func (h Header) Comments() []byte {
	h.HasSalt = false
	return h.comments("#", ToDomains)
}

// comments returns the header as comments behind a sign.
func (h Header) comments(sign string, to Target) (text []byte) {
	for _, f := range h.lines(to) {
		if f.value != "" {
			text = put(text, sign, " ", f.key, ": ", f.value)
		}
	}
	return text
}

// headerLine is one field as it is written; "" is for one that is not there.
type headerLine struct{ key, value string }

// lines returns the fields of the header in the order in which a target has them.
func (h Header) lines(to Target) []headerLine {
	serial, salt, end := "", "", []headerLine{{"Expires", stamp(h.Expires)}}
	if h.Serial != 0 {
		serial = strconv.FormatUint(uint64(h.Serial), 10)
	}
	if h.HasSalt {
		salt = h.Salt.String()
	}
	if to == ToAdblock && !h.Expires.IsZero() {
		end = []headerLine{{"Expires", h.refresh()}, {"Valid until", stamp(h.Expires)}}
	}
	return slices.Concat([]headerLine{
		{"Title", h.Title}, {"List-ID", h.ID}, {"Version", h.Version}, {"Serial", serial},
		{"Issued", stamp(h.Issued)}, {"Last modified", stamp(h.Modified)},
	}, end, []headerLine{
		{"Entries", strconv.Itoa(h.Entries)}, {"Homepage", h.Homepage}, {"Appeals", h.Appeals}, {"License", h.License}, {"Salt", salt},
	})
}

// refresh returns how often the programs that read adblock lists are to look for a new
// edition: once a day, or twice in the life of a list that is shorter than two days. All
// of them understand whole hours and days; of a date, uBlock Origin and AdGuard take the
// year for days or seconds, and would look after five years, or all the time.
func (h Header) refresh() string {
	const day = 24 * time.Hour
	life := h.Expires.Sub(h.Issued)
	switch {
	case h.Issued.IsZero() || life >= 2*day || life <= 0:
		return "1 day"
	case life >= 4*time.Hour:
		return fmt.Sprintf("%d hours", life/2/time.Hour)
	}
	return "1 hour"
}

// isIn reports whether a Scanner would read the header in these comments.
func (h Header) isIn(comments []byte) bool {
	var r headerReader
	for line := range bytes.Lines(comments) {
		if r.comment(trimRight(line)) != nil {
			return false
		}
	}
	r.close()
	return r.Header == h
}

// stamp returns a time as headers have it, "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
