package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/coredns/caddy/caddyfile"

	"github.com/nonudify/nonudify/plugin/directive"
)

// maxSecrets bounds a file with the secrets of transfer keys in bytes.
const maxSecrets = 64 << 10

// errSecrets says that a file holds something else. It does not quote the file.
var errSecrets = errors.New(`want lines 'secret NAME BASE64' or 'key "NAME" { algorithm ALGORITHM; secret "BASE64"; };'`)

// readSecrets reads the secrets of transfer keys, by their canonical names: as the
// tsig directive has them, or as BIND and its tsig-keygen do.
func (e *env) readSecrets(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	e.warnOpen(f)
	text, err := readSmall(f, maxSecrets)
	if err != nil {
		return nil, err
	}
	secrets, err := parseSecrets(words(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return secrets, nil
}

// words takes a text apart: braces and semicolons are words of their own, quotes
// and comments are left out.
func words(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if i := strings.IndexByte(line, '#'); i >= 0 {
			line = line[:i]
		}
		if strings.HasPrefix(strings.TrimSpace(line), "//") {
			continue
		}
		line = strings.NewReplacer("{", " { ", "}", " } ", ";", " ; ", `"`, " ").Replace(line)
		out = append(out, strings.Fields(line)...)
	}
	return out
}

// parseSecrets reads the two forms, in any order.
func parseSecrets(words []string) (map[string]string, error) {
	secrets := map[string]string{}
	for len(words) > 0 {
		var name, secret string
		switch {
		case words[0] == ";":
			words = words[1:]
			continue
		case words[0] == "secret" && len(words) >= 3:
			name, secret, words = words[1], words[2], words[3:]
		case words[0] == "key" && len(words) >= 3 && words[2] == "{":
			end := slices.Index(words, "}")
			if end < 0 {
				return nil, errSecrets
			}
			name, secret = words[1], secretIn(words[3:end])
			words = words[end+1:]
		}
		if strings.Trim(secret, "{};") == "" {
			return nil, errSecrets
		}
		if err := addSecret(secrets, name, secret); err != nil {
			return nil, err
		}
	}
	if len(secrets) == 0 {
		return nil, errSecrets
	}
	return secrets, nil
}

// secretIn returns the secret of a key as BIND has it. The algorithm is that of
// the list's URL.
func secretIn(words []string) string {
	for i, w := range words[:max(len(words)-1, 0)] {
		if w == "secret" {
			return words[i+1]
		}
	}
	return ""
}

// addSecret enters a secret under its canonical name.
func addSecret(to map[string]string, name, secret string) error {
	name = strings.ToLower(strings.TrimSuffix(name, ".")) + "."
	if _, again := to[name]; again {
		return fmt.Errorf("the key %q is there twice", name)
	}
	to[name] = secret
	return nil
}

// needsSecrets reports whether a list is transferred with a key.
func needsSecrets(c *directive.Config) bool {
	return slices.ContainsFunc(c.Lists, func(l directive.List) bool {
		return slices.ContainsFunc(l.Sources, func(s string) bool {
			return strings.HasPrefix(s, "axfr") && strings.Contains(s, "tsig=")
		})
	})
}

// blockSecrets returns the secrets of the tsig directive of a server block, and
// of the files that it names.
func (e *env) blockSecrets(path string, b caddyfile.ServerBlock) (map[string]string, error) {
	secrets := map[string]string{}
	d := caddyfile.NewDispenserTokens(path, b.Tokens["tsig"])
	for d.Next() {
		d.RemainingArgs() // the zones that it is for
		for d.NextBlock() {
			property, args := d.Val(), d.RemainingArgs()
			var err error
			switch {
			case property == "secret" && len(args) == 2:
				err = addSecret(secrets, args[0], args[1])
			case property == "secrets" && len(args) == 1:
				err = e.addSecrets(secrets, args[0])
			case property == "secret" || property == "secrets":
				err = d.ArgErr()
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return secrets, nil
}

// addSecrets enters those of a file.
func (e *env) addSecrets(to map[string]string, path string) error {
	more, err := e.readSecrets(path)
	for name, secret := range more {
		if err == nil {
			err = addSecret(to, name, secret)
		}
	}
	return err
}
