package builtin

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
)

// scan reads a text as a server does and returns its names and its header. No
// line may be refused, and each must block its name and everything below it.
func scan(t *testing.T, file string, text []byte, format list.Format) ([]string, list.Header) {
	t.Helper()
	s := list.NewScanner(bytes.NewReader(text), list.Config{
		File:    file,
		Format:  format,
		Refused: func(err *rule.LineError) { t.Error(err) },
	})
	var all []string
	for s.Scan() {
		r := s.Rule()
		if r.Action != rule.Block || r.Trigger != rule.Subtree {
			t.Errorf("%s:%d: %s", file, s.Line(), r)
		}
		all = append(all, string(r.Name))
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	if s.Format() != list.Domains {
		t.Errorf("%s was read as %s", file, s.Format())
	}
	return all, s.Header()
}

func TestTextsScan(t *testing.T) {
	for file, text := range map[string][]byte{"nudify.txt": List(), "help.txt": Help(), "shared.txt": Shared()} {
		_, records := read(t, text)
		for _, format := range []list.Format{list.Domains, list.Auto} {
			all, header := scan(t, file, text, format)
			if !slices.Equal(all, names(records)) {
				t.Errorf("%s as %s: %d names, want %d", file, format, len(all), len(records))
			}
			if header.Title == "" || header.Entries != len(all) {
				t.Errorf("%s: title %q, entries %d, want %d", file, header.Title, header.Entries, len(all))
			}
		}
	}
}

func TestHeader(t *testing.T) {
	_, h := scan(t, "nudify.txt", List(), list.Domains)
	if h.Homepage == "" || h.Appeals == "" {
		t.Errorf("homepage %q, appeals %q", h.Homepage, h.Appeals)
	}
	// RFC 2919 §2: a label, a dot and the domain name whose holder gives it out.
	if id, err := dnsname.Parse(h.ID); err != nil || id.Labels() < 3 {
		t.Errorf("list id %q", h.ID)
	}
	if h.Serial < 2026112201 {
		t.Errorf("serial %d has gone back", h.Serial)
	}
	if y, m, d := h.Issued.Date(); uint32(y*10000+int(m)*100+d) != h.Serial/100 {
		t.Errorf("issued %s, serial %d", h.Issued, h.Serial)
	}
	if h.Expires.Sub(h.Issued) != 90*24*time.Hour {
		t.Errorf("issued %s, expires %s", h.Issued, h.Expires)
	}
}
