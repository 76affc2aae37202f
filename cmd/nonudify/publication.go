package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"aead.dev/minisign"
	"github.com/gofrs/flock"

	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
)

// The files of an edition. A list is named by what it is written as.
const (
	editionName = "nudify."
	clearName   = editionName + "txt" // with the comments, if any are published
	pubName     = editionName + "pub" // the public key
	changesText = "changelog.txt"
	changesJSON = "changelog.jsonl"
	indexJSON   = "index.json"
	indexHTML   = "index.html"
	sumsName    = "SHA256SUMS"
)

// stagingName is the directory in which the files are made. It is in that of the
// edition, as no other is sure to be on the same disk; a web server may serve it for
// all it matters.
const stagingName = ".nudify.new"

// listName returns the name under which a list is published.
func listName(to list.Target) string {
	switch to {
	case list.ToDomains:
		return clearName
	case list.ToRouterOS:
		return editionName + "rsc" // or the router would not import it
	}
	return editionName + to.String()
}

// publication is an edition that is being made.
type publication struct {
	publishFlags
	dir     string
	secret  minisign.PrivateKey
	source  *manuscript
	staging string
	root    *os.Root // of the staging directory
	made    []string // the directories that were not there, the deepest first
	lock    *flock.Flock

	whenIssued, whenExpires time.Time
	lifetime                time.Duration
	wantedSerial            uint32
	salt                    rule.Salt
	salted                  bool

	header list.Header
	before editions    // what it follows
	found  found       // what else there is of them
	files  []published // the lists
	change indexChange
	index  *index
}

// published is one file of an edition. The package documentation describes its JSON
// form, and that of index, which must stay as they are.
type published struct {
	Name      string      `json:"name"`
	To        list.Target `json:"to"`
	Size      int64       `json:"size"`   // in bytes
	SHA256    string      `json:"sha256"` // in hex
	Signature string      `json:"signature"`
	Rules     int         `json:"rules"`
	Added     int         `json:"added,omitempty"`
	Lost      list.Loss   `json:"lost,omitzero"`
}

// main is what the list is written as that says the most of it: editions are compared
// by that file. It is replaced last, so that it is of the edition before as long as
// anything is.
func (p *publication) main() list.Target {
	switch {
	case p.blinded:
		return list.ToHashes
	case p.source.plain:
		return list.ToDomains
	}
	return list.ToRPZ // which has exceptions, and names alone
}

// mainName is the name of that file.
func (p *publication) mainName() string { return listName(p.main()) }

// targets returns what the list is written as.
func (p *publication) targets() []list.Target {
	if p.blinded {
		return []list.Target{list.ToHashes}
	}
	return list.Targets()
}

// run makes the edition and puts it in its place. Nobody has to type a passphrase for
// a source that is not published.
func (p *publication) run(ctx context.Context, e *env) (code int, err error) {
	if faults := p.source.faults(p); len(faults) > 0 {
		return p.refused(e, faults), nil
	}
	p.source.warn(e)
	if p.secret, err = e.secretKey(p.key, p.passfile); err != nil {
		return wrong, err
	}
	if err := p.open(); err != nil {
		return wrong, err
	}
	defer p.close()
	if err := p.precede(ctx, e); err != nil {
		return wrong, err
	}
	if err := p.make(ctx, e); err != nil {
		return wrong, err
	}
	faults, err := p.read(e)
	if err != nil || len(faults) > 0 {
		return p.refused(e, faults), err
	}
	n, err := p.replace(ctx)
	if err != nil {
		return wrong, err
	}
	return fine, p.tell(e, n)
}

// refused says why the edition is not published.
func (p *publication) refused(e *env, faults []string) int {
	if len(faults) == 0 {
		return wrong
	}
	fmt.Fprintf(e.stdout, "%s: not published\n", p.source.file)
	printFindings(e.stdout, faults)
	return finding
}

// make writes all files of the edition to the staging directory.
func (p *publication) make(ctx context.Context, e *env) error {
	for _, to := range p.targets() {
		if err := p.list(ctx, e, to); err != nil {
			return err
		}
	}
	pub, ok := p.secret.Public().(minisign.PublicKey)
	if !ok {
		return fmt.Errorf("%s: is damaged", p.key)
	}
	text, err := pub.MarshalText()
	if err != nil {
		return err
	}
	if err := p.stage(pubName, text, '\n'); err != nil {
		return err
	}
	if err := p.changes(e); err != nil {
		return err
	}
	return p.indexes(ctx)
}

// list writes the list as one target. One that can say nothing of it is left out.
func (p *publication) list(ctx context.Context, e *env, to list.Target) error {
	c := list.WriteConfig{To: to, Header: p.header, Salt: p.salt}
	name := listName(to)
	var done list.Written
	err := p.stageBy(name, func(w io.Writer) (err error) {
		done, err = p.write(ctx, e, w, c)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return errStopped
	case errors.Is(err, list.ErrNothing) && to != p.main(), errors.Is(err, list.ErrTooLarge):
		e.note("%s: is left out: %v", name, err)
		return p.root.Remove(name)
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, note := range done.Notes(c) {
		e.note("%s: %s", name, note)
	}
	f := published{Name: name, To: to, Rules: done.Rules, Added: done.Added, Lost: done.Loss}
	if err := p.seal(&f); err != nil {
		return err
	}
	p.files = append(p.files, f)
	return nil
}

// errStopped is what becomes of a run that is interrupted.
var errStopped = errors.New("interrupted: nothing is published")

// write writes the list, with its comments where the target has them.
func (p *publication) write(ctx context.Context, e *env, w io.Writer, c list.WriteConfig) (list.Written, error) {
	if c.To == list.ToDomains {
		if known := p.source.comments(p.publishFlags.comments); known != nil {
			return p.source.commented(ctx, e, w, c.Header, known)
		}
	}
	return list.Write(w, p.source.entries(ctx, e.bar), c)
}

// stage writes the parts of a file that fit into memory.
func (p *publication) stage(name string, text []byte, more ...byte) error {
	return p.stageBy(name, func(w io.Writer) error {
		_, err := w.Write(append(text, more...))
		return err
	})
}

// stageBy writes a file as write does, and to the disk. What was left there by the
// same run, for one that is made twice, is gone then.
func (p *publication) stageBy(name string, write func(io.Writer) error) error {
	f, err := p.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// seal signs a file as it is on the disk, and enters its size and its sum.
func (p *publication) seal(f *published) error {
	body, err := p.root.Open(f.Name)
	if err != nil {
		return err
	}
	defer body.Close()
	sum := sha256.New()
	m := minisign.NewReader(io.TeeReader(body, sum))
	if f.Size, err = io.Copy(io.Discard, m); err != nil {
		return err
	}
	f.SHA256, f.Signature = fmt.Sprintf("%x", sum.Sum(nil)), f.Name+signatureSuffix
	signature, err := signed(m, p.secret, trustedComment(f.Name, p.header, p.header.Issued))
	if err != nil {
		return fmt.Errorf("%s: %w", p.key, err)
	}
	return p.stage(f.Signature, signature)
}
