package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/source"
)

const (
	patience  = time.Second            // that a verb takes before a bar is shown
	frame     = 100 * time.Millisecond // between two drawings
	barWidth  = 30                     // in characters
	nameWidth = 40                     // of the part of a label that is shown
)

// progress is a bar on a terminal for a verb that takes more than a second. It
// moves with the bytes that are read.
type progress struct {
	w   io.Writer // the terminal; nil shows nothing
	now func() time.Time

	begun, drawn time.Time
	shown        bool
	label        string
	done, total  int64 // bytes; total is 0 when it is not known
}

// start begins the wait for the first drawing.
func (p *progress) start() { p.begun = p.now() }

// clear takes the bar off the terminal.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// add counts bytes and draws when it is time to.
func (p *progress) add(n int) {
	p.done += int64(n)
	if p.w == nil {
		return
	}
	now := p.now()
	if now.Sub(p.begun) < patience || now.Sub(p.drawn) < frame {
		return
	}
	p.drawn, p.shown = now, true
	fmt.Fprintf(p.w, "\r%s\x1b[K", p)
}

// String returns the bar as it is drawn.
func (p *progress) String() string {
	if p.total <= 0 {
		return fmt.Sprintf("%s %s", p.label, size(p.done))
	}
	part := min(p.done, p.total)
	n := int(part * barWidth / p.total)
	return fmt.Sprintf("%s [%s%s] %3d %%", p.label, strings.Repeat("#", n), strings.Repeat("-", barWidth-n), part*100/p.total)
}

// reader returns r with its bytes shown under a label, which is the end of the
// given one where that is long.
func (p *progress) reader(label string, r io.ReadCloser) io.ReadCloser {
	if runes := []rune(label); len(runes) > nameWidth {
		label = "…" + string(runes[len(runes)-nameWidth:])
	}
	p.stage(label, sizeOf(r))
	return &meter{r, p}
}

// stage begins something else that takes its time, of so many steps.
func (p *progress) stage(label string, total int64) { p.label, p.done, p.total = label, 0, total }

// sizeOf returns the size of a regular file, 0 of all else.
func sizeOf(r io.Reader) int64 {
	if s, ok := r.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if info, err := s.Stat(); err == nil && info.Mode().IsRegular() {
			return info.Size()
		}
	}
	return 0
}

// meter moves a bar with what is read.
type meter struct {
	io.ReadCloser
	bar *progress
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	m.bar.add(n)
	return n, err
}

// metered is an opener whose bodies move a bar.
type metered struct {
	feed.Opener
	bar   *progress
	label string
}

func (m metered) Open(ctx context.Context, have source.Version) (source.Body, error) {
	body, err := m.Opener.Open(ctx, have)
	if err == nil {
		body.ReadCloser = m.bar.reader(m.label, body.ReadCloser)
	}
	return body, err
}

// behindBar takes the bar away before anything else is written, which may be
// to the same terminal.
type behindBar struct {
	io.Writer
	bar *progress
}

func (b behindBar) Write(p []byte) (int, error) {
	b.bar.clear()
	return b.Writer.Write(p)
}

// isTerminal reports whether w is a terminal: a character device other than
// the one that swallows everything.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// watched is the number of entries after which the bar moves.
const watched = 4096
