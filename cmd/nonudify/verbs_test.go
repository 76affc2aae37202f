package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestVerbs has every verb refuse a flag that it does not have, tell how it is used, and
// stand in a script that uses it rightly and in one that uses it wrongly.
func TestVerbs(t *testing.T) {
	files, err := filepath.Glob("../../testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	var scripts strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		scripts.Write(text)
	}
	for _, v := range verbs {
		code, stdout, stderr := tool(t, nil, v.name, "-no-such-flag")
		if code != wrong || stdout != "" || !strings.Contains(stderr, "-no-such-flag") || !strings.Contains(stderr, "'nonudify "+v.name+" -h'") {
			t.Errorf("%s -no-such-flag: code %d, %q %q", v.name, code, stdout, stderr)
		}
		if code, stdout, stderr := tool(t, nil, v.name, "-h"); code != fine || !strings.Contains(stdout, "usage: nonudify "+v.name+" ") || stderr != "" {
			t.Errorf("%s -h: code %d, %q %q", v.name, code, stdout, stderr)
		}
		for _, form := range []string{`(?m)^exec nonudify `, `(?m)^! exec nonudify `} {
			if !regexp.MustCompile(form + v.name + `\b`).MatchString(scripts.String()) {
				t.Errorf("no script has %s%s", form, v.name)
			}
		}
	}
}
