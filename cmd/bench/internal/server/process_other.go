//go:build !linux

package server

import (
	"os"
	"os/exec"
	"time"

	"github.com/nonudify/nonudify/cmd/bench/internal/load"
)

// Signal is what a process can be told.
type Signal = os.Signal

// Reload is what only Linux is measured with.
var Reload = os.Interrupt

func attach(*exec.Cmd) {}

// Cores returns load.ErrUnsupported.
func Cores() ([]int, error) { return nil, load.ErrUnsupported }

func onCore(int, func() error) error { return load.ErrUnsupported }

// Pin returns load.ErrUnsupported.
func Pin(int) error { return load.ErrUnsupported }

// CPU returns load.ErrUnsupported.
func (*Process) CPU() (time.Duration, error) { return 0, load.ErrUnsupported }

// RSS returns load.ErrUnsupported.
func (*Process) RSS() (int64, error) { return 0, load.ErrUnsupported }
