package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

const completionUsage = `usage: nonudify completion bash|zsh|fish

completion writes the file with which a shell completes verbs, flags and file names.
The packages install it. To try it in a bash: source <(nonudify completion bash)
`

// completions are the shells that can be told of the verbs.
var completions = map[string]func(io.Writer, []completed){"bash": completeBash, "zsh": completeZsh, "fish": completeFish}

// completed is a verb as a shell completes it.
type completed struct {
	name, short string
	flags       []*flag.Flag
	words       []string // its first argument is one of these; none means a file
}

// completion writes the file for a shell. It is no verb of the table, because it reads
// the table.
func (e *env) completion(args []string) int {
	fs := flag.NewFlagSet("completion", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	operands, err := parse(fs, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(e.stdout, completionUsage)
		return fine
	case err != nil:
		return e.fail("completion", err)
	case len(operands) != 1:
		return e.fail("completion", usagef("%d shells given, one wanted: bash, zsh or fish", len(operands)))
	}
	write, ok := completions[operands[0]]
	if !ok {
		return e.fail("completion", usagef("no completion for %q: bash, zsh or fish", operands[0]))
	}
	write(e.stdout, table())
	return fine
}

// table is what the shells complete.
func table() []completed {
	var all []completed
	var names []string
	for _, v := range verbs {
		all, names = append(all, completed{v.name, v.short, flagsOf(v), wordsOf(v)}), append(names, v.name)
	}
	return append(all,
		completed{name: "completion", short: "write the file with which a shell completes verbs and flags", words: []string{"bash", "zsh", "fish"}},
		completed{name: "help", short: "show all verbs, or the usage of one", words: names},
		completed{name: "version", short: "show the version"})
}

// flagsOf are the flags of a verb, which declares them before it looks at its arguments.
func flagsOf(v verb) []*flag.Flag {
	fs := flag.NewFlagSet(v.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	v.run(&env{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, now: time.Now, bar: new(progress)}, fs, []string{"-h"})
	var flags []*flag.Flag
	fs.VisitAll(func(f *flag.Flag) { flags = append(flags, f) })
	return flags
}

// choice is an argument that is one of some words, as the line of usage has it.
var choice = regexp.MustCompile(`(?:^|\s)([a-z]+(?:\|[a-z]+)+)(?:\s|$)`)

func wordsOf(v verb) []string {
	if m := choice.FindStringSubmatch(v.args); m != nil {
		return strings.Split(m[1], "|")
	}
	return nil
}

func completeBash(w io.Writer, all []completed) {
	fmt.Fprint(w, "# Completion of nonudify for bash, written by \"nonudify completion bash\".\n"+
		"_nonudify() {\n    local cur=${COMP_WORDS[COMP_CWORD]} flags= words=\n    case $COMP_CWORD,${COMP_WORDS[1]} in\n")
	fmt.Fprintf(w, "    1,*) words='%s' ;;\n", strings.Join(namesOf(all), " "))
	for _, c := range all {
		var flags []string
		for _, f := range c.flags {
			flags = append(flags, "-"+f.Name)
		}
		fmt.Fprintf(w, "    *,%s) flags='%s' words='%s' ;;\n", c.name, strings.Join(flags, " "), strings.Join(c.words, " "))
	}
	// Where nothing is found, bash completes the names of files.
	fmt.Fprint(w, "    esac\n    case $cur in -*) words=$flags ;; esac\n"+
		"    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\ncomplete -o default -F _nonudify nonudify\n")
}

func namesOf(all []completed) (names []string) {
	for _, c := range all {
		names = append(names, c.name)
	}
	return names
}

func completeZsh(w io.Writer, all []completed) {
	fmt.Fprint(w, "#compdef nonudify\n# Completion of nonudify for zsh, written by \"nonudify completion zsh\".\n"+
		"_nonudify() {\n    local -a verbs\n    verbs=(\n")
	for _, c := range all {
		fmt.Fprintf(w, "        %s\n", quoted(c.name+":"+c.short))
	}
	fmt.Fprint(w, "    )\n    if (( CURRENT == 2 )); then\n        _describe verb verbs\n        return\n    fi\n"+
		"    shift words\n    (( CURRENT-- ))\n    case $words[1] in\n")
	for _, c := range all {
		fmt.Fprintf(w, "    %s) _arguments", c.name)
		for _, f := range c.flags {
			fmt.Fprint(w, " ", quoted(zshFlag(f)))
		}
		if rest := "*:file:_files"; len(c.words) > 0 {
			fmt.Fprint(w, " ", quoted("1:word:("+strings.Join(c.words, " ")+")"), " ", quoted(rest))
		} else {
			fmt.Fprint(w, " ", quoted(rest))
		}
		fmt.Fprint(w, " ;;\n")
	}
	// The file is either loaded by name, and then called, or sourced.
	fmt.Fprint(w, "    esac\n}\nif [[ $funcstack[1] == _nonudify ]]; then\n    _nonudify \"$@\"\nelse\n    compdef _nonudify nonudify\nfi\n")
}

// zshFlag is a flag as _arguments takes it. Most may be given more than once.
func zshFlag(f *flag.Flag) string {
	value, text := flag.UnquoteUsage(f)
	spec := "*-" + f.Name + "[" + strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`).Replace(text) + "]"
	if value != "" {
		spec += ":" + strings.ReplaceAll(value, ":", `\:`) + ":_files"
	}
	return spec
}

func completeFish(w io.Writer, all []completed) {
	fmt.Fprint(w, "# Completion of nonudify for fish, written by \"nonudify completion fish\".\n")
	for _, c := range all {
		fmt.Fprintf(w, "complete -c nonudify -f -n __fish_use_subcommand -a %s -d %s\n", c.name, fishQuoted(c.short))
	}
	for _, c := range all {
		seen := "-n '__fish_seen_subcommand_from " + c.name + "'"
		if len(c.words) > 0 {
			// The verbs are words of help, too, and must not be completed again behind themselves.
			rest := "; and not __fish_seen_subcommand_from " + strings.Join(slices.DeleteFunc(slices.Clone(c.words), func(word string) bool { return word == c.name }), " ")
			fmt.Fprintf(w, "complete -c nonudify -f %s%s' -a %s\n", strings.TrimSuffix(seen, "'"), rest, fishQuoted(strings.Join(c.words, " ")))
		}
		for _, f := range c.flags {
			value, text := flag.UnquoteUsage(f)
			takes := ""
			if value != "" {
				takes = " -r"
			}
			fmt.Fprintf(w, "complete -c nonudify %s -o %s%s -d %s\n", seen, f.Name, takes, fishQuoted(text))
		}
	}
}

// quoted is a word of a POSIX shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// fishQuoted is a word of fish, in whose single quotes a backslash escapes.
func fishQuoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
