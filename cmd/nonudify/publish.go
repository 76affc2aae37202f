package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nonudify/nonudify/plugin/list"
)

var publish = verb{
	name: "publish",
	args: "[-o DIR] [-url URL] [-key FILE] [-passfile FILE] [-serial N|next] [-issued TIME] [-expires TIME|DAYS] [-previous FILE] [-salt HEX|FILE] " +
		"[-comments WHICH] [-blinded] [-format FORMAT] [-provenance] [-never FILE]... [-organization NAME] [-policy URL] [-json] FILE",
	short: "write a new edition of a list in every format, signed, with a page and a changelog",
	long: `publish makes all that the publisher of a list puts on a web server out of its
one source: the list in every format of 'nonudify convert', blinded as well, a
signature of every file, SHA256SUMS, what has changed since the edition that is
in DIR, an index for programs and one for people.

It publishes nothing that lint calls an error, and no edition that is older than
the one that is there. The same source, edition before, key and flags make the
same bytes. Whoever interrupts it finds the edition that was there.

Exit code 1 says that nothing is published because of what is in the source.
`,
	run: runPublish,
}

// publishFlags is what the command line of publish says.
type publishFlags struct {
	out, key, passfile        string
	serial, issued, expires   string
	previous, salt, comments  string
	url, organization, policy string
	blinded, demand, json     bool
	format                    list.Format
	never                     []string
}

func (c *publishFlags) declare(fs *flag.FlagSet) {
	fs.StringVar(&c.out, "o", "", "write to the directory `DIR`, which the web server serves; it holds the edition before, or nothing")
	fs.StringVar(&c.url, "url", "", "the `URL` at which DIR is found")
	fs.StringVar(&c.key, "key", defaultKey+".key", "sign with the secret key in `FILE`, "+defaultKey+".key if not given")
	fs.StringVar(&c.passfile, "passfile", "", "take the passphrase from the first line of `FILE`, \"-\" for the standard input")
	fs.StringVar(&c.serial, "serial", "", "the serial, `N|next`, instead of that in the header; next is the first one of the day of issue")
	fs.StringVar(&c.issued, "issued", "", "the `TIME` of issue, instead of that in the header: 2026-11-22, or RFC 3339")
	fs.StringVar(&c.expires, "expires", "", "the end of its life, `TIME|DAYS`, instead of that in the header: a time, or 14d")
	fs.StringVar(&c.previous, "previous", "", "the edition before is in `FILE`, and not in DIR")
	fs.StringVar(&c.salt, "salt", "", "the salt of the hashes, `HEX|FILE`: 32 digits, for good; that of the edition before, or made of the List-ID, if not given")
	fs.StringVar(&c.comments, "comments", commentsPublic, "publish of the comments `WHICH`: public (without notes and appeals), all, or none")
	fs.BoolVar(&c.blinded, "blinded", false, "publish the list blinded only")
	fs.TextVar(&c.format, "format", list.Auto, "the `FORMAT` of the list, instead of finding out")
	fs.BoolVar(&c.demand, "provenance", false, "hold the list to the rules for the source of a list, even if it names no source")
	neverFlag(fs, &c.never)
	fs.StringVar(&c.organization, "organization", "", "`NAME` decides what is on the list")
	fs.StringVar(&c.policy, "policy", "", "the editorial policy is at `URL`")
	fs.BoolVar(&c.json, "json", false, "write the index as a JSON object, too")
}

func runPublish(e *env, fs *flag.FlagSet, args []string) (int, error) {
	var c publishFlags
	c.declare(fs)
	files, err := parse(fs, args)
	if err != nil {
		return wrong, err
	}
	if err := c.check(files); err != nil {
		return wrong, err
	}
	p, err := c.publication()
	if err != nil {
		return wrong, err
	}
	if p.source, err = c.source(e, files[0]); err != nil {
		return wrong, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return p.run(ctx, e)
}

// check refuses flags that are missing or make no sense.
func (c *publishFlags) check(files []string) error {
	switch {
	case len(files) != 1:
		return usagef("%d lists given, one wanted", len(files))
	case c.out == "":
		return usagef("-o is missing: it says where to write")
	case c.url == "":
		return usagef("-url is missing: it says where the files will be found")
	case c.comments != commentsPublic && c.comments != commentsAll && c.comments != commentsNone:
		return usagef("-comments %q: want public, all or none", c.comments)
	}
	for _, file := range c.never {
		if within(c.out, file) {
			return usagef("%s: the names that must not be listed must not be in the directory that is published", file)
		}
	}
	for what, file := range map[string]string{"the list": files[0], "the secret key": c.key, "the passphrase": c.passfile} {
		if within(c.out, file) {
			return usagef("%s: %s must not be in the directory that is published", file, what)
		}
	}
	for _, f := range []struct{ name, value string }{{"url", c.url}, {"policy", c.policy}} {
		if err := checkWeb(f.value); f.value != "" && err != nil {
			return usagef("-%s %q: %w", f.name, f.value, err)
		}
	}
	return nil
}

// within reports whether a file lies in a directory, which an edition writes and
// clears, and the web server shows. What is not there lies nowhere.
func within(dir, file string) bool {
	parent, err := os.Stat(filepath.Dir(file))
	if err != nil || file == "" {
		return false
	}
	published, err := os.Stat(dir)
	return err == nil && os.SameFile(parent, published)
}

// errNotWeb says that something is no address that can stand in a page, in the
// command of a shell, and in a configuration.
var errNotWeb = errors.New("want https://… without a query, or http://…")

// checkWeb refuses what is no address of a page.
func checkWeb(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return err
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "",
		strings.ContainsFunc(s, unquotable):
		return errNotWeb
	}
	return nil
}

// publication returns what the flags say of the edition that is to be made.
func (c *publishFlags) publication() (*publication, error) {
	p := &publication{publishFlags: *c, dir: c.out}
	p.url = strings.TrimSuffix(c.url, "/") + "/"
	var err error
	if p.whenIssued, err = parseTime(c.issued); err != nil {
		return nil, usagef("-issued: %w", err)
	}
	if p.wantedSerial, err = parseSerial(c.serial); err != nil {
		return nil, usagef("-serial: %w", err)
	}
	if p.lifetime, err = parseDays(c.expires); err == nil {
		return p, c.readSalt(p)
	}
	if p.whenExpires, err = parseTime(c.expires); err != nil {
		return nil, usagef("-expires: %w, or days as in 14d", err)
	}
	return p, c.readSalt(p)
}

// errTime says how a time is written.
var errTime = errors.New("want a day, 2026-11-22, or a time, 2026-11-22T12:00:00Z")

// parseTime reads a time on the command line. A day begins at midnight, UTC.
func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("%q: %w", s, errTime)
	}
	return t.UTC().Truncate(time.Second), nil
}

// maxDays bounds the life of an edition.
const maxDays = 3660

// parseDays reads a number of days: 14d.
func parseDays(s string) (time.Duration, error) {
	digits, ok := strings.CutSuffix(s, "d")
	n, err := strconv.ParseUint(digits, 10, 16)
	if !ok || err != nil || n == 0 || n > maxDays {
		return 0, fmt.Errorf("%q is no number of days from 1d to %dd", s, maxDays)
	}
	return time.Duration(n) * 24 * time.Hour, nil
}

// serialNext asks for the next serial, whatever the header says.
const serialNext = "next"

// parseSerial reads a serial, which is never zero; zero for one that is not given.
func parseSerial(s string) (uint32, error) {
	if s == "" || s == serialNext {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q: want a number from 1 to 4294967295, or next", s)
	}
	return uint32(n), nil
}

// maxSaltFile bounds a file with a salt in bytes.
const maxSaltFile = 256

// readSalt reads the salt, as such or as the first line of a file.
func (c *publishFlags) readSalt(p *publication) error {
	if c.salt == "" {
		return nil
	}
	p.salted = true
	var err error
	if p.salt, err = parseSalt(c.salt); err == nil {
		return nil
	}
	f, err := os.Open(c.salt)
	if err != nil {
		return usagef("-salt %q is neither 32 hexadecimal digits nor a file with them: %w", c.salt, err)
	}
	defer f.Close()
	text, err := readSmall(f, maxSaltFile)
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if p.salt, err = parseSalt(strings.TrimSpace(line)); err != nil {
		return fmt.Errorf("%s: %w", c.salt, err)
	}
	return nil
}
