package nonudify

import (
	"errors"
	"fmt"
	"testing"

	clog "github.com/coredns/coredns/plugin/pkg/log"
)

func init() { clog.Discard() }

// TestOneLine: what several secondaries have said is one line of the log.
func TestOneLine(t *testing.T) {
	err := errors.Join(errors.New("not accepted by a"), fmt.Errorf("not accepted by %q", "b"))
	if got, want := oneLine(err), `not accepted by a; not accepted by "b"`; got != want {
		t.Errorf("Got %q, want %q", got, want)
	}
}
