package report

import (
	"bytes"
	"fmt"
)

// The lines between which a document holds the tables.
const (
	begin = "<!-- make bench begins -->\n"
	end   = "<!-- make bench ends -->\n"
)

// Insert returns a document with other text between the two lines that mark where the
// tables are.
func Insert(document, tables []byte) ([]byte, error) {
	before, rest, ok := bytes.Cut(document, []byte(begin))
	_, after, ends := bytes.Cut(rest, []byte(end))
	if !ok || !ends {
		return nil, fmt.Errorf("no place for the tables: there is no line %q with a line %q below it", begin[:len(begin)-1], end[:len(end)-1])
	}
	return bytes.Join([][]byte{before, []byte(begin), tables, []byte(end), after}, nil), nil
}
