package source

import "io"

// Previous returns the bytes of the copy, for a Transfer to apply changes to.
func (c *Copy) Previous() (io.ReadCloser, error) {
	saved, err := c.Load()
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{saved.Reader(), saved}, nil
}
