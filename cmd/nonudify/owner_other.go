//go:build !unix

package main

import "io/fs"

// isOurs reports whether a file belongs to us, which its permissions say.
func isOurs(fs.FileInfo) bool { return true }

// sameGroup reports whether a file has the group of another. Permissions there are none
// of groups.
func sameGroup(string, fs.FileInfo) bool { return true }

// asOwner does something in a directory. Who may do what there, its permissions
// say, which new files inherit.
func asOwner(_ string, do func() error) error { return do() }

// giveTo gives nothing away: the permissions of a directory say who may write there.
func giveTo(string, string) error { return nil }
