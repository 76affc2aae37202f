package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/set"
)

// exposed returns which files of a blinded edition have a name of the list in clear
// text: the title may have one, or the changelog of an edition that was not blinded.
func (p *publication) exposed() (faults []string, err error) {
	if !p.blinded {
		return nil, nil
	}
	files, err := fs.ReadDir(p.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		f, err := p.root.Open(file.Name())
		if err != nil {
			return nil, err
		}
		fault, err := findName(f, p.source.Set)
		f.Close()
		if err != nil {
			return nil, err
		}
		if fault != "" {
			faults = append(faults, fmt.Sprintf("%s: %s, and the list is to be blinded", file.Name(), fault))
		}
	}
	return faults, nil
}

// maxToken is the number of bytes of a word in which names are sought, more than the
// longest name has in any spelling.
const maxToken = 4 * dnsname.MaxLen

// findName reads a text up to the first name that the list has, and says which it is;
// "" for none. A word is what a name can stand in, in any letter case and in U-labels:
// links, addresses and names of files have names in them, too.
func findName(r io.Reader, s *set.Set) (fault string, err error) {
	in := bufio.NewReader(r)
	var word []byte
	for {
		c, err := in.ReadByte()
		if err == nil && (c == '.' || c == '-' || c == '_' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z') {
			if word = append(word, c); len(word) > maxToken {
				return fmt.Sprintf("has a word of more than %d bytes, in which names cannot be sought", maxToken), nil
			}
			continue
		}
		if bytes.IndexByte(word, '.') > 0 {
			if name := listedIn(string(word), s); name != "" {
				return fmt.Sprintf("has %s in clear text", name), nil
			}
		}
		switch word = word[:0]; {
		case err == io.EOF:
			return "", nil
		case err != nil:
			return "", err
		}
	}
}

// listedIn returns a name of the list that stands in a word, "" for none.
func listedIn(word string, s *set.Set) dnsname.Name {
	labels := strings.Split(strings.Trim(word, "-_."), ".")
	for i := range labels {
		for j := i + 2; j <= len(labels); j++ {
			name, err := dnsname.Parse(strings.Join(labels[i:j], "."))
			if err == nil && isListed(name, s) {
				return name
			}
		}
	}
	return ""
}

// isListed reports whether a list has a rule of that very name, for itself or for what is
// below it.
func isListed(name dnsname.Name, s *set.Set) bool {
	var k set.Key
	for _, q := range []string{string(name), "x." + string(name)} {
		k.Reset(q)
		if s.Match(&k).Labels == name.Labels() {
			return true
		}
	}
	return false
}
