package totals

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nonudify/nonudify/plugin/source"
)

// Dir is the directory of the totals in a state directory.
const Dir = "totals"

// MaxDays is how many days are kept: two years, so that each month can be held against
// the one of the year before.
const MaxDays = 800

// maxFile bounds the file of a day, in bytes.
const maxFile = 2 << 20

// format is the first field of each file.
const format = "nonudify-totals/v1"

// Errors to be tested with errors.Is.
var (
	ErrDamaged = errors.New("the totals are damaged")
	ErrClock   = errors.New("the clock cannot be right")
)

// Day is what is kept of one day (UTC).
type Day struct {
	Format string `json:"format"`
	Day    string `json:"day"` // such as 2026-11-22
	// Counts have each Key once.
	Counts   []*Count   `json:"counts"`
	Editions []*Edition `json:"editions"` // each once
	// Damaged is that an earlier file of the day was set aside: there was more.
	Damaged bool `json:"damaged,omitempty"`
}

// Count is how often was done what a Key says.
type Count struct {
	Key
	Queries uint64 `json:"queries"`
	// Clients is how many clients there were at least: 0, 20, 50, 100, 200, 500 or 1000.
	Clients int `json:"clients"`
}

// Read returns what is kept of the days from first to last, both included, in their
// order. state is the state directory. A day of which there is no file is left out; an
// error names the file that cannot be read.
func Read(state string, first, last time.Time) ([]Day, error) {
	var days []Day
	dir := filepath.Join(state, Dir)
	for t := first; !t.After(last); t = t.AddDate(0, 0, 1) {
		switch d, err := read(dir, t.Format(time.DateOnly)); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		default:
			days = append(days, *d)
		}
	}
	return days, nil
}

func fileOf(dir, name string) source.StateFile {
	return source.StateFile{Dir: dir, Name: name, Suffix: ".json", Plain: true}
}

// read returns what is kept of a day. The error is fs.ErrNotExist, ErrDamaged, or of
// package os.
func read(dir, name string) (*Day, error) {
	f := fileOf(dir, name)
	path := filepath.Join(dir, f.Base())
	text, err := f.Read(maxFile)
	switch {
	case errors.Is(err, source.ErrTooLarge):
		return nil, fmt.Errorf("%s: %w: it is too large", path, ErrDamaged)
	case err != nil:
		return nil, err
	}
	d := new(Day)
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(d); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, ErrDamaged, err)
	}
	if why := d.fault(name); why != "" || in.More() {
		return nil, fmt.Errorf("%s: %w%s", path, ErrDamaged, why)
	}
	return d, nil
}

// fault returns what is wrong with a day that was read, behind a colon; "" for nothing.
func (d *Day) fault(name string) string {
	switch {
	case d.Format != format:
		return fmt.Sprintf(": its format is %q", d.Format)
	case d.Day != name:
		return fmt.Sprintf(": it is of the day %q", d.Day)
	case len(d.Counts) > MaxCounts, len(d.Editions) > MaxEditions:
		return ": nobody counts like this"
	}
	for _, c := range d.Counts {
		if c == nil || !slices.Contains(steps[:], c.Clients) {
			return ": a number of clients is none that is ever told"
		}
	}
	for _, e := range d.Editions {
		if e == nil {
			return ": there is an edition of nothing"
		}
	}
	return ""
}

// add adds queries under a Key. Of clients the greater number counts: who asks two
// processes, or before and after a restart, is one client. Where there is no room, what
// is added goes to Others.
func (d *Day) add(c *Count) {
	have := d.find(c.Key)
	if have == nil && len(d.Counts) >= MaxCounts-1 {
		c = &Count{Others, c.Queries, c.Clients}
		have = d.find(Others)
	}
	if have == nil {
		have = &Count{Key: c.Key}
		d.Counts = append(d.Counts, have)
	}
	have.Queries += c.Queries
	have.Clients = max(have.Clients, c.Clients)
}

func (d *Day) find(k Key) *Count {
	for _, c := range d.Counts {
		if c.Key == k {
			return c
		}
	}
	return nil
}

// write puts a day in the place of what the directory has of it.
func (d *Day) write(dir string) error {
	text, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		return err
	}
	return fileOf(dir, d.Day).Write(append(text, '\n'))
}

// maxAside is how many damaged files of a day are kept.
const maxAside = 9

// setAside renames the damaged file of a day, so that somebody may look at it.
func setAside(dir, name string) error {
	path := filepath.Join(dir, fileOf(dir, name).Base())
	for i := range maxAside {
		aside := fmt.Sprintf("%s.damaged-%d", path, i+1)
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			return os.Rename(path, aside)
		}
	}
	return fmt.Errorf("%s: %d damaged files of the day are kept already", path, maxAside)
}

// prune removes all files of days but of the latest ones.
func prune(dir string, keep int) error {
	entries, err := os.ReadDir(dir) // in the order of the names
	if err != nil {
		return err
	}
	byDay := map[string][]string{} // with what was set aside, and what a killed process has left
	var days []string
	for _, e := range entries {
		day := e.Name()[:min(len(e.Name()), len(time.DateOnly))]
		if _, err := time.Parse(time.DateOnly, day); err != nil || !e.Type().IsRegular() {
			continue
		}
		if byDay[day] == nil {
			days = append(days, day)
		}
		byDay[day] = append(byDay[day], e.Name())
	}
	for _, day := range days[:max(0, len(days)-keep)] {
		for _, file := range byDay[day] {
			err = errors.Join(err, os.Remove(filepath.Join(dir, file)))
		}
	}
	return err
}
