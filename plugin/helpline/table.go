package helpline

import (
	_ "embed" // the tables below
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/language"
)

// The tables, which docs/helplines.md explains. sources.tsv is not among them:
// it is for people who check an entry, not for the program.
var (
	//go:embed countries.tsv
	countriesTable string
	//go:embed emergency.tsv
	emergencyTable string
	//go:embed services.tsv
	servicesTable string
	//go:embed global.tsv
	globalTable string
)

// Builtin returns the directory that comes with the program, which is read when
// it is first asked for. Its texts stay where the program has them.
var Builtin = sync.OnceValue(func() *Directory {
	d, err := parseTables(countriesTable, emergencyTable, servicesTable, globalTable)
	if err != nil {
		panic(err) // the tables are part of the program, and a test reads them
	}
	return d
})

// Why a table is refused.
var (
	errColumns = errors.New("not as many columns as the title has")
	errTitle   = errors.New("has another title than it should")
	errWord    = errors.New("unknown kind, age, use or other word")
)

func parseTables(countries, emergency, services, global string) (*Directory, error) {
	d := new(Directory)
	for _, t := range []struct {
		file, text, title string
		add               func(*Directory, []string) error
	}{
		{"countries.tsv", countries, "code name autonym tag languages network", (*Directory).addPlace},
		{"emergency.tsv", emergency, "country number uses sources read", (*Directory).addEmergency},
		{"services.tsv", services, "country kind name tag number tel link languages free age sources read", (*Directory).addService},
		{"global.tsv", global, "id kind name link age sources read", (*Directory).addGlobal},
	} {
		err := eachRow(t.text, t.title, func(fields []string) error { return t.add(d, fields) })
		if err != nil {
			return nil, fmt.Errorf("%s:%w", t.file, err)
		}
	}
	d.places, d.entries = slices.Clip(d.places), slices.Clip(d.entries)
	return d, nil
}

// eachRow calls add with the fields of each line of a table: comments with "#",
// the title, and then a line an entry, fields between tabs. The fields are good
// for the length of the call only. Errors begin with the number of the line.
func eachRow(text, title string, add func([]string) error) error {
	n, seen := 0, false
	columns := strings.Count(title, " ") + 1
	fields := make([]string, 0, columns)
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"):
			continue
		case !seen:
			if seen = true; strings.ReplaceAll(line, "\t", " ") != title {
				return fmt.Errorf("%d: %w", n, errTitle)
			}
			continue
		}
		fields = fields[:0]
		for f := range strings.SplitSeq(line, "\t") {
			fields = append(fields, f)
		}
		if len(fields) != columns {
			return fmt.Errorf("%d: %w", n, errColumns)
		}
		if err := add(fields); err != nil {
			return fmt.Errorf("%d: %w", n, err)
		}
	}
	return nil
}

func (d *Directory) addPlace(f []string) error {
	if f[5] != "" && f[5] != "insafe" {
		return errWord
	}
	tag, err := language.Parse(f[3])
	if err != nil {
		return err
	}
	d.places = append(d.places, Place{
		Code: f[0], Name: f[1], Autonym: f[2], Tag: f[3], Languages: strings.Fields(f[4]),
		base: base(tag), insafe: f[5] != "",
	})
	return nil
}

// addEmergency adds an entry for each use that a number has.
func (d *Directory) addEmergency(f []string) error {
	e := Entry{Country: f[0], Kind: Emergency, Number: f[1], Tel: "tel:" + f[1], Source: f[3]}
	var err error
	if e.ReadOn, err = day(f[4]); err != nil {
		return err
	}
	for name := range strings.FieldsSeq(f[2]) {
		if e.Use, err = word[Use](uses[:], name); err != nil {
			return err
		}
		d.entries = append(d.entries, e)
	}
	return nil
}

func (d *Directory) addService(f []string) error {
	if f[8] != "" && f[8] != "free" {
		return errWord
	}
	return d.add(Entry{
		Country: f[0], Name: f[2], NameTag: f[3], Number: f[4], Tel: f[5], URL: f[6],
		Languages: strings.Fields(f[7]), Free: f[8] != "", Source: f[10],
	}, f[1], f[9], f[11])
}

func (d *Directory) addGlobal(f []string) error {
	return d.add(Entry{ID: f[0], Country: Everywhere, Name: f[2], URL: f[3], Source: f[5]}, f[1], f[4], f[6])
}

func (d *Directory) add(e Entry, kind, age, read string) error {
	var err error
	if e.Kind, err = word[Kind](kinds[:], kind); err != nil {
		return err
	}
	if e.Age, err = word[Age](ages[:], age); err != nil {
		return err
	}
	if e.ReadOn, err = day(read); err != nil {
		return err
	}
	d.entries = append(d.entries, e)
	return nil
}

// word returns the value that a table calls name.
func word[T ~uint8](names []string, name string) (T, error) {
	for i, n := range names {
		if n == name {
			return T(i), nil
		}
	}
	return 0, fmt.Errorf("%q: %w", name, errWord)
}

func day(s string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q: %w", s, ErrDay)
	}
	return t, nil
}
