package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// The files that are read and written.
const (
	headerFile  = "header.tsv"
	entriesFile = "nudify.tsv"
	sourcesFile = "sources.tsv"
	hostsFile   = "help.tsv"
	listFile    = "nudify.txt"
	helpFile    = "help.txt"
)

// lifetime is how long an edition is meant to stand: the entries are reviewed
// every 90 days.
const lifetime = 90 * 24 * time.Hour

// Why an edition is refused.
var (
	errHeader     = errors.New("header must have Title, List-ID, Serial, Homepage, Appeals and License, in this order, none empty")
	errSerial     = errors.New("serial is not of the form YYYYMMDDnn")
	errSerialUsed = errors.New("the list has changed, its serial has not gone up")
	errFuture     = errors.New("a source was read after the list was issued")
)

// header is the edition: what the generator cannot find out from the entries.
type header struct {
	title, id, serial, homepage, appeals, license string
	issued                                        time.Time // midnight UTC of the serial's day
}

// generate returns the files made from the facts in dir, by their names.
func generate(dir fs.FS) (map[string][]byte, error) {
	facts := make(map[string]string)
	for _, file := range []string{headerFile, entriesFile, sourcesFile, hostsFile} {
		text, err := fs.ReadFile(dir, file)
		if err != nil {
			return nil, err
		}
		facts[file] = string(text)
	}
	list, err := makeList(facts[headerFile], facts[sourcesFile], facts[entriesFile])
	if err != nil {
		return nil, err
	}
	help, err := makeHelp(facts[hostsFile])
	if err != nil {
		return nil, err
	}
	return map[string][]byte{listFile: list, helpFile: help}, nil
}

// makeList returns the text of the list.
func makeList(head, srcs, ents string) ([]byte, error) {
	h, err := parseHeader(head)
	if err != nil {
		return nil, err
	}
	sources, err := parseSources(srcs)
	if err != nil {
		return nil, err
	}
	entries, err := parseEntries(ents, sources)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.seen > h.issued.Format(time.DateOnly) {
			return nil, fmt.Errorf("%s: %w", e.name, errFuture)
		}
	}
	return formatList(h, entries), nil
}

func parseHeader(text string) (header, error) {
	rows, err := parseTable(headerFile, text, "key", "value")
	if err != nil {
		return header{}, err
	}
	var h header
	want := []struct {
		key   string
		value *string
	}{
		{"Title", &h.title}, {"List-ID", &h.id}, {"Serial", &h.serial},
		{"Homepage", &h.homepage}, {"Appeals", &h.appeals}, {"License", &h.license},
	}
	if len(rows) != len(want) {
		return header{}, errHeader
	}
	for i, r := range rows {
		if r.fields[0] != want[i].key || r.fields[1] == "" {
			return header{}, r.wrong(errHeader)
		}
		*want[i].value = r.fields[1]
	}
	h.issued, err = issued(h.serial)
	return h, err
}

// issued returns the day that a serial of the form YYYYMMDDnn begins with.
func issued(serial string) (time.Time, error) {
	const form = "20060102"
	if len(serial) != len(form)+2 || strings.Trim(serial, "0123456789") != "" {
		return time.Time{}, errSerial
	}
	day, err := time.Parse(form, serial[:len(form)])
	if err != nil {
		return time.Time{}, errSerial
	}
	return day, nil
}

// formatList writes the header, one key a line, and the sorted entries.
func formatList(h header, entries []entry) []byte {
	var b bytes.Buffer
	for _, kv := range [][2]string{
		{"Title", h.title},
		{"List-ID", h.id},
		{"Serial", h.serial},
		{"Issued", h.issued.Format(time.RFC3339)},
		{"Expires", h.issued.Add(lifetime).Format(time.RFC3339)},
		{"Entries", fmt.Sprint(len(entries))},
		{"Homepage", h.homepage},
		{"Appeals", h.appeals},
		{"License", h.license},
	} {
		fmt.Fprintf(&b, "# %s: %s\n", kv[0], kv[1])
	}
	for _, e := range entries {
		e.format(&b)
	}
	return b.Bytes()
}

// format writes the line of e. A day that no source has is left out.
func (e entry) format(b *bytes.Buffer) {
	fmt.Fprintf(b, "%s #", e.name)
	if e.seen != "" {
		fmt.Fprintf(b, " since=%s seen=%s", e.since, e.seen)
	}
	fmt.Fprintf(b, " sources=%s category=nudify confidence=%s\n", strings.Join(e.sources, ","), e.confidence)
}
