package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// handledInPeriod is what became of the reports of wrong blocks. Not all of it is subject
// to the least number of clients: that somebody has asked the operator something is what
// the operator answers for, and tells of no query. What came of it does, so it is
// only told of many.
type handledInPeriod struct {
	Received int       `json:"received"`
	Answered int       `json:"answered"`
	Open     int       `json:"open"`        // at the end of the period
	Days     *int      `json:"median_days"` // from one to the other; nil: none was answered
	Outcomes *outcomes `json:"outcomes"`    // of those that were answered; nil: fewer than the least number
}

// outcomes counts what came of reports.
type outcomes struct {
	Unblocked int `json:"unblocked"`
	Kept      int `json:"kept"`
	PassedOn  int `json:"passed_on"`
}

// maxHandled bounds the file of -handled, in bytes.
const maxHandled = 1 << 20

// readHandled counts the reports in the file, nil without one.
func (c *transparencyFlags) readHandled(r *transparencyReport) (*handledInPeriod, error) {
	if c.handled == "" {
		return nil, nil
	}
	f, err := os.Open(c.handled)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewScanner(io.LimitReader(f, maxHandled+1))
	h, found, took := new(handledInPeriod), new(outcomes), []int{}
	size := 0
	for line := 1; in.Scan(); line++ {
		if size += len(in.Bytes()) + 1; size > maxHandled {
			return nil, fmt.Errorf("%s: is too large: more than %d bytes", c.handled, maxHandled)
		}
		text, _, _ := strings.Cut(in.Text(), "#")
		if strings.TrimSpace(text) == "" {
			continue
		}
		a, err := parseAppeal(strings.Fields(text))
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", c.handled, line, err)
		}
		if h.count(a, r.first, r.last) {
			found.count(a.outcome)
			took = append(took, int(a.answered.Sub(a.received)/(24*time.Hour)))
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.handled, err)
	}
	h.finish(found, took, r.Rule.K)
	return h, nil
}

// appeal is one report of a wrong block.
type appeal struct {
	received, answered time.Time // answered is zero while it is open
	outcome            string
}

var errAppeal = errors.New("want the day received, and if it is answered, the day answered and what came of it: unblocked, kept or passed-on")

func parseAppeal(fields []string) (a appeal, err error) {
	if len(fields) != 1 && len(fields) != 3 {
		return a, errAppeal
	}
	if a.received, err = time.Parse(time.DateOnly, fields[0]); err != nil {
		return a, fmt.Errorf("%q is not a day such as 2026-10-03: %w", printable(fields[0]), errAppeal)
	}
	if len(fields) == 1 {
		return a, nil
	}
	if a.answered, err = time.Parse(time.DateOnly, fields[1]); err != nil {
		return a, fmt.Errorf("%q is not a day such as 2026-10-03: %w", printable(fields[1]), errAppeal)
	}
	if a.answered.Before(a.received) {
		return a, errors.New("it was answered before it was received")
	}
	if a.outcome = fields[2]; !slices.Contains([]string{"unblocked", "kept", "passed-on"}, a.outcome) {
		return a, fmt.Errorf("%q is no outcome: %w", printable(a.outcome), errAppeal)
	}
	return a, nil
}

// count counts an appeal, and reports whether it was answered in the period.
func (h *handledInPeriod) count(a appeal, first, last time.Time) (answered bool) {
	within := func(day time.Time) bool { return !day.Before(first) && !day.After(last) }
	if within(a.received) {
		h.Received++
	}
	if !a.received.After(last) && (a.answered.IsZero() || a.answered.After(last)) {
		h.Open++
	}
	if a.answered.IsZero() || !within(a.answered) {
		return false
	}
	h.Answered++
	return true
}

func (o *outcomes) count(outcome string) {
	switch outcome {
	case "unblocked":
		o.Unblocked++
	case "kept":
		o.Kept++
	default:
		o.PassedOn++
	}
}

// finish enters what needs all of them: the days until the half of them were answered,
// and the outcomes if there are enough.
func (h *handledInPeriod) finish(found *outcomes, took []int, least int) {
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	h.Days = &took[(len(took)-1)/2]
	if h.Answered >= least {
		h.Outcomes = found
	}
}
