package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

func TestMain(m *testing.M) {
	testscript.Main(withScratch{m}, map[string]func(){"nonudify": main})
}

// withScratch runs the tests with a directory that they share.
type withScratch struct{ testscript.TestingM }

func (w withScratch) Run() int {
	var err error
	if scratch, err = os.MkdirTemp("", "nonudify"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(scratch)
	return w.TestingM.Run()
}

// TestScript plays the scripts, in which the tool is used as by a person.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "../../testdata/script",
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("NONUDIFY_TEST_PORT", "5353")
			e.Values[serverKey{}] = new(web)
			e.Values[pageKey{}] = new(pageOf)
			return os.Chmod(e.WorkDir, 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"plain": plain, "serve": serve(t), "publish": putOnline, "edition": checkEdition, "primary": primary,
			"page": servePage, "get": get, "endpage": endPage, "status": serveStatus,
		},
		Condition: installed,
	})
}

// installed answers the condition [installed:PROGRAM]. Where it counts, a program
// that is missing is no reason to skip a test.
func installed(cond string) (bool, error) {
	program, ok := strings.CutPrefix(cond, "installed:")
	if !ok {
		return false, fmt.Errorf("no condition is called %q", cond)
	}
	_, err := exec.LookPath(program)
	if err != nil && os.Getenv("CI") != "" {
		return false, err
	}
	return err == nil, nil
}

// plain is a command of scripts that sets $PLAIN to the program as it is made for
// its users. To make a key of a passphrase takes it 1 GiB of memory, and the
// one that looks for races three times that, and half a minute.
func plain(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: plain")
	}
	path, err := plainTool()
	ts.Check(err)
	ts.Setenv("PLAIN", path)
}

// scratch is the directory of what all tests share.
var scratch string

var plainTool = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, "nonudify")
	out, err := exec.Command("go", "build", "-race=false", "-o", path, ".").CombinedOutput()
	if err != nil {
		err = errors.Join(err, errors.New(string(out)))
	}
	return path, err
})
