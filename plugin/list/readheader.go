package list

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// maxHeader is the number of bytes in which the comments of a header end, several
// times what Write makes of the longest one.
const maxHeader = 64 << 10

// ReadHeader returns the header of a file that Write has written as a target, also of
// those that a Scanner does not read. It reads the comments that the file begins with,
// in a constant database those behind the key "header", and nothing behind them. What
// begins otherwise has the zero Header. The errors are those of r.
func ReadHeader(r io.Reader, to Target) (Header, error) {
	in := bufio.NewReader(r)
	size := int64(maxHeader)
	if to == ToCDB {
		var err error
		if size, err = cdbSkip(in); err != nil {
			return Header{}, err
		}
	}
	in = bufio.NewReader(io.LimitReader(in, size))
	var h headerReader
	for {
		line, err := in.ReadBytes('\n')
		text := trim(line)
		if len(text) == 0 || bytes.IndexByte([]byte("#!;"), text[0]) < 0 || err != nil {
			h.close()
			return h.Header, ended(err)
		}
		if err := h.comment(text); err != nil {
			return Header{}, err
		}
	}
}

// cdbSkip reads up to the header in a constant database, and returns its length; zero
// when there is none.
func cdbSkip(in io.Reader) (int64, error) {
	lengths := make([]byte, 8+len(cdbHeader))
	if _, err := io.CopyN(io.Discard, in, cdbRecords); err != nil {
		return 0, ended(err)
	}
	if _, err := io.ReadFull(in, lengths); err != nil {
		return 0, ended(err)
	}
	if binary.LittleEndian.Uint32(lengths) != uint32(len(cdbHeader)) || !bytes.Equal(lengths[8:], cdbHeader) {
		return 0, nil
	}
	return min(int64(binary.LittleEndian.Uint32(lengths[4:])), maxHeader), nil
}

// ended returns the error of a reader, nil for the end of a file.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
