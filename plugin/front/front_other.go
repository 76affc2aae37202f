//go:build !linux

package front

import "context"

// Front is the front of a server; there is none on this system.
type Front struct{}

// Open fails with ErrUnsupported.
func Open(Config, *Service) (*Front, error) { return nil, ErrUnsupported }

// Current returns nil.
func (f *Front) Current() *Service { return nil }

// Steered reports false.
func (f *Front) Steered() bool { return false }

// Room returns 0.
func (f *Front) Room() int { return 0 }

// Tally does nothing.
func (f *Front) Tally() {}

// Swap does nothing.
func (f *Front) Swap(*Service) *Service { return nil }

// Close does nothing.
func (f *Front) Close(context.Context) {}

type oddServer struct{}

func (o *oddServer) close(context.Context) {}
