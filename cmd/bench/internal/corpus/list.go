package corpus

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// List is a list of a size that lies in a directory in the formats that were asked
// for. It is not safe for concurrent use.
type List struct {
	Dir  string
	Size int // from 1 to Most
	// Also is listed beside the names of the corpus; "" is nothing.
	Also string

	names *set.Set // in the order in which a list is written; nil: not built yet
	base  string   // file of the names of the corpus, one a line; "": not written yet
}

// Path returns the file of the list in a format, and writes it if it is not there. It
// is written under another name first, so that a reader finds all of it or nothing.
func (l *List) Path(to list.Target) (string, error) {
	path := filepath.Join(l.Dir, fmt.Sprintf("%d.%s", l.Size, to))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, l.Replace(to, path)
}

// Replace writes the list in a format in the place of a file.
func (l *List) Replace(to list.Target, path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "list")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // which is no more when all went well
	err = l.write(f, to)
	if e := f.Chmod(0o644); err == nil { // some products give up their rights before they read it
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("the list of %d names as %s: %w", l.Size, to, err)
	}
	return os.Rename(f.Name(), path)
}

// write writes the list in a format. A list of plain names needs no order, and so no
// set.
func (l *List) write(f *os.File, to list.Target) error {
	if to == list.ToDomains {
		return l.plain(f)
	}
	if l.names == nil {
		if err := l.build(); err != nil {
			return err
		}
	}
	_, err := list.Write(f, l.entries(), list.WriteConfig{To: to, Header: list.Header{Serial: 1}})
	return err
}

// plain writes a list of plain names. Whoever asks for it again and again measures
// something meanwhile: so the names are made once, and copied by the kernel then.
func (l *List) plain(f *os.File) error {
	if l.base == "" {
		if err := l.writeBase(); err != nil {
			return err
		}
	}
	base, err := os.Open(l.base)
	if err != nil {
		return err
	}
	defer base.Close()
	if _, err := io.Copy(f, base); err != nil || l.Also == "" {
		return err
	}
	_, err = fmt.Fprintln(f, l.Also)
	return err
}

func (l *List) writeBase() error {
	f, err := os.CreateTemp(l.Dir, "names")
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 64<<10)
	for i := range l.Size {
		out.WriteString(Listed(i))
		out.WriteByte('\n')
	}
	l.base = f.Name()
	return out.Flush()
}

func (l *List) build() error {
	var b set.Builder
	for i := range l.Size {
		b.Add(rule.Rule{Name: dnsname.Name(Listed(i)), Trigger: rule.Subtree, Action: rule.Block})
	}
	if l.Also != "" {
		b.Add(rule.Rule{Name: dnsname.Name(l.Also), Trigger: rule.Subtree, Action: rule.Block})
	}
	var err error
	l.names, err = b.Set()
	return err
}

func (l *List) entries() iter.Seq[list.Entry] {
	return func(yield func(list.Entry) bool) {
		for r := range l.names.All() {
			if !yield(list.Entry{Name: r.Name, Block: r.Trigger}) {
				return
			}
		}
	}
}
