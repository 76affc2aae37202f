package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"aead.dev/minisign"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
)

// signatureSuffix is added to the name of a list for that of its signature.
const signatureSuffix = directive.SignatureSuffix

var verify = verb{
	name:  "verify",
	args:  "[-key PUBKEY|FILE]... [-signature SIG] [-json] FILE",
	short: "tell whether a list is signed by one of some keys, and is what its header says",
	long: `verify checks the signature of a list as the resolver does: by one of the keys
given, prehashed, trusted comment included. If it holds, the list is read, and
its header compared with its content and with the clock.

Of a file of sums, as sha256sum writes it, the files that are beside it are
compared, and those that are not there do not matter.

Exit code 1 says that the signature does not hold, that something is wrong with
the list (what sign would refuse to sign), or that a file has another sum.
`,
	run: runVerify,
}

// verifyFlags is what the command line of verify says.
type verifyFlags struct {
	keys      []string
	signature string
	json      bool
}

func runVerify(e *env, fs *flag.FlagSet, args []string) (int, error) {
	var c verifyFlags
	fs.Func("key", "accept this public key, `PUBKEY|FILE`, "+defaultKey+".pub if none is given; may be given again", appendTo(&c.keys))
	fs.StringVar(&c.signature, "signature", "", "the signature is in `SIG` and not in FILE"+signatureSuffix)
	fs.BoolVar(&c.json, "json", false, "write a JSON object")
	files, err := parse(fs, args)
	switch {
	case err != nil:
		return wrong, err
	case len(files) != 1:
		return wrong, usagef("%d lists given, one wanted", len(files))
	}
	keys, err := c.publicKeys()
	if err != nil {
		return wrong, err
	}
	v, err := c.file(e, files[0], keys)
	if err != nil {
		return wrong, err
	}
	return c.show(e, v)
}

// show writes the result.
func (c verifyFlags) show(e *env, v *verified) (int, error) {
	code := fine
	if len(v.Findings) > 0 {
		code = finding
	}
	if c.json {
		return code, writeJSON(e.stdout, v)
	}
	v.print(e.stdout)
	return code, nil
}

func (c verifyFlags) publicKeys() ([]feed.Key, error) {
	if len(c.keys) == 0 {
		c.keys = []string{defaultKey + ".pub"}
	}
	var keys []feed.Key
	for _, arg := range c.keys {
		k, err := publicKey(arg)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// verified is what verify says of a file. The package documentation describes
// its JSON form, which must stay as it is.
type verified struct {
	File      string      `json:"file"`
	Signature string      `json:"signature"` // the file with it
	Valid     bool        `json:"valid"`     // the signature holds
	Key       string      `json:"key,omitempty"`
	Comment   string      `json:"comment,omitempty"` // the trusted one
	Format    list.Format `json:"format"`            // this and what follows: only if it holds
	Header    header      `json:"header"`
	Rules     int         `json:"rules"`
	Refused   int         `json:"refused"`
	Files     []string    `json:"files,omitempty"` // of a file of sums: those that are there and have theirs
	Findings  []string    `json:"findings,omitempty"`

	sums bool // it is a file of sums, and no list
}

// file verifies one file. Nothing of it is looked at before its signature has
// been found to hold.
func (c verifyFlags) file(e *env, name string, keys []feed.Key) (*verified, error) {
	v := &verified{File: name, Signature: c.signature}
	if v.Signature == "" {
		v.Signature = name + signatureSuffix
	}
	text, err := readSignature(v.Signature)
	if err != nil {
		return nil, err
	}
	body, err := openList(e, name)
	if err != nil {
		return nil, err
	}
	s, err := feed.Verify(body, text, keys)
	err = errors.Join(err, body.Close())
	if errors.Is(err, feed.ErrSignature) {
		v.Findings = []string{err.Error()}
		return v, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	v.Valid, v.Key = true, fmt.Sprintf("%016X", s.KeyID)
	v.Comment = printable(strings.ReplaceAll(s.Comment, "\t", " "))
	return v, v.read(e, keys, text)
}

// readSignature returns the text of a signature, nothing when there is none.
// What is too large is left to feed.Verify to refuse.
func readSignature(name string) ([]byte, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, feed.MaxSignature+1))
}

// read enters what the list is. It checks the signature of what it reads once
// more, as the file may not be the same any longer.
func (v *verified) read(e *env, keys []feed.Key, signature []byte) error {
	body, err := openList(e, v.File)
	if err != nil {
		return err
	}
	defer body.Close()
	m := minisign.NewReader(body)
	l, err := v.examine(e, bufio.NewReader(m), body.Modified)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, m); err != nil { // what a list that is refused was not read to
		return fmt.Errorf("%s: %w", v.File, err)
	}
	if !slices.ContainsFunc(keys, func(k feed.Key) bool { return m.Verify(k, signature) }) {
		return fmt.Errorf("%s: changed while it was read", v.File)
	}
	v.Format, v.Header = l.Format, newHeader(l.Header)
	v.Rules, v.Refused = l.Stats.Rules, l.Stats.Refused
	return nil
}

// examine enters what is wrong with the list. Of a file of sums the list is empty.
func (v *verified) examine(e *env, r *bufio.Reader, modified time.Time) (l *feed.List, err error) {
	if v.sums = sumsAhead(r); !v.sums {
		l, v.Findings, err = examine(r, modified, v.File, e.now())
		return l, err
	}
	all, err := readSums(r, v.File)
	if err != nil {
		return nil, err
	}
	if v.Files, _, v.Findings, err = compareSums(v.File, all); err == nil && len(v.Files)+len(v.Findings) == 0 {
		v.Findings = []string{"none of the files is here: put them beside it"}
	}
	return &feed.List{}, err
}

// print writes the result for a person.
func (v *verified) print(w io.Writer) {
	switch {
	case !v.Valid:
		fmt.Fprintf(w, "%s: not verified\n", v.File)
	case len(v.Findings) > 0:
		fmt.Fprintf(w, "%s: signed, and has faults\n", v.File)
	default:
		fmt.Fprintf(w, "%s: fine\n", v.File)
	}
	field(w, "signature", "%s", v.Signature)
	if v.Valid {
		field(w, "key", "%s", v.Key)
		field(w, "comment", "%s", v.Comment)
	}
	for _, name := range v.Files {
		field(w, "same", "%s", printable(name))
	}
	if v.Valid && !v.sums {
		field(w, "format", "%v", v.Format)
		v.Header.print(w)
		field(w, "rules", "%d", v.Rules)
		field(w, "refused", "%d", v.Refused)
	}
	printFindings(w, v.Findings)
}
