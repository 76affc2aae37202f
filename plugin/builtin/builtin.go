// Package builtin carries the list that a server starts with when it is given
// no other, and the names that no list may block. All of it is text in the
// format of published lists, inside the binary: nothing is read from disk or
// fetched, and no listed name is ever contacted.
//
// nudify.txt and help.txt are made by the generator in gen from the .tsv files
// beside them; shared.txt is kept by hand. The guide in docs/sources.md says
// what every column and key means. The data is under CC0-1.0.
package builtin

import _ "embed" // the texts below

//go:generate go run ./gen

// Name is the name of the built-in list, in a policy and in the configuration.
const Name = "builtin"

//go:embed nudify.txt
var nudifyText string

//go:embed help.txt
var helpText string

//go:embed shared.txt
var sharedText string

//go:embed lookalikes.tsv
var lookalikesText string

// List returns the built-in list in the format "domains": header lines
// "# Key: value", then a name a line, each of which means itself and everything
// below it. Each call returns a copy of its own.
func List() []byte { return []byte(nudifyText) }

// Help returns the protected names of those who help: helplines, hotlines,
// image-removal services and regulators, a name a line. Each stands for itself
// and everything below it; a rule for any of these names, or for a name above
// one of them that would cover it, is to be refused. Each call returns a copy of
// its own.
func Help() []byte { return []byte(helpText) }

// Shared returns the protected names that too many unrelated people share to be
// blocked whole, such as platforms, content networks, sign-in and payment
// services, a name a line. Each stands for itself only: a rule for the name or
// for a name above it is to be refused, a rule for a name below it is fine. Each
// call returns a copy of its own.
func Shared() []byte { return []byte(sharedText) }

// Lookalikes returns the names that must never be listed because they only look
// like a nudify tool, or because a list held them by mistake: lookalikes.tsv as it
// is, with a line of column names, then name, reason and basis with tabs between
// them. The guard does not know them; they are for tools that propose names. Each
// call returns a copy of its own.
func Lookalikes() []byte { return []byte(lookalikesText) }
