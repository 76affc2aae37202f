package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
)

// shells are those that the tool writes completions for.
var shells = []string{"bash", "zsh", "fish"}

func (r *release) completions(stage string) error {
	for _, shell := range shells {
		text, err := r.ask("completion", shell)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(stage, "completion."+shell), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// ask returns what the tool prints.
func (r *release) ask(args ...string) ([]byte, error) {
	out, err := exec.Command(r.tool, args...).Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.tool, strings.Join(args, " "), err)
	}
	return out, nil
}

// manual writes the manual pages: of the tool from its own usage, of the Corefile from
// the README of the plugin.
func (r *release) manual(stage string) error {
	tool, err := r.toolPage()
	if err != nil {
		return err
	}
	readme, err := os.ReadFile(filepath.Join(r.root, "plugin/README.md"))
	if err != nil {
		return err
	}
	resolver, err := os.ReadFile(filepath.Join(r.root, "deploy/packages/manual/nonudify-resolver.8.md"))
	if err != nil {
		return err
	}
	for page, text := range map[string][]byte{"nonudify.1": tool, "nonudify-corefile.5": corefilePage(readme), "nonudify-resolver.8": resolver} {
		if err := r.page(stage, page, text); err != nil {
			return err
		}
	}
	return nil
}

// page writes a page of the manual, "NAME.SECTION", from Markdown.
func (r *release) page(stage, page string, text []byte) error {
	name, section, _ := strings.Cut(page, ".")
	title := fmt.Sprintf("%% %q %q %q %q %q\n\n", strings.ToUpper(name), section, r.time.Format("January 2006"), "nonudify "+r.version, "nonudify")
	packed, err := compressed(md2man.Render(append([]byte(title), text...)))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(stage, page+".gz"), packed, 0o644)
}

// verbLine is a verb in the help text of the tool.
var verbLine = regexp.MustCompile(`(?m)^    (\w+) +\S`)

// toolPage has the usage of every verb as the tool prints it.
func (r *release) toolPage() ([]byte, error) {
	help, err := r.ask("help")
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	fmt.Fprintf(&page, "# NAME\n\nnonudify - read, check, fetch, convert, sign and publish lists of \"nudify\" names\n\n# SYNOPSIS\n\n```\n"+
		"nonudify VERB [FLAGS] [ARGUMENTS]\n```\n\n# DESCRIPTION\n\n```\n%s```\n\n", help)
	for _, m := range verbLine.FindAllSubmatch(help, -1) {
		verb := string(m[1])
		if verb == "help" || verb == "version" {
			continue
		}
		usage, err := r.ask("help", verb)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&page, "# %s\n\n```\n%s```\n\n", strings.ToUpper(verb), usage)
	}
	page.WriteString("# SEE ALSO\n\n**nonudify-corefile**(5), **nonudify-resolver**(8)\n")
	return page.Bytes(), nil
}

// corefilePage is the README of the plugin without its title, and with headings of a manual.
func corefilePage(readme []byte) []byte {
	text := regexp.MustCompile(`(?m)\A# .*\n`).ReplaceAll(readme, nil)
	text = bytes.Replace(text, []byte("\n*nonudify* - "), []byte("\nnonudify-corefile - "), 1) // a page has the name of its file
	return regexp.MustCompile(`(?m)^## .*$`).ReplaceAllFunc(text, func(line []byte) []byte { return bytes.ToUpper(line[1:]) })
}
