package helpline

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"
)

// What an operator's file may hold.
const (
	MaxFile    = 64 << 10 // bytes
	MaxEntries = 256
	maxLine    = 1024 // bytes
	maxName    = 100  // characters
	maxErrors  = 20   // are reported, the others counted
)

// Change is one line of an operator's file.
type Change struct {
	Entry
	Replace bool // take away what the directory has of this kind in this country
}

// The columns of an operator's file.
const (
	colCountry = iota
	colKind
	colName
	colNumber
	colLink
	colAge
	colRead
	columns
)

// Why a line of an operator's file is refused.
var (
	ErrColumns   = errors.New("want 3 to 7 columns with \"|\" between them: country | kind | name | number | link | ages | checked")
	ErrCountry   = errors.New("country is not an ISO 3166 code of two capital letters, such as DE, and not *")
	ErrKind      = errors.New("kind is not one of emergency, child, hotline, removal, behaviour, centre, finder")
	ErrName      = fmt.Errorf("name is missing, longer than %d characters, or not printable text", maxName)
	ErrNumber    = errors.New("number is not 2 to 15 digits, with a leading + or without, and spaces, dots, hyphens, slashes or brackets between them")
	ErrTrunk     = errors.New("number has a (0) behind the country code: leave it out, it must not be dialled")
	ErrLink      = errors.New("link is not of the form https://name.example/…: only https is safe from being read or changed on the way")
	ErrNeither   = errors.New("neither number nor link")
	ErrEmergency = errors.New("the emergency numbers of a country cannot be replaced, only added to: leave the = out")
	ErrStopNCII  = errors.New("StopNCII is for adults only, and for images of adults: its ages must be adults")
	ErrAge       = errors.New("ages is not one of under18, adults, pictured-under18, and not empty")
	ErrUndated   = errors.New("number without the day, of the form 2026-11-22, on which somebody checked it")
	ErrDay       = errors.New("is not a day of the form 2026-11-22")
	ErrFuture    = errors.New("checked on a day that has not come yet")
	ErrTwice     = errors.New("says the same as an earlier line")
	ErrText      = errors.New("is not UTF-8 text")
	ErrLine      = fmt.Errorf("line is longer than %d bytes", maxLine)
	ErrMany      = fmt.Errorf("more than %d entries", MaxEntries)
	ErrSize      = fmt.Errorf("is larger than %d bytes", MaxFile)
)

// Parse reads an operator's entries, a line each:
//
//	# country | kind | name | number | link | ages | checked
//	DE | child | School counsellor, room 12 | 030 1234567 | https://school.example/help | under18 | 2026-11-01
//	=DE | hotline | Our hotline | | https://hotline.example/
//
// Columns at the end may be left out. The country is an ISO 3166-1 code, or "*"
// for every country; "=" in front of it replaces what the directory has of this
// kind there, see Directory.With. A number needs the day on which somebody
// checked it, from which it is shown for six months. The day may be tomorrow,
// which it is somewhere already.
// Lines that begin with "#" and empty lines mean nothing.
//
// The file must be right as a whole. The error names every line that is not, as
// "file:line: reason", up to 20 of them; links are not repeated in it.
func Parse(r io.Reader, file string, now time.Time) ([]Change, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(text) > MaxFile {
		return nil, fmt.Errorf("%s: %w", file, ErrSize)
	}
	p := parser{file: file, now: now}
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\uFEFF")) {
		p.line(line)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return p.changes, nil
}

// parser collects the entries and the errors of one file.
type parser struct {
	file    string
	now     time.Time
	n       int // line
	changes []Change
	errs    []error
	more    int // errors that were only counted
}

func (p *parser) line(text string) {
	p.n++
	if text = strings.TrimSpace(text); text == "" || text[0] == '#' {
		return
	}
	c, err := p.change(text)
	earlier := p.earlier(&c)
	switch {
	case err != nil:
	case len(p.changes) == MaxEntries:
		err = ErrMany
	case earlier != nil:
		err = fmt.Errorf("%w: %s", ErrTwice, earlier.Source)
	default:
		c.Local, c.Source = true, p.file+":"+strconv.Itoa(p.n)
		p.changes = append(p.changes, c)
		return
	}
	if len(p.errs) == maxErrors {
		p.more++
		return
	}
	p.errs = append(p.errs, fmt.Errorf("%s:%d: %w", p.file, p.n, err))
}

func (p *parser) err() error {
	if p.more > 0 {
		p.errs = append(p.errs, fmt.Errorf("%s: and %d more lines that are refused", p.file, p.more))
	}
	return errors.Join(p.errs...)
}

// earlier returns what an earlier line says that says the same, on whatever day it
// was checked; nil if there is none.
func (p *parser) earlier(c *Change) *Change {
	for i := range p.changes {
		o := &p.changes[i]
		if c.Country == o.Country && c.Kind == o.Kind && c.Name == o.Name && c.Tel == o.Tel && c.URL == o.URL && c.Age == o.Age {
			return o
		}
	}
	return nil
}

// change reads one line.
func (p *parser) change(text string) (Change, error) {
	if len(text) > maxLine {
		return Change{}, ErrLine
	}
	if !utf8.ValidString(text) {
		return Change{}, ErrText
	}
	f := strings.Split(text, "|")
	if len(f) <= colName || len(f) > columns {
		return Change{}, ErrColumns
	}
	f = append(f, make([]string, columns-len(f))...)
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	var c Change
	for _, set := range []func(*Change, []string) error{
		(*Change).setPlace, (*Change).setName, (*Change).setLink, (*Change).setNumber,
	} {
		if err := set(&c, f); err != nil {
			return Change{}, err
		}
	}
	if c.ReadOn.After(p.now.Add(24 * time.Hour)) {
		return Change{}, ErrFuture
	}
	return c, nil
}

// setPlace reads where the entry belongs.
func (c *Change) setPlace(f []string) error {
	code, replace := strings.CutPrefix(f[colCountry], "=")
	c.Replace, c.Country = replace, strings.TrimSpace(code)
	if !isCountry(c.Country) {
		return ErrCountry
	}
	kind, err := word[Kind](kinds[:], f[colKind])
	if err != nil {
		return ErrKind
	}
	age, err := word[Age](ages[:], f[colAge])
	if err != nil {
		return ErrAge
	}
	if replace && kind == Emergency {
		return ErrEmergency
	}
	c.Kind, c.Age = kind, age
	return nil
}

// isCountry reports whether code is that of a country of today, or Everywhere.
func isCountry(code string) bool {
	if code == Everywhere {
		return true
	}
	r, err := language.ParseRegion(code)
	return err == nil && len(code) == 2 && r.IsCountry() && r.Canonicalize().String() == code
}

func (c *Change) setName(f []string) error {
	c.Name = f[colName]
	if n := utf8.RuneCountInString(c.Name); n == 0 || n > maxName || strings.ContainsFunc(c.Name, unprintable) {
		return ErrName
	}
	return nil
}

// unprintable refuses control characters and those that change the direction of
// a text. The joiners are letters' business in Persian or Sinhala.
func unprintable(r rune) bool {
	const nonJoiner, joiner = '\u200C', '\u200D'
	return !strconv.IsPrint(r) && r != nonJoiner && r != joiner
}

func (c *Change) setLink(f []string) error {
	c.URL = f[colLink]
	if c.URL != "" && !isLink(c.URL) {
		return ErrLink
	}
	if c.URL == "" && f[colNumber] == "" {
		return ErrNeither
	}
	if u, err := url.Parse(c.URL); err == nil && strings.HasSuffix("."+u.Hostname(), ".stopncii.org") && c.Age != Adults {
		return ErrStopNCII
	}
	return nil
}

func (c *Change) setNumber(f []string) error {
	var err error
	if f[colRead] != "" {
		if c.ReadOn, err = day(f[colRead]); err != nil {
			return err
		}
	}
	if c.Number = f[colNumber]; c.Number == "" {
		return nil
	}
	if c.ReadOn.IsZero() {
		return ErrUndated
	}
	c.Tel, err = dial(c.Number)
	return err
}
