package list

import (
	"errors"
	"strings"
)

// MaxID is the length in bytes of the longest List-ID.
const MaxID = 64

// ErrID is why a List-ID is refused.
var ErrID = errors.New("not a List-ID: at most 64 of a-z, A-Z, 0-9, \".\", \"-\" and \"_\", the first a letter or a digit")

// CheckID returns ErrID for what cannot be a List-ID. One that can be needs no quotes
// in a Corefile, in the configuration of any other product, in a shell, or as the name
// of a file, and it is no option of a program.
func CheckID(id string) error {
	if id == "" || len(id) > MaxID || strings.Trim(id, wordBytes) != "" || strings.IndexByte("._-", id[0]) >= 0 {
		return ErrID
	}
	return nil
}

// wordBytes are those of which a word is made that needs no quotes anywhere.
const wordBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
