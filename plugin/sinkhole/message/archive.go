package message

import (
	"bufio"
	_ "embed" // the file below
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

//go:generate go run ./gen

// archive holds the catalogues, packed to less than a third: gen says how.
//
//go:embed catalogues.zst
var archive string

// unpack returns the catalogue of a tag as JSON. That takes half a millisecond and
// is done once for each language that is asked for, which on most servers are few:
// so nothing of what is unpacked is kept.
func unpack(tag string) ([]byte, error) {
	z, err := zstd.NewReader(strings.NewReader(archive), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	for lines := bufio.NewReader(z); ; {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return nil, fmt.Errorf("no catalogue %s: run go generate ./plugin/sinkhole/message", tag)
		}
		if err != nil {
			return nil, err
		}
		if found, text, _ := strings.Cut(line, "\t"); found == tag {
			return []byte(text), nil
		}
	}
}
