package list

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rpz"
)

// Errors that refuse a whole file, to be tested with errors.Is.
var (
	ErrHTML    = errors.New("is a web page, not a list")
	ErrBinary  = errors.New("is not text")
	ErrRefused = errors.New("most of it was refused")
	ErrNoSalt  = errors.New("holds hashes and no salt: a blinded list has \"# Salt: \" and 32 hex digits in front of them")
	ErrSalts   = errors.New("holds hashes and two different salts: nobody can tell which one each was made with")

	ErrCompiled = errors.New("is not a compiled list")
)

// Errors that refuse one line or one entry of it, beside those of
// dnsname.Parse and rpz.Parse.
var (
	ErrLineTooLong = fmt.Errorf("line is longer than %d bytes", MaxLine)
	ErrNUL         = errors.New("line holds a NUL byte")
	ErrSyntax      = errors.New("not a line of this format")
	ErrScope       = errors.New("means every name")
	ErrWildcard    = errors.New("wildcard in a format without wildcards")
	ErrAction      = rpz.ErrAction // redirects, forwards, drops: one error for all formats
	ErrPattern     = errors.New("pattern that is not a whole name")
	ErrCosmetic    = errors.New("rule about parts of a page")
	ErrModifier    = errors.New("modifier that a name filter cannot honour")
	ErrDirective   = errors.New("directive that brings in other lines")
	ErrCondition   = errors.New("line that holds under a condition only")
	ErrOwner       = errors.New("record whose owner is not known")
	ErrHash        = errors.New("not a hash of 32 hex digits")
	ErrOrigin      = errors.New("owner in a zone whose own name is not known")
)

// maxExcerpt is the number of bytes of a refused entry that its error quotes.
const maxExcerpt = 60

// because returns the reason for which text was refused, with a short and
// printable excerpt of it: the text is a stranger's, and the error may end on
// somebody's terminal.
func because(reason error, text []byte) error {
	if errors.Is(reason, dnsname.ErrIDN) {
		reason = dnsname.ErrIDN // what it wraps quotes the text at any length
	}
	dots := ""
	if len(text) > maxExcerpt {
		text, dots = text[:maxExcerpt], "…"
	}
	return fmt.Errorf("%w: %q%s", reason, strings.ToValidUTF8(string(text), "\uFFFD"), dots)
}
