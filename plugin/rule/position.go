package rule

import "fmt"

// LineError says that one line of a file was refused, and why.
type LineError struct {
	File string // as the configuration names it
	Line int    // counted from 1
	Err  error
}

// Error returns "file:line: reason".
func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap returns the reason.
func (e *LineError) Unwrap() error { return e.Err }
