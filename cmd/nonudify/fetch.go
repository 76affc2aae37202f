package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/source"
)

var fetch = verb{
	name: "fetch",
	args: "[-conf COREFILE] [-key PUBKEY|FILE]... [-signature URL|FILE] [-id LIST-ID] [-format FORMAT] [-max BYTES] " +
		"[-shrink PERCENT] [-bootstrap ADDRESS]... [-tsig FILE] [-o FILE] [-json] URL...",
	short: "fetch a list as the resolver would, or all those of a Corefile, and keep what is good",
	long: `fetch asks the mirrors of one list in turn, https, http, axfr or axfrs, and judges
what they have by the rules of the resolver: http only with a key, the signature,
the sizes, the guards. What is good is written to FILE as it came, and its
signature to FILE.minisig. Without -o it is only checked. If FILE is there, it is
the edition before: an older one, another list or one that has lost too many
entries does not take its place.

With -conf, every list of a Corefile that comes over the network is fetched into
the state directory that the Corefile names, so that a server starts with it. No
other flag but -json goes with it.

Exit code 1 says that a list was refused, could not be had, or has expired.
`,
	run: runFetch,
}

// fetchFlags is what the command line of fetch says. Most of it is judged by the
// grammar of the directive.
type fetchFlags struct {
	conf      string
	keys      []string
	options   map[string]string // of the list property
	bootstrap []string
	tsig      string
	out       string
	json      bool
}

func (c *fetchFlags) declare(fs *flag.FlagSet) {
	c.options = map[string]string{"shrink": strconv.Itoa(defaultShrink)}
	option := func(name string) func(string) error {
		return func(s string) error { c.options[name] = s; return nil }
	}
	fs.StringVar(&c.conf, "conf", "", "fetch the lists of this `COREFILE` into its state directories")
	fs.Func("key", "the list must be signed with this key, `PUBKEY|FILE`, or with one of several", appendTo(&c.keys))
	fs.Func("signature", "the signature is at `URL|FILE` and not at URL.minisig", option("signature"))
	fs.Func("id", "the List-ID of the header must be `LIST-ID`", option("id"))
	fs.Func("format", "the `FORMAT` of the list, instead of finding out", option("format"))
	fs.Func("max", "refuse a list of more than so many `BYTES`, such as 64M; 512M if not given", option("max"))
	fs.Func("shrink", "by how many percent of its entries the list may fall, `PERCENT`, or \"off\"; 20 if not given", option("shrink"))
	fs.Func("bootstrap", "look up the servers with the resolver at this `ADDRESS`; may be given again", appendTo(&c.bootstrap))
	fs.StringVar(&c.tsig, "tsig", "", "the secrets of transfer keys are in `FILE`: lines \"secret NAME BASE64\", or keys as BIND has them")
	fs.StringVar(&c.out, "o", "", "write the list to `FILE` and its signature to FILE"+signatureSuffix)
	fs.BoolVar(&c.json, "json", false, "write a JSON object, with -conf one a line for each list")
}

func runFetch(e *env, fs *flag.FlagSet, args []string) (int, error) {
	var c fetchFlags
	c.declare(fs)
	urls, err := parse(fs, args)
	if err != nil {
		return wrong, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if c.conf != "" {
		if len(urls) > 0 || !onlyGiven(fs, "conf", "json") {
			return wrong, usagef("-conf says what is fetched and how: only -json goes with it")
		}
		return c.all(ctx, e)
	}
	if err := checkURLs(urls); err != nil {
		return wrong, err
	}
	return c.one(ctx, e, urls)
}

// onlyGiven reports whether no other flags than these were given.
func onlyGiven(fs *flag.FlagSet, names ...string) bool {
	n := 0
	fs.Visit(func(*flag.Flag) { n++ })
	for _, name := range names {
		fs.Visit(func(f *flag.Flag) {
			if f.Name == name {
				n--
			}
		})
	}
	return n == 0
}

// checkURLs refuses what would be read as something else by the grammar.
func checkURLs(urls []string) error {
	if len(urls) == 0 {
		return usagef("no URL given")
	}
	for _, u := range urls {
		if !strings.Contains(u, "://") {
			return usagef("%q is no URL; what a file holds, lint and verify tell", u)
		}
	}
	return nil
}

// one fetches one list.
func (c *fetchFlags) one(ctx context.Context, e *env, urls []string) (code int, err error) {
	scratch := ""
	if c.out != "" {
		if scratch, err = os.MkdirTemp("", "nonudify-"); err != nil {
			return wrong, err
		}
		defer os.RemoveAll(scratch)
	}
	f, err := c.feed(e, urls, scratch)
	if err != nil {
		return wrong, err
	}
	x := newFetching(e, f.Config)
	defer x.Close()
	if err := c.before(ctx, e, x, f.Zone); err != nil {
		return wrong, err
	}
	r, err := x.round(ctx)
	if err == nil && r.Result == resultNew && c.out != "" {
		err = c.save(e, x, r)
	}
	if err != nil {
		return wrong, err
	}
	return c.show(e, r)
}

// feed returns the feed that a directive with these properties would have. It
// keeps copies in the given directory.
func (c *fetchFlags) feed(e *env, urls []string, state string) (f directive.Feed, err error) {
	p, err := c.properties(urls, state)
	if err != nil {
		return f, err
	}
	config, err := directive.Parse(p, "")
	if err != nil {
		return f, err
	}
	if c.tsig != "" {
		if config.Secrets, err = e.readSecrets(c.tsig); err != nil {
			return f, err
		}
	} else if needsSecrets(config) {
		return f, usagef("the secret of the key that the URL names is to be in a file: -tsig FILE")
	}
	feeds, err := config.Feeds()
	if err != nil {
		return f, err
	}
	return feeds[0], nil
}

// before makes the file that is to be replaced the edition before.
func (c *fetchFlags) before(ctx context.Context, e *env, x *fetching, zone string) error {
	if c.out == "" {
		return nil
	}
	body, err := metered{source.File{Path: c.out}, e.bar, c.out}.Open(ctx, "")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer body.Close()
	spool := x.Copy.Spool(x.Copy.MaxBytes)
	defer spool.Close()
	if _, err := io.Copy(spool, body); err != nil {
		return fmt.Errorf("%s: %w", c.out, err)
	}
	if spool.Size() == 0 { // a name that was reserved
		return nil
	}
	meta := source.Meta{Modified: body.Modified}
	if meta.Signature, err = readSignature(c.out + signatureSuffix); err != nil {
		return err
	}
	if zone != "" { // the primary is asked what is newer
		meta.From, meta.Version = "zone "+zone, zoneVersion(spool.Reader(), c.out)
	}
	if err := x.Copy.Save(spool, meta); err != nil {
		return err
	}
	return c.compare(e, x)
}

// zoneVersion returns the version of a zone that is in a file: its serial.
func zoneVersion(r io.Reader, file string) source.Version {
	l, err := feed.Load(r, noTime, feed.LoadConfig{File: file})
	if err != nil || l.Header.Serial == 0 {
		return ""
	}
	return source.Version(strconv.FormatUint(uint64(l.Header.Serial), 10))
}

// compare loads the edition before. One whose signature does not hold is not
// compared with, as in the server; what is no list at all is not replaced.
func (c *fetchFlags) compare(e *env, x *fetching) error {
	err := x.restore()
	if errors.Is(err, feed.ErrSignature) {
		e.note("warning: %s: the new edition is not compared with it: %s", c.out, c.reason(x, err))
		err = c.isList(e)
	}
	if err != nil {
		return fmt.Errorf("%s: is there and no edition of this list, so it is not replaced: %s", c.out, c.reason(x, err))
	}
	return nil
}

// reason returns why the edition before cannot be used, without the place that it
// was read from in between.
func (c *fetchFlags) reason(x *fetching, err error) string {
	text := strings.TrimPrefix(err.Error(), "copy of ")
	return strings.TrimPrefix(strings.TrimPrefix(text, x.Load.File+": "), c.out+": ")
}

// isList returns why the file to be replaced is no list.
func (c *fetchFlags) isList(e *env) error {
	body, err := openList(e, c.out)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = loadGuarded(body, body.Modified, feed.LoadConfig{File: c.out})
	return err
}

// save writes the list and its signature. Both are complete and on disk before
// either gets its name, the signature first: whoever finds the list new finds its
// signature.
func (c *fetchFlags) save(e *env, x *fetching, r *fetched) error {
	if err := x.Warning(); errors.Is(err, feed.ErrNotSaved) {
		return err
	}
	saved, err := x.Copy.Load()
	if err != nil {
		return err
	}
	defer saved.Close()
	list, err := newDraftFrom(c.out, saved.Reader(), 0o644)
	if err != nil {
		return err
	}
	defer list.drop()
	if err := c.saveSignature(e, saved.Signature, r); err != nil {
		return err
	}
	r.Saved = append(r.Saved, c.out)
	return list.replace()
}

// saveSignature writes the signature beside the list, if it has one.
func (c *fetchFlags) saveSignature(e *env, signature []byte, r *fetched) error {
	name := c.out + signatureSuffix
	if len(signature) == 0 {
		if _, err := os.Lstat(name); err == nil {
			e.note("warning: %s is of another edition: without -key no signature is fetched", name)
		}
		return nil
	}
	d, err := newDraft(name, signature, 0o644)
	if err != nil {
		return err
	}
	defer d.drop()
	r.Saved = append(r.Saved, name)
	return d.replace()
}

// show writes the result.
func (c *fetchFlags) show(e *env, r *fetched) (int, error) {
	e.bar.clear()
	if c.json {
		return r.code(), writeJSON(e.stdout, r)
	}
	r.print(e.stdout)
	return r.code(), nil
}
