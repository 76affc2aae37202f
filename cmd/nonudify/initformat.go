package main

import (
	"fmt"
	"strings"
)

// commentColumn is where the comments behind words begin, if there is room.
const commentColumn = 40

// formatCorefile indents a Corefile by its braces, and puts the comments behind its
// words one below the other. Such a comment has three blanks before it.
func formatCorefile(text string) string {
	var out strings.Builder
	depth := 0
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		words, comment, both := strings.Cut(strings.TrimLeft(line, " "), "   #")
		if strings.HasPrefix(words, "#") { // a comment alone, in which blanks may be meant
			words, both = strings.TrimLeft(line, " "), false
		}
		words = strings.TrimRight(words, " ")
		if words == "}" {
			depth--
		}
		if words != "" {
			words = strings.Repeat("    ", depth) + words
		}
		if strings.HasSuffix(words, "{") && !strings.HasPrefix(strings.TrimSpace(words), "#") {
			depth++
		}
		if both {
			words = fmt.Sprintf("%-*s #%s", commentColumn-1, words, comment)
		}
		out.WriteString(words + "\n")
	}
	return out.String()
}
