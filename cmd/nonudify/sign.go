package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"aead.dev/minisign"

	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
)

// maxComment bounds what -comment says, in bytes: a signature that is larger
// than feed.MaxSignature is not read.
const maxComment = 1024

var sign = verb{
	name:  "sign",
	args:  "[-key FILE] [-passfile FILE] [-comment TEXT] [-o SIG] [-force] FILE...",
	short: "sign lists, so that nobody between you and the resolver can change them",
	long: `sign writes a detached signature of each list beside it, FILE.minisig, as the
minisign program makes and verifies them: Ed25519 over the BLAKE2b-512 of the
file. The trusted comment, which is signed too, has the time, the name of the
file, and the serial, the List-ID and the end of life of the list.

It does not sign what the resolver would refuse, nor a list whose header has no
List-ID, Serial, Issued, Expires or Entries, has expired or miscounts: without
these nobody can tell an old edition, or another list, from the one expected.
-force signs it all the same.

A file of sums, as sha256sum writes it, is signed when the files beside it have them.

Exit code 1 says that a list has not been signed for such a reason.
`,
	run: runSign,
}

// signFlags is what the command line of sign says.
type signFlags struct {
	key      string
	passfile string
	out      string
	comment  string
	force    bool
}

func runSign(e *env, fs *flag.FlagSet, args []string) (int, error) {
	var c signFlags
	fs.StringVar(&c.key, "key", defaultKey+".key", "sign with the secret key in `FILE`, "+defaultKey+".key if not given")
	fs.StringVar(&c.passfile, "passfile", "", "take the passphrase from the first line of `FILE`, \"-\" for the standard input")
	fs.StringVar(&c.comment, "comment", "", "sign this `TEXT`, too, behind the rest of the trusted comment")
	fs.StringVar(&c.out, "o", "", "write the signature to `SIG`; with one list only")
	fs.BoolVar(&c.force, "force", false, "sign a list in spite of its faults")
	files, err := parse(fs, args)
	switch {
	case err != nil:
		return wrong, err
	case len(files) == 0:
		return wrong, usagef("no list given")
	case c.out != "" && len(files) > 1:
		return wrong, usagef("-o is the signature of one list, and %d are given", len(files))
	}
	if err := checkComment(c.comment); err != nil {
		return wrong, err
	}
	key, err := e.secretKey(c.key, c.passfile)
	if err != nil {
		return wrong, err
	}
	return c.all(e, key, files)
}

// checkComment refuses what would not fit into the one line of a trusted
// comment, or would look otherwise on a terminal than it is.
func checkComment(s string) error {
	switch {
	case len(s) > maxComment:
		return usagef("-comment is longer than %d bytes", maxComment)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return usagef("-comment must be one line of printable text")
	}
	return nil
}

// all signs every file that can be signed.
func (c signFlags) all(e *env, key minisign.PrivateKey, files []string) (int, error) {
	code := fine
	for _, file := range files {
		one, err := c.file(e, key, file)
		if err != nil {
			e.note("%v", err)
			one = wrong
		}
		code = max(code, one)
	}
	return code, nil
}

// file signs one file. It is read once, so that what has been judged is what is
// signed.
func (c signFlags) file(e *env, key minisign.PrivateKey, name string) (int, error) {
	body, err := openList(e, name)
	if err != nil {
		return wrong, err
	}
	defer body.Close()
	m := minisign.NewReader(body)
	l, faults, err := examineAny(e, bufio.NewReader(m), body.Modified, name)
	if err != nil {
		return wrong, err
	}
	if _, err := io.Copy(io.Discard, m); err != nil { // what a list that is refused was not read to
		return wrong, fmt.Errorf("%s: %w", name, err)
	}
	if len(faults) > 0 && !c.force {
		fmt.Fprintf(e.stdout, "%s: not signed\n", name)
		printFindings(e.stdout, faults)
		return finding, nil
	}
	c.warn(e, name, l, faults)
	return fine, c.write(e, m, key, name, l)
}

// examineAny returns what is wrong with a list, or with a file of sums, of which the list
// is empty.
func examineAny(e *env, r *bufio.Reader, modified time.Time, name string) (*feed.List, []string, error) {
	if sumsAhead(r) {
		faults, err := examineSums(r, name)
		return &feed.List{}, faults, err
	}
	return examine(r, modified, name, e.now())
}

// warn tells what is wrong with a list that is signed.
func (c signFlags) warn(e *env, name string, l *feed.List, faults []string) {
	for _, f := range faults {
		e.note("warning: %s: signed all the same: %s", name, f)
	}
	if n := l.Stats.Refused; n > 0 {
		e.note("warning: %s: resolvers refuse entries of it, %d in all, which 'nonudify lint' shows", name, n)
	}
}

// write signs what has been read and puts the signature beside it.
func (c signFlags) write(e *env, m *minisign.Reader, key minisign.PrivateKey, name string, l *feed.List) error {
	comment := trustedComment(name, l.Header, e.now())
	if c.comment != "" {
		comment += "\t" + c.comment
	}
	signature, err := signed(m, key, comment)
	if err != nil {
		return fmt.Errorf("%s: %w", c.key, err)
	}
	out := c.out
	if out == "" {
		out = name + signatureSuffix
	}
	if err := e.save(out, signature, nil); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%s: signed with key %016X\n", out, key.ID())
	return nil
}

// errDamagedKey says that a secret key and the public one inside of it are no pair.
var errDamagedKey = errors.New("is damaged: what it signs cannot be verified")

// signed returns the signature of what has been read, with a trusted comment.
func signed(m *minisign.Reader, key minisign.PrivateKey, comment string) ([]byte, error) {
	signature := m.SignWithComments(key, comment, "signature from minisign secret key")
	if pub, ok := key.Public().(minisign.PublicKey); !ok || !m.Verify(pub, signature) {
		return nil, errDamagedKey
	}
	return signature, nil
}

// trustedComment returns what a signature says of a list: the fields that the minisign
// program writes, then ours, with tabs between them.
func trustedComment(name string, h list.Header, at time.Time) string {
	fields := []string{fmt.Sprintf("timestamp:%d", at.Unix()), "file:" + printable(filepath.Base(name)), "hashed"}
	if h.Serial != 0 {
		fields = append(fields, fmt.Sprintf("serial:%d", h.Serial))
	}
	if h.ID != "" {
		fields = append(fields, "list-id:"+h.ID)
	}
	if !h.Expires.IsZero() {
		fields = append(fields, "expires:"+h.Expires.Format(time.RFC3339))
	}
	return strings.Join(fields, "\t")
}
