package main

import (
	"errors"
	"fmt"
	"os"

	"aead.dev/minisign"

	"github.com/nonudify/nonudify/plugin/feed"
)

// maxKeyFile bounds a file with a key in bytes: a comment and a line.
const maxKeyFile = 4 << 10

// errKeyFile says that a file holds no key. It does not quote the file.
var errKeyFile = errors.New("is not a key file of minisign")

// secretKey reads a secret key and, if it is encrypted, asks for its passphrase.
func (e *env) secretKey(file, passfile string) (key minisign.PrivateKey, err error) {
	f, err := os.Open(file)
	if err != nil {
		return key, err
	}
	defer f.Close()
	e.warnOpen(f)
	text, err := readSmall(f, maxKeyFile)
	if err != nil {
		return key, err
	}
	if !minisign.IsEncrypted(text) {
		if key.UnmarshalText(text) != nil {
			return key, fmt.Errorf("%s: %w", file, errKeyFile)
		}
		return key, nil
	}
	p, err := e.passphrase(passfile, file, false)
	if err != nil {
		return key, err
	}
	e.derive()
	if key, err = minisign.DecryptKey(p, text); err != nil {
		return key, fmt.Errorf("%s: the passphrase is another, or the file is damaged", file)
	}
	return key, nil
}

// publicKey reads a public key, given as such or as the file that holds it.
func publicKey(arg string) (feed.Key, error) {
	if k, err := feed.ParseKey(arg); err == nil {
		return k, nil
	}
	f, err := os.Open(arg)
	if err != nil {
		return feed.Key{}, fmt.Errorf("%q is neither a public key nor a file with one: %w", arg, err)
	}
	defer f.Close()
	text, err := readSmall(f, maxKeyFile)
	if err != nil {
		return feed.Key{}, err
	}
	k, err := feed.ParseKey(string(text))
	if err != nil { // which quotes the file: it may be the secret key
		return feed.Key{}, fmt.Errorf("%s: %w with a public key", arg, errKeyFile)
	}
	return k, nil
}
