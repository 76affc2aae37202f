package main

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func readFacts(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile("../" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const hostsHead = "host\tcategory\tbasis\twhy\n"

func TestMakeHelp(t *testing.T) {
	const in = hostsHead +
		"www.one.example\thelpline\thelplines\tfirst\n" +
		"one.example\thotline\thelplines\tsame site again\n" +
		"chat.one.example\tremoval\thelplines\tbelow it\n" +
		"www.gov.uk\tregulator\tlookalikes\tbelow a public suffix\n" +
		"report.two.example\thotline\tglobal\tonly this host\n" +
		"wwwthree.example\thelpline\tglobal\tno www label\n"
	got, err := makeHelp(in)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(got), "# License: CC0-1.0\n")
	if want := "one.example # category=helpline basis=helplines\n" +
		"report.two.example # category=hotline basis=global\n" +
		"www.gov.uk # category=regulator basis=lookalikes\n" +
		"wwwthree.example # category=helpline basis=global\n"; body != want {
		t.Errorf("got\n%s\nwant\n%s", body, want)
	}
	if !strings.Contains(string(got), "# Entries: 4\n") {
		t.Error("wrong number of entries")
	}
}

func TestMakeHelpRefuses(t *testing.T) {
	tests := []struct {
		name, row string
		want      error
	}{
		{"address", "192.0.2.1\thelpline\tglobal\tx", nil},
		{"upper case", "Help.example\thelpline\tglobal\tx", errName},
		{"port", "help.example:443\thelpline\tglobal\tx", nil},
		{"public suffix", "gov.uk\tregulator\tglobal\tx", errSuffix},
		{"private suffix", "github.io\tregulator\tglobal\tx", errSuffix},
		{"single label", "help\thelpline\tglobal\tx", errSuffix},
		{"category", "help.example\tchild helpline\tglobal\tx", errToken},
		{"basis", "help.example\thelpline\t\tx", errToken},
		{"fields", "help.example\thelpline", errFields},
	}
	for _, tt := range tests {
		_, err := makeHelp(hostsHead + tt.row + "\n")
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
	}
}

// TestLinkedHostsAreProtected checks the made file against its facts: whatever
// was dropped as covered is covered.
func TestLinkedHostsAreProtected(t *testing.T) {
	protected := map[string]bool{}
	for line := range strings.Lines(readFacts(t, helpFile)) {
		name, _, _ := strings.Cut(line, " ")
		protected[name] = true
	}
	rows, err := parseTable(hostsFile, readFacts(t, hostsFile), "host", "category", "basis", "why")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		host, err := canonical(r.fields[0])
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for above := range host.Suffixes() {
			found = found || protected[string(above)]
		}
		if !found {
			t.Errorf("%s is not protected", host)
		}
	}
}
