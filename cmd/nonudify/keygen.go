package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"strings"

	"aead.dev/minisign"
)

// defaultKey is the name of a key pair that is not given another.
const defaultKey = "nonudify"

var keygen = verb{
	name:  "keygen",
	args:  "[-o NAME] [-passfile FILE] [-nopass] [-force]",
	short: "make a key to sign lists with",
	long: `keygen writes a new pair of keys in the format of the minisign program: NAME.key,
which is secret and which only its owner can read, and NAME.pub, which everybody
may have. It asks for a passphrase at the terminal and encrypts NAME.key with it,
which takes some seconds and 1 GiB of memory, as does every use of that key.

A key that exists is not replaced without -force: whoever pins its public key
could not verify another list of yours.
`,
	run: runKeygen,
}

// keygenFlags is what the command line of keygen says.
type keygenFlags struct {
	name     string
	passfile string
	nopass   bool
	force    bool
}

func runKeygen(e *env, fs *flag.FlagSet, args []string) (int, error) {
	var c keygenFlags
	fs.StringVar(&c.name, "o", defaultKey, "write `NAME`.key and NAME.pub instead of "+defaultKey+".key and .pub")
	fs.StringVar(&c.passfile, "passfile", "", "take the passphrase from the first line of `FILE`, \"-\" for the standard input")
	fs.BoolVar(&c.nopass, "nopass", false, "do not encrypt the secret key: for machines that sign with nobody there")
	fs.BoolVar(&c.force, "force", false, "replace keys that exist, which are then lost")
	operands, err := parse(fs, args)
	switch {
	case err != nil:
		return wrong, err
	case len(operands) > 0:
		return wrong, usagef("%q: keygen takes flags only", operands[0])
	case c.nopass && c.passfile != "":
		return wrong, usagef("-nopass says that there is no passphrase: it does not go with -passfile")
	case c.name == "" || strings.HasSuffix(c.name, "/"):
		return wrong, usagef("-o %q is no name of a file", c.name)
	}
	return c.generate(e)
}

// generate makes the keys. It looks for older ones first, before anybody has
// to type anything.
func (c keygenFlags) generate(e *env) (int, error) {
	if err := c.vacant(); err != nil {
		return wrong, err
	}
	pub, key, err := minisign.GenerateKey(nil)
	if err != nil {
		return wrong, err
	}
	secret, err := c.seal(e, key)
	if err != nil {
		return wrong, err
	}
	if err := c.write(pub, secret); err != nil {
		return wrong, c.explain(err)
	}
	fmt.Fprintf(e.stdout, "%s\n", pub)
	e.note("wrote %[1]s.key, which is to stay secret, and %[1]s.pub", c.name)
	e.note("in a Corefile: list https://… key %s", pub)
	return fine, nil
}

// vacant returns an error when a key would be replaced that must not be.
func (c keygenFlags) vacant() error {
	if c.force {
		return nil
	}
	for _, suffix := range []string{".key", ".pub"} {
		if err := absent(c.name + suffix); err != nil {
			return c.explain(err)
		}
	}
	return nil
}

// explain adds what to do about a key that exists.
func (c keygenFlags) explain(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w; -o gives the new key another name", err)
	}
	return err
}

// seal returns the text of a secret key, encrypted unless -nopass is given.
func (c keygenFlags) seal(e *env, key minisign.PrivateKey) ([]byte, error) {
	text, err := key.MarshalText()
	if !c.nopass {
		var p string
		if p, err = e.passphrase(c.passfile, c.name+".key", true); err != nil {
			return nil, err
		}
		e.derive()
		text, err = minisign.EncryptKey(p, key)
	}
	return append(text, '\n'), err
}

// write puts both files on disk before it names either. The secret key gets its
// name first: the public one can be made of it again.
func (c keygenFlags) write(pub minisign.PublicKey, secret []byte) error {
	text, err := pub.MarshalText()
	if err != nil {
		return err
	}
	key, err := newDraft(c.name+".key", secret, 0o600)
	if err != nil {
		return err
	}
	defer key.drop()
	public, err := newDraft(c.name+".pub", append(text, '\n'), 0o644)
	if err != nil {
		return err
	}
	defer public.drop()
	for _, d := range []*draft{key, public} {
		if c.force {
			err = d.replace()
		} else {
			err = d.create()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// derive tells a person why nothing happens for a while.
func (e *env) derive() {
	if e.bar.w != nil {
		e.note("making a key of the passphrase, which takes some seconds")
	}
}
