package message

import (
	"fmt"
	"strings"

	"golang.org/x/text/language"
)

// parseLanguages reads languages.tsv. A table that is wrong passes no test, so
// no program has one.
func parseLanguages(text string) []Language {
	var all []Language
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "tag\t") {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) != 5 {
			panic(fmt.Sprintf("message: languages.tsv: %q: want tag, name, status, reviewer and date", line))
		}
		all = append(all, Language{language.MustParse(fields[0]), fields[1], fields[2] == "reviewed"})
	}
	return all
}
