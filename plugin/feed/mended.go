package feed

// A list that lies in a file of the state directory may turn out to be unreadable: a disk
// fails, or somebody cuts the file short. The names that were in that part of it are let
// through until the list has been read anew, which is a matter of seconds.

// damaged reports whether the edition that serves lies in a file that could not be read.
func (f *Feed) damaged() bool {
	l := f.serving.Load()
	return l != nil && l.Set.Damaged()
}

// Fragile reports whether the edition that serves lies in a file.
func (f *Feed) Fragile() bool {
	l := f.serving.Load()
	return l != nil && l.Set.Mapped() > 0
}

// ailing reports whether a round may mend the edition that serves: no round has tried it.
func (f *Feed) ailing() bool { return f.damaged() && f.beyond.Load() != f.serving.Load() }

// mend returns the edition that serves once more, read into memory from the copy, if it was
// damaged. If the copy is, too, it sees to it that the mirrors are asked for everything.
func (f *Feed) mend() *List {
	if !f.damaged() {
		return nil
	}
	f.unmapped = true
	if l, _, err := f.Restore(); err == nil && l != nil {
		return l
	}
	f.beyond.Store(f.serving.Load()) // the next rounds come when they are due
	f.sum, f.kept = [32]byte{}, [32]byte{}
	clear(f.memory)
	return nil
}

// unreadable returns the warning that nothing is mapped any more.
func (f *Feed) unreadable() error {
	if f.unmapped {
		return ErrUnread
	}
	return nil
}
