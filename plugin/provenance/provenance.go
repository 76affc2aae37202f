// Package provenance holds what a publisher knows of an entry of a list: since
// when it is there, who says so, how sure they are, and what became of it. It is
// the comment behind a name of the domains format, words of the form key=value
// in any order:
//
//	badsite.example # since=2026-02-10 seen=2026-11-01 sources=press@2026-02-10,https://paper.example/a category=nudify confidence=high
//	  review=2026-11-03 appeal=rejected:2026-10-20 note="the owner says that it is a shop"
//
// (in one line). Resolvers ignore comments, so nothing in here changes what is
// blocked. The keys are
//
//	since       the first day on which one of its sources is known to have held it
//	seen        the last such day
//	sources     who says so: ids or URLs with commas between them, each once
//	category    a word
//	confidence  high, medium or low
//	review      the day on which a person last looked at the entry
//	appeal      open, upheld or rejected, a colon, and the day on which it became so
//	note        what a reviewer should know, the last word and in double quotes, with \" and \\ in it
//
// Days are UTC, as in 2006-01-02. No other value holds a blank.
package provenance

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits on what an entry says. All of it fits into a line that resolvers read,
// which is list.MaxLine.
const (
	MaxComment = 3800 // bytes of a Record as String writes it
	MaxSources = 64
	MaxNote    = 500 // bytes, before any is escaped
)

// The reasons for which Parse refuses a comment, to be tested with errors.Is.
var (
	ErrSyntax   = errors.New("is no key=value")
	ErrKey      = errors.New("is no key of an entry: these are since, seen, sources, category, confidence, review, appeal and note")
	ErrTwice    = errors.New("stands there twice")
	ErrDay      = errors.New("is no day of the form 2006-01-02")
	ErrSource   = errors.New("is no source: ids and URLs are printable ASCII without blanks, commas, quotes and backslashes")
	ErrCategory = errors.New("is no category: a word of a-z, 0-9 and hyphens")
	ErrSure     = errors.New("is no confidence: high, medium or low")
	ErrAppeal   = errors.New("is no appeal: open, upheld or rejected, a colon, and a day")
	ErrNote     = errors.New("is no note: printable text in double quotes, the last word of the comment, of at most 500 bytes")
	ErrMany     = errors.New("are more than 64 sources")
	ErrLong     = errors.New("is longer than 3800 bytes")
)

// Day is a day in UTC as time.DateOnly writes it, which orders as text does. The
// zero value is none.
type Day string

// DayOf returns the day of a moment.
func DayOf(t time.Time) Day {
	if t.IsZero() {
		return ""
	}
	return Day(t.UTC().Format(time.DateOnly))
}

// parseDay reads a day. Its error is ErrDay.
func parseDay(s string) (Day, error) {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return "", ErrDay
	}
	return Day(s), nil
}

// Start returns the midnight that a day begins with, the zero time of none.
func (d Day) Start() time.Time {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return time.Time{}
	}
	return t
}

// Confidence is how sure a publisher is. The zero value says nothing of it.
type Confidence string

// The confidences, from the least.
const (
	Low    Confidence = "low"
	Medium Confidence = "medium"
	High   Confidence = "high"
)

// Rank orders confidences: 0 for none, then 1 for Low to 3 for High.
func (c Confidence) Rank() int { return slices.Index([]Confidence{"", Low, Medium, High}, c) }

// The states of an appeal.
const (
	Open     = "open"
	Upheld   = "upheld" // the complaint was right, and the entry has to go
	Rejected = "rejected"
)

// Appeal is a complaint about an entry. The zero value is none.
type Appeal struct {
	State string // Open, Upheld or Rejected
	Since Day    // when it became so
}

// String returns the appeal as it is written, "" for none.
func (a Appeal) String() string {
	if a == (Appeal{}) {
		return ""
	}
	return a.State + ":" + string(a.Since)
}

// MarshalText writes the appeal as String does.
func (a Appeal) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Record is what is known of one entry. The zero value knows nothing.
type Record struct {
	Since      Day        `json:"since,omitempty"`
	Seen       Day        `json:"seen,omitempty"`
	Sources    []string   `json:"sources,omitempty"` // sorted, each once
	Category   string     `json:"category,omitempty"`
	Confidence Confidence `json:"confidence,omitempty"`
	Review     Day        `json:"review,omitempty"`
	Appeal     Appeal     `json:"appeal,omitzero"`
	Note       string     `json:"note,omitempty"`
}

// Empty reports whether nothing is known.
func (r Record) Empty() bool { return r.String() == "" }

// Equal reports whether two records say the same.
func (r Record) Equal(other Record) bool { return r.String() == other.String() }

// Is reports whether a comment is meant as provenance: its first word begins as one
// of the keys does. Any other comment is a remark.
func Is(comment string) bool {
	key, _, ok := strings.Cut(comment, "=")
	return ok && slices.Contains(keys[:], strings.TrimSpace(key))
}

// keys are all keys, in the order in which they are written.
var keys = [...]string{"since", "seen", "sources", "category", "confidence", "review", "appeal", "note"}

// Parse reads a comment. It takes nothing that it does not understand: the error
// names the first word that is wrong, and wraps one of those of this package. The
// empty comment is the empty Record.
func Parse(comment string) (Record, error) {
	r, err := ParseLong(comment)
	switch {
	case err != nil:
		return Record{}, err
	case len(r.Sources) > MaxSources:
		return Record{}, wrong("sources", ErrMany)
	case len(r.String()) > MaxComment:
		return Record{}, wrong(comment, ErrLong)
	}
	return r, nil
}

// ParseLong is Parse for a comment that may have more sources than MaxSources, or be
// longer than MaxComment: Trim makes it one that Parse takes.
func ParseLong(comment string) (Record, error) {
	var r Record
	seen := map[string]bool{}
	rest := strings.TrimSpace(comment)
	for rest != "" {
		var word string
		word, rest = cutWord(rest)
		key, value, ok := strings.Cut(word, "=")
		switch {
		case !ok:
			return Record{}, wrong(word, ErrSyntax)
		case seen[key]:
			return Record{}, wrong(key, ErrTwice)
		}
		seen[key] = true
		if err := r.set(key, value); err != nil {
			return Record{}, err
		}
	}
	return r, nil
}

// Trim returns a record with no more sources than MaxSources, and not longer than
// MaxComment if leaving out sources can bring that about, and how many it has left out:
// those with the oldest day behind their "@" first, and those without a day last.
func (r Record) Trim() (trimmed Record, out int) {
	byAge := slices.Clone(r.Sources) // the oldest last
	slices.SortStableFunc(byAge, func(a, b string) int { return -cmp.Compare(dayOfCopy(a), dayOfCopy(b)) })
	for len(byAge) > 0 && (len(byAge) > MaxSources || len(r.String()) > MaxComment) {
		byAge = byAge[:len(byAge)-1]
		r.Sources = slices.Sorted(slices.Values(byAge))
		out++
	}
	return r, out
}

// dayOfCopy returns the day, month or year of the copy of a source that was read, and
// one that is later than all others where there is none.
func dayOfCopy(source string) string {
	day := source[strings.LastIndexByte(source, '@')+1:]
	for _, layout := range []string{time.DateOnly, "2006-01", "2006"} {
		if _, err := time.Parse(layout, day); err == nil && len(day) < len(source) {
			return day
		}
	}
	return "~"
}

// cutWord splits a comment behind its first word. A note is all that is left.
func cutWord(s string) (word, rest string) {
	if strings.HasPrefix(s, "note=") {
		return s, ""
	}
	word, rest, _ = strings.Cut(s, " ")
	return word, strings.TrimLeft(rest, " ")
}

// excerpt is the number of bytes of a comment that an error quotes.
const excerpt = 60

// wrong returns an error with the word that it is about, short and printable.
func wrong(word string, err error) error {
	dots := ""
	if len(word) > excerpt {
		word, dots = word[:excerpt], "…"
	}
	return fmt.Errorf("%q%s %w", strings.ToValidUTF8(word, "\uFFFD"), dots, err)
}

// set takes one key over.
func (r *Record) set(key, value string) (err error) {
	switch key {
	case "since":
		r.Since, err = parseDay(value)
	case "seen":
		r.Seen, err = parseDay(value)
	case "review":
		r.Review, err = parseDay(value)
	case "sources":
		return r.setSources(value)
	case "category":
		r.Category, err = value, check(isCategory(value), ErrCategory)
	case "confidence":
		r.Confidence = Confidence(value)
		err = check(r.Confidence.Rank() > 0, ErrSure)
	case "appeal":
		r.Appeal, err = parseAppeal(value)
	case "note":
		r.Note, err = unquote(value)
	default:
		return wrong(key, ErrKey)
	}
	if err != nil {
		return wrong(key+"="+value, err)
	}
	return nil
}

func check(ok bool, err error) error {
	if ok {
		return nil
	}
	return err
}

func (r *Record) setSources(value string) error {
	r.Sources = strings.Split(value, ",")
	for _, s := range r.Sources {
		if !isSource(s) {
			return wrong(s, ErrSource)
		}
	}
	slices.Sort(r.Sources)
	for i, s := range r.Sources[1:] {
		if s == r.Sources[i] {
			return wrong(s, ErrTwice)
		}
	}
	return nil
}

// isSource reports whether s can be the id or the URL of a source.
func isSource(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c > '~' || c == ',' || c == '"' || c == '\\'
	})
}

func isCategory(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func parseAppeal(s string) (Appeal, error) {
	state, day, _ := strings.Cut(s, ":")
	since, err := parseDay(day)
	if err != nil || state != Open && state != Upheld && state != Rejected {
		return Appeal{}, ErrAppeal
	}
	return Appeal{state, since}, nil
}

// unquote reads a note.
func unquote(s string) (string, error) {
	body, ok := strings.CutPrefix(s, `"`)
	if !ok {
		return "", ErrNote
	}
	var b strings.Builder
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			note := b.String()
			return note, check(i == len(body)-1 && isNote(note), ErrNote)
		case c != '\\':
			b.WriteByte(c)
		case i+1 < len(body) && (body[i+1] == '"' || body[i+1] == '\\'):
			i++
			b.WriteByte(body[i])
		default:
			return "", ErrNote
		}
	}
	return "", ErrNote
}

// isNote reports whether s can stand in a note.
func isNote(s string) bool {
	return s != "" && len(s) <= MaxNote && s == strings.TrimSpace(s) && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) })
}

// quote is the inverse of unquote.
var quote = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// String returns the record as it is written behind a name, with the keys in their
// order; "" when nothing is known.
func (r Record) String() string {
	var words []string
	for i, v := range r.Values() {
		switch {
		case v == "":
		case keys[i] == "note":
			words = append(words, `note="`+quote.Replace(v)+`"`)
		default:
			words = append(words, keys[i]+"="+v)
		}
	}
	return strings.Join(words, " ")
}

// Values returns the text of each field, "" of those that are not there, in the
// order in which String writes them.
func (r Record) Values() [len(keys)]string {
	return [...]string{string(r.Since), string(r.Seen), strings.Join(r.Sources, ","), r.Category, string(r.Confidence),
		string(r.Review), r.Appeal.String(), r.Note}
}

// Remark returns a record whose note is a comment that is no provenance, cut where
// it would be too long, and cleared of what cannot be printed.
func Remark(comment string) Record {
	note := strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return -1
	}, strings.ToValidUTF8(comment, ""))
	return Record{Note: cut(note)}
}

// cut shortens a note to MaxNote bytes, at the end of a character.
func cut(note string) string {
	note = strings.TrimSpace(note)
	if len(note) <= MaxNote {
		return note
	}
	const dots = "…"
	for i := MaxNote - len(dots); ; i-- {
		if utf8.RuneStart(note[i]) {
			return strings.TrimSpace(note[:i]) + dots
		}
	}
}

// Conflict is a field of which two records say what cannot both be so.
type Conflict struct{ Key, One, Other, Taken string }

// Merge returns what two records of one name know together: the earliest Since, the
// latest Seen and Review, all Sources, the higher Confidence. Where they contradict
// each other it takes the Category of r, the later state of the appeal, and both
// notes, and returns a Conflict for each of these. Which of the two comes first
// matters for Category only.
func (r Record) Merge(other Record) (Record, []Conflict) {
	m := Record{
		Since: earlier(r.Since, other.Since), Seen: max(r.Seen, other.Seen), Review: max(r.Review, other.Review),
		Sources:  slices.Compact(slices.Sorted(slices.Values(slices.Concat(r.Sources, other.Sources)))),
		Category: cmp.Or(r.Category, other.Category), Confidence: r.Confidence,
		Appeal: laterAppeal(r.Appeal, other.Appeal), Note: bothNotes(r.Note, other.Note),
	}
	if other.Confidence.Rank() > r.Confidence.Rank() {
		m.Confidence = other.Confidence
	}
	var conflicts []Conflict
	one, two, taken := r.Values(), other.Values(), m.Values()
	for i, key := range keys {
		contradict := key == "category" || key == "appeal" || key == "note"
		if contradict && one[i] != "" && two[i] != "" && one[i] != two[i] {
			conflicts = append(conflicts, Conflict{key, one[i], two[i], taken[i]})
		}
	}
	return m, conflicts
}

func earlier(a, b Day) Day {
	if a == "" || b != "" && b < a {
		return b
	}
	return a
}

// laterAppeal returns the later state; of two of one day, what is better for whoever
// complained.
func laterAppeal(a, b Appeal) Appeal {
	kindness := func(s string) int { return slices.Index([]string{Rejected, Open, Upheld}, s) }
	if c := cmp.Or(cmp.Compare(a.Since, b.Since), kindness(a.State)-kindness(b.State)); c < 0 {
		return b
	}
	return a
}

// bothNotes returns both notes in the order of their text, one of two that are alike
// or of which one holds the other.
func bothNotes(a, b string) string {
	switch {
	case strings.Contains(a, b):
		return a
	case strings.Contains(b, a):
		return b
	}
	return cut(min(a, b) + "; " + max(a, b))
}

// Change is a field that two records of one name do not have alike.
type Change struct {
	Key string `json:"key"`
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
}

// Compare returns what has become of a record.
func Compare(before, now Record) (changes []Change) {
	a, b := before.Values(), now.Values()
	for i, key := range keys {
		if a[i] != b[i] {
			changes = append(changes, Change{key, a[i], b[i]})
		}
	}
	return changes
}
