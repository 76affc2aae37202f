package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/rule"
)

func TestParseTable(t *testing.T) {
	rows, err := parseTable("t.tsv", "a\tb\n1\t2\n3\t", "a", "b") // the last line without its end
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0].line != 2 || rows[1].fields[0] != "3" || rows[1].fields[1] != "" {
		t.Errorf("rows %v", rows)
	}
}

func TestParseTableRefuses(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	tests := []struct {
		name, text string
		want       error
		line       int
	}{
		{"empty", "", errColumns, 1},
		{"no head", "1\t2\n", errColumns, 1},
		{"blank line", "a\tb\n\n1\t2\n", errFields, 2},
		{"one field", "a\tb\n1\t2\n3\n", errFields, 3},
		{"line at the limit", "a\tb\n" + long[2:] + "\t2\n", nil, 0},
		{"line over the limit", "a\tb\n" + long[1:] + "\t2\n", errLineLength, 2},
		{"file at the limit", sized(maxFile), nil, 0},
		{"file over the limit", sized(maxFile + 1), errTooLarge, 1},
	}
	for _, tt := range tests {
		_, err := parseTable("t.tsv", tt.text, "a", "b")
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
			continue
		}
		if le, ok := errors.AsType[*rule.LineError](err); err != nil && (!ok || le.Line != tt.line || le.File != "t.tsv") {
			t.Errorf("%s: error %v, want it at t.tsv:%d", tt.name, err, tt.line)
		}
	}
}

// sized returns a table of n bytes.
func sized(n int) string {
	const head, line = "a\tb\n", "1\t234567\n"
	text := head + strings.Repeat(line, (n-len(head))/len(line)-1)
	return text + "1\t" + strings.Repeat("2", n-len(text)-len("1\t"))
}
