package main

import (
	"errors"
	"strings"
	"testing"
)

func TestMakeListRefuses(t *testing.T) {
	tests := []struct {
		name, file, old, new string
		want                 error
	}{
		{"columns", entriesFile, "name\t", "domain\t", errColumns},
		{"fields", entriesFile, "said twice\n", "said\ttwice\n", errFields},
		{"upper case", entriesFile, "bad.example", "Bad.example", errName},
		{"same name", entriesFile, "worse.example", "bad.example", errTwice},
		{"confidence", entriesFile, "medium", "low", errConfidence},
		{"high on one source", entriesFile, "b,a@2026-01-02", "b", errHigh},
		{"high on bad company", sourcesFile, "press", "request", errHigh},
		{"unknown source", entriesFile, "\tb\t", "\tc\t", errNoSource},
		{"no source", entriesFile, "\tb\t", "\t\t", errNoSource},
		{"same source", entriesFile, "\tb\t", "\tb,b\t", errTwice},
		{"same id", sourcesFile, "b\tpress", "a@2026-01-02\tpress", errTwice},
		{"comma in id", sourcesFile, "b\tpress", "b,c\tpress", errToken},
		{"space in id", sourcesFile, "b\tpress", "b c\tpress", errToken},
		{"no id", sourcesFile, "b\tpress", "\tpress", errToken},
		{"kind", sourcesFile, "press", "rumour", errKind},
		{"one day only", sourcesFile, "2026-01-02\t2026-01-02", "2026-01-02\t", errDay},
		{"no such day", sourcesFile, "2026-01-02\t2026-01-02", "2026-01-02\t2026-02-30", errDay},
		{"days crossed", sourcesFile, "2026-01-02\t2026-01-02", "2026-01-02\t2026-01-01", errDay},
		{"future", sourcesFile, "2026-01-02\t2026-01-02", "2026-11-23\t2026-11-23", errFuture},
		{"short serial", headerFile, "2026112201", "202611221", errSerial},
		{"serial of no day", headerFile, "2026112201", "2026133201", errSerial},
		{"signed serial", headerFile, "2026112201", "20261122+1", errSerial},
		{"missing key", headerFile, "License\tCC0-1.0\n", "", errHeader},
		{"other key", headerFile, "License", "Licence", errHeader},
		{"no value", headerFile, "CC0-1.0", "", errHeader},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			facts := map[string]string{}
			for file, text := range tree {
				if file == tt.file {
					text = strings.Replace(text, tt.old, tt.new, 1)
				}
				facts[file] = text
			}
			if facts[tt.file] == tree[tt.file] {
				t.Fatalf("%q is not in %s", tt.old, tt.file)
			}
			_, err := makeList(facts[headerFile], facts[sourcesFile], facts[entriesFile])
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestSpan(t *testing.T) {
	day := func(d string) source { return source{"press", d, d} }
	month := source{"press", "2024-05-01", "2024-05-31"}
	season := source{"promotion", "2024-11-01", "2025-01-31"}
	tests := []struct {
		name        string
		in          []source
		since, seen string
	}{
		{"none", nil, "", ""},
		{"undated", []source{{}, {}}, "", ""},
		{"one day", []source{{}, day("2025-10-02")}, "2025-10-02", "2025-10-02"},
		{"two days", []source{day("2026-08-22"), day("2025-10-02")}, "2025-10-02", "2026-08-22"},
		{"a period alone", []source{season}, "2024-11-01", "2024-11-01"},
		{"a period first", []source{month, day("2025-10-02")}, "2024-05-31", "2025-10-02"},
		{"a period last", []source{day("2023-01-01"), month}, "2023-01-01", "2024-05-01"},
		{"a day within a period", []source{season, day("2024-12-24")}, "2024-12-24", "2024-12-24"},
	}
	for _, tt := range tests {
		if since, seen := span(tt.in); since != tt.since || seen != tt.seen {
			t.Errorf("%s: %s to %s, want %s to %s", tt.name, since, seen, tt.since, tt.seen)
		}
	}
}

// TestSourceDays compares the day in a source's id with its columns.
func TestSourceDays(t *testing.T) {
	sources, err := parseSources(readFacts(t, sourcesFile))
	if err != nil {
		t.Fatal(err)
	}
	for id, s := range sources {
		_, days, ok := strings.Cut(id, "@")
		if !ok {
			continue
		}
		from, to, period := strings.Cut(days, "..")
		if !period {
			to = from
		}
		if !strings.HasPrefix(s.from, from) || !strings.HasPrefix(s.to, to) {
			t.Errorf("%s: from %s to %s", id, s.from, s.to)
		}
	}
}
