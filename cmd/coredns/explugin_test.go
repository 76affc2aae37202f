//go:build unix

package main

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestPluginPage: the page for coredns.io begins with what its site is made of, says what
// the plugin's own manual says, and in the words of the grammar that there is. Its
// Corefiles are started by TestEveryCorefileStarts.
func TestPluginPage(t *testing.T) {
	t.Parallel()
	page, manual := readFile(t, "../../deploy/coredns.io/nonudify.md"), readFile(t, "../../plugin/README.md")
	parts := strings.SplitN(page, "+++\n", 3)
	if len(parts) != 3 || parts[0] != "" {
		t.Fatal("The page does not begin with front matter")
	}
	keys := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(\w+) = (.+)$`).FindAllStringSubmatch(parts[1], -1) {
		keys[m[1]] = m[2]
	}
	name := regexp.MustCompile(`(?m)^\*nonudify\* - .*$`).FindString(manual)
	for key, want := range map[string]string{
		"title": `"nonudify"`, "weight": "10", "categories": `[ "plugin", "external" ]`, "repo": `"https://github.com/nonudify/nonudify"`,
		"home": `"` + home + `plugin/README.md"`, "description": `"` + strings.ReplaceAll(name, `"`, `\"`) + `"`,
	} {
		if keys[key] != want {
			t.Errorf("%s is %s, want %s", key, keys[key], want)
		}
	}
	if _, err := time.Parse(`"`+time.RFC3339+`"`, keys["date"]); err != nil || !strings.Contains(keys["tags"], `"plugin"`) {
		t.Errorf("date %s, tags %s", keys["date"], keys["tags"])
	}
	for _, section := range []string{"Description", "Syntax", "Examples"} {
		if !strings.Contains(parts[2], "\n## "+section+"\n") {
			t.Errorf("The page has no section %s", section)
		}
	}
	property := regexp.MustCompile(`(?m)^    (\w+) ?(.*)$`)
	grammar := func(text string) string { return regexp.MustCompile(`(?s)nonudify \[ZONES.*?\n}`).FindString(text) }
	for _, m := range property.FindAllStringSubmatch(grammar(parts[2]), -1) {
		if !strings.Contains(grammar(manual), "\n    "+m[1]+" ") {
			t.Errorf("The directive has no property %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\* `coredns_.*?`").FindAllString(parts[2], -1) {
		if !strings.Contains(manual, "\n"+m+" - ") {
			t.Errorf("plugin/README.md does not have %s", m)
		}
	}
}
