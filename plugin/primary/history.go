package primary

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/nonudify/nonudify/plugin/source"
)

// saved is what is known of a zone after a restart: of what edition it was, and
// how that came about.
type saved struct {
	Origin string `json:"origin"`
	Serial uint32 `json:"serial"`
	Sum    []byte `json:"sum"`
	Deltas []part `json:"deltas"`

	history []delta
}

// part is where a delta is in the file.
type part struct {
	From uint32 `json:"from"`
	To   uint32 `json:"to"`
	Gone int    `json:"gone"` // bytes
	Come int    `json:"come"`
}

// magic begins the file. Behind it come a line of JSON, the deltas, and the
// SHA-256 of all that.
const magic = "nonudify-zone/1\n"

// maxFile is the length of the longest file that is read, in bytes: that of the
// longest history, and room for what describes it.
const maxFile = maxHistory + 64<<10

// errDamaged is about a file that is not as it was written.
var errDamaged = errors.New("is damaged")

// encode returns the bytes of the file.
func (s *saved) encode() ([]byte, error) {
	var body bytes.Buffer
	s.Deltas = nil
	for _, d := range s.history {
		s.Deltas = append(s.Deltas, part{d.from, d.to, len(d.gone), len(d.come)})
		body.Write(d.gone)
		body.Write(d.come)
	}
	head, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	data := append(append(append([]byte(magic), head...), '\n'), body.Bytes()...)
	return sealed(data), nil
}

// sealed returns data with their SHA-256 behind them.
func sealed(data []byte) []byte {
	hash := sha256.Sum256(data)
	return append(data, hash[:]...)
}

// decode reads the bytes of the file of a zone.
func decode(data []byte, origin string) (*saved, error) {
	n := len(data) - sha256.Size
	if n < 0 || sha256.Sum256(data[:n]) != [sha256.Size]byte(data[n:]) {
		return nil, errDamaged
	}
	rest, ok := bytes.CutPrefix(data[:n], []byte(magic))
	head, body, cut := bytes.Cut(rest, []byte("\n"))
	s := &saved{}
	if !ok || !cut || json.Unmarshal(head, s) != nil || len(s.Sum) != len(sum{}) || s.Origin != origin || s.Serial == 0 {
		return nil, errDamaged
	}
	return s, s.cut(body)
}

// cut makes the history of the bytes of the deltas.
func (s *saved) cut(body []byte) error {
	serial := s.Serial
	if len(s.Deltas) > 0 {
		serial = s.Deltas[0].From
	}
	for _, p := range s.Deltas {
		if p.From != serial || p.Gone < 0 || p.Come < 0 || p.Gone > len(body) || p.Come > len(body)-p.Gone {
			return errDamaged
		}
		d := delta{from: p.From, to: p.To, gone: body[:p.Gone:p.Gone], come: body[p.Gone : p.Gone+p.Come : p.Gone+p.Come]}
		body = body[p.Gone+p.Come:]
		serial = p.To
		if !d.count() {
			return errDamaged
		}
		s.history = append(s.history, d)
	}
	if serial != s.Serial || len(body) > 0 {
		return errDamaged
	}
	return nil
}

// count counts the records of a delta that was read, and reports whether it holds
// nothing else.
func (d *delta) count() bool {
	d.records = 0
	for _, part := range [][]byte{d.gone, d.come} {
		for len(part) > 0 {
			var ok bool
			if _, part, ok = cutRecord(part); !ok {
				return false
			}
			d.records++
		}
	}
	return true
}

// fileOf is where a zone is saved.
func fileOf(dir, origin string) source.StateFile {
	return source.StateFile{Dir: dir, Name: origin, Suffix: ".zone"}
}

// load reads what was saved of a zone; nil if nothing was.
func load(dir, origin string) (*saved, error) {
	if dir == "" {
		return nil, nil
	}
	f := fileOf(dir, origin)
	data, err := f.Read(maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := decode(data, origin)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Base(), err)
	}
	return s, nil
}

// save writes the file of a zone in place of the one before.
func (s *saved) save(dir string) error {
	data, err := s.encode()
	if err != nil {
		return err
	}
	return fileOf(dir, s.Origin).Write(data)
}
