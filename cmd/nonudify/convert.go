package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"syscall"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
)

var convert = verb{
	name:  "convert",
	args:  "[-to TARGET] [-format FORMAT] [-o OUT] [-exact] [-origin NAME] [-salt HEX] [-strict] [-json] [-config PRODUCT] FILE",
	short: "write a list for other resolvers and filters, or what their configuration needs",
	long: `convert reads a list, or "builtin", as the resolver does, and writes what is used
of it as domains, hosts, wildcard, adblock, dnsmasq, unbound, rpz or hashes; as
pihole, knot (Knot Resolver 6), dnscrypt (blocked-names of dnscrypt-proxy) or
routeros (a script of RouterOS 7); or as cdb, for dnsdist. The rules come sorted,
without the comments behind them. With -to compiled it does what compile does.

None of these blocks what the list lets pass. What a format cannot say is narrowed
or left out, and so are lines that the resolver refuses; the header of the file and
the standard error tell how much, and how many refused lines were exceptions.

With -config it reads no list, and writes the lines that a product's configuration
needs to use the file that convert has written, or will write, to FILE: adguardhome,
bind, dnscrypt, dnsdist, dnsmasq, knot, knot5, pihole, powerdns, powerdns-lua,
routeros, unbound (a policy zone) or unbound-zones (-to unbound).

Exit code 1 says that -strict kept a file from being written.
`,
	run: runConvert,
}

// convertFlags is what the command line of convert says.
type convertFlags struct {
	list.WriteConfig
	compiled bool // instead of To
	format   list.Format
	out      string
	salted   bool
	strict   bool
	json     bool
	config   string
	origin   string
}

func (c *convertFlags) declare(fs *flag.FlagSet) {
	fs.Func("to", "write the list as `TARGET`", c.setTarget)
	fs.TextVar(&c.format, "format", list.Auto, "the `FORMAT` of the list, instead of finding out")
	fs.StringVar(&c.out, "o", "", "write to `OUT` and not to the standard output")
	fs.BoolVar(&c.Exact, "exact", false, "domains or hosts for a reader that takes a line for the one name, as /etc/hosts and Pi-hole do")
	fs.StringVar(&c.origin, "origin", string(list.DefaultOrigin), "the `NAME` that the policy zone will have")
	fs.Func("salt", "the salt of the hashes, 32 digits in `HEX`; random if not given", c.setSalt)
	fs.BoolVar(&c.strict, "strict", false, "write nothing if the format cannot say all of the list, or lines of it are refused")
	fs.BoolVar(&c.json, "json", false, "with -o, write a JSON object that tells what was written")
	fs.StringVar(&c.config, "config", "", "write what the configuration of `PRODUCT` needs to use the file")
}

func runConvert(e *env, fs *flag.FlagSet, args []string) (int, error) {
	var c convertFlags
	c.declare(fs)
	files, err := parse(fs, args)
	if err != nil {
		return wrong, err
	}
	if err := c.setOrigin(); err != nil {
		return wrong, err
	}
	if c.config != "" {
		if len(files) > 1 || !onlyGiven(fs, "config", "origin") {
			return wrong, usagef("-config goes with the name of one file, and with -origin")
		}
		return fine, c.settings(e, files)
	}
	if err := c.check(files); err != nil {
		return wrong, err
	}
	if c.compiled {
		return compileFlags{c.format, c.out, c.json, c.strict}.file(e, files[0])
	}
	return c.file(e, files[0])
}

// check refuses flags that do not go together.
func (c *convertFlags) check(files []string) error {
	zone := c.To == list.ToRPZ || c.To == list.ToKnot
	switch {
	case c.To == 0 && !c.compiled:
		return usagef("-to is missing: it says what the list is to be written as")
	case len(files) != 1:
		return usagef("%d lists given, one wanted", len(files))
	case c.Exact && c.To != list.ToDomains && c.To != list.ToHosts:
		return usagef("-exact is for domains and hosts")
	case c.salted && c.To != list.ToHashes:
		return usagef("-salt is for hashes")
	case c.Origin != list.DefaultOrigin && !zone:
		return usagef("-origin is for rpz and knot")
	case c.json && c.out == "":
		return usagef("-json goes with -o")
	case sameFile(c.out, files[0]):
		return usagef("-o %s: is the list itself, whose comments, and what else %s cannot say, would be lost", c.out, c.target())
	}
	return nil
}

// setTarget takes the names of targets, and that of the one that package list cannot write.
func (c *convertFlags) setTarget(s string) error {
	if c.compiled = s == list.Compiled.String(); c.compiled {
		c.To = 0
		return nil
	}
	if err := c.To.UnmarshalText([]byte(s)); err != nil {
		return fmt.Errorf("%w, %s", err, list.Compiled)
	}
	return nil
}

// target returns what the list is to be written as.
func (c *convertFlags) target() string {
	if c.compiled {
		return list.Compiled.String()
	}
	return c.To.String()
}

func (c *convertFlags) setOrigin() (err error) {
	if c.Origin, err = dnsname.Parse(c.origin); err != nil {
		return usagef("-origin: %w", err)
	}
	return nil
}

func (c *convertFlags) setSalt(s string) (err error) {
	c.Salt, err = parseSalt(s)
	c.salted = err == nil
	return err
}

// parseSalt reads the salt of a blinded list as it is written.
func parseSalt(s string) (salt rule.Salt, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(salt) {
		return salt, fmt.Errorf("want %d hexadecimal digits", hex.EncodedLen(len(salt)))
	}
	return rule.Salt(b), nil
}

// file writes one list.
func (c *convertFlags) file(e *env, name string) (int, error) {
	l, err := c.load(e, name)
	if err != nil {
		return wrong, err
	}
	c.Header = l.Header
	c.Lost = list.Loss{Refused: l.Stats.Refused, RefusedPasses: l.Stats.RefusedPasses}
	if c.To == list.ToHashes && !c.salted {
		rand.Read(c.Salt[:])
		e.note("the salt is random; with -salt %s the same list makes the same bytes again", c.Salt)
	}
	if c.strict {
		done, err := list.Write(io.Discard, l.entries(context.Background(), e.bar), c.WriteConfig)
		if err != nil {
			return wrong, c.cannot(name, err)
		}
		if done.Any() {
			c.tell(e, name, done)
			e.note("%s: nothing is written, as -strict is given", name)
			return finding, nil
		}
	}
	done, err := c.write(e, l)
	if err != nil {
		return wrong, c.cannot(name, err)
	}
	c.tell(e, name, done)
	return fine, c.report(e, done)
}

// cannot names the list in an error that is about it.
func (c *convertFlags) cannot(name string, err error) error {
	if errors.Is(err, list.ErrNothing) || errors.Is(err, list.ErrException) || errors.Is(err, list.ErrTooLarge) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// converted is a list that is to be written as something else.
type converted struct {
	*feed.List
	passes   bool // it has exceptions
	comments bool // there are some behind its entries
}

// load reads the list.
func (c *convertFlags) load(e *env, name string) (*converted, error) {
	body, err := openAny(e, name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	l := new(converted)
	if l.List, err = loadGuarded(body, body.Modified, feed.LoadConfig{File: name, Format: c.format, Seen: l.see}); err != nil {
		return nil, err
	}
	if l.Set.Blinded() {
		return nil, fmt.Errorf("%s: is blinded: nobody knows its names, so it cannot be written as anything else", name)
	}
	if l.comments {
		e.note("%s: the comments behind its entries are left out", name)
	}
	if l.Header.Serial == 0 && (c.To == list.ToRPZ || c.To == list.ToKnot) {
		e.note("warning: %s: has no serial, so that of the zone is 1: servers that transfer it will not see that it changes", name)
	}
	return l, nil
}

// see looks for exceptions and comments.
func (l *converted) see(r rule.Rule, _ int, comment func() string, refused error) {
	l.passes = l.passes || refused == nil && r.Action == rule.Pass
	l.comments = l.comments || comment() != ""
}

// entries returns what the list says of its names. They come to an end when the
// context is done.
func (l *converted) entries(ctx context.Context, bar *progress) iter.Seq[list.Entry] {
	round := 0
	return func(yield func(list.Entry) bool) {
		round++
		bar.stage(fmt.Sprintf("writing, round %d", round), int64(l.Set.Len()))
		n := 0
		for x := range entriesOpen(l.Set, l.passes) {
			if n++; n%watched == 0 {
				bar.add(watched)
				if ctx.Err() != nil {
					return
				}
			}
			if !yield(x) {
				return
			}
		}
	}
}

// write writes the list to its place.
func (c *convertFlags) write(e *env, l *converted) (list.Written, error) {
	if c.out == "" {
		return list.Write(e.stdout, l.entries(context.Background(), e.bar), c.WriteConfig)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return c.replace(ctx, e, l)
}

// replace writes the list to a file. Whoever interrupts it finds what was there
// before.
func (c *convertFlags) replace(ctx context.Context, e *env, l *converted) (done list.Written, err error) {
	d, err := newDraftBy(c.out, func(w io.Writer) error {
		done, err = list.Write(w, l.entries(ctx, e.bar), c.WriteConfig)
		if ctx.Err() != nil {
			return errUnwritten
		}
		return err
	}, 0o644)
	if err != nil {
		return done, err
	}
	defer d.drop()
	return done, d.replace()
}

// tell says what the file does not say of the list.
func (c *convertFlags) tell(e *env, name string, done list.Written) {
	for _, note := range done.Notes(c.WriteConfig) {
		e.note("%s as %s: %s", name, c.To, note)
	}
}

// report tells what was written to a file.
func (c *convertFlags) report(e *env, done list.Written) error {
	e.bar.clear()
	switch {
	case c.out == "":
		return nil
	case c.json:
		return writeJSON(e.stdout, struct {
			File  string      `json:"file"`
			To    list.Target `json:"to"`
			Rules int         `json:"rules"`
			Added int         `json:"added,omitempty"`
			Idle  int         `json:"idle,omitempty"`
			Lost  list.Loss   `json:"lost"`
		}{c.out, c.To, done.Rules, done.Added, done.Idle, done.Loss})
	}
	_, err := fmt.Fprintf(e.stdout, "%s: %d rules written\n", c.out, done.Rules)
	return err
}
