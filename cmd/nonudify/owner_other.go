//go:build !unix

package main

// asOwner does something in a directory. Who may do what there, its permissions
// say, which new files inherit.
func asOwner(_ string, do func() error) error { return do() }
