package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// maxAnswer is the length in bytes of what is read of an answer, maxAttempts how often a
// question is asked again because the answer is none.
const (
	maxAnswer   = 4096
	maxAttempts = 3
)

// errUnanswered ends questions to somebody who is gone.
var errUnanswered = errors.New("no answer: nothing is written; flags and -y ask nothing")

// question is one that a person is asked. An empty answer takes what is proposed, which
// may follow from the answers before.
type question struct {
	text     string
	proposed func() string
	take     func(answer string) error
}

// questions asks what no flag says, if somebody sits at a terminal. A profile has five
// questions at most.
func (e *env) questions(c *initFlags, found *surroundings) error {
	if c.yes || c.show || e.stdin == nil || !isTerminalIn(e.stdin) || !isTerminal(e.stderr) {
		return nil
	}
	return e.interview(c.open())
}

// open returns the questions of a profile.
func (c *initFlags) open() []question {
	all := []question{
		{"At which addresses do other machines reach this one?", func() string { return joinAddrs(c.listen) }, takeAll(&c.listen, netip.ParseAddr)},
		{"Which resolvers does it ask about everything else?", func() string { return strings.Join(c.upstreams, " ") }, takeAll(&c.upstreams, func(s string) (string, error) {
			_, err := parseUpstream(s)
			return s, err
		})},
	}
	contact := textQuestion("Where are wrong blocks reported? (mailto:ADDRESS or tel:NUMBER)", &c.contact)
	switch c.profile {
	case "family":
		return append(all, textQuestion("Whose helplines does the help page show first? (country, two letters)", &c.country),
			question{"Where is the help page shown? (ADDRESS:PORT or off)", c.pageAddress, takeText(&c.page)})
	case "school":
		return append(all, question{"Which networks are the staff's? (prefixes such as 10.20.0.0/16)", func() string { return joinPrefixes(c.staff) }, takeAll(&c.staff, netip.ParsePrefix)},
			question{"Which networks are the guests'?", func() string { return joinPrefixes(c.guests) }, takeAll(&c.guests, netip.ParsePrefix)}, contact)
	}
	return append(all, contact, textQuestion("At which URL is the list, if not the built-in one?", &c.list),
		textQuestion("With which public key is it signed?", &c.key))
}

// textQuestion returns a question that is answered with a word or a few.
func textQuestion(text string, to *string) question {
	return question{text, func() string { return *to }, takeText(to)}
}

func joinPrefixes(prefixes []netip.Prefix) string {
	words := make([]string, len(prefixes))
	for i, p := range prefixes {
		words[i] = p.String()
	}
	return strings.Join(words, " ")
}

// takeAll enters words, each of which is read by parse.
func takeAll[T any](to *[]T, parse func(string) (T, error)) func(string) error {
	return func(answer string) error {
		var all []T
		for word := range strings.FieldsSeq(strings.ReplaceAll(answer, ",", " ")) {
			v, err := parse(word)
			if err != nil {
				return err
			}
			all = append(all, v)
		}
		*to = all
		return nil
	}
}

// takeText enters the answer as it is.
func takeText(to *string) func(string) error {
	return func(answer string) error {
		*to = answer
		return plainText(answer)
	}
}

// interview asks questions, one after the other.
func (e *env) interview(questions []question) error {
	in := bufio.NewReader(io.LimitReader(e.stdin, int64(len(questions)*maxAttempts*maxAnswer)))
	for _, q := range questions {
		if err := e.ask(in, q); err != nil {
			return err
		}
	}
	return nil
}

// ask asks one question, again if the answer is none.
func (e *env) ask(in *bufio.Reader, q question) (err error) {
	for range maxAttempts {
		e.bar.clear()
		fmt.Fprintf(e.stderr, "%s [%s] ", q.text, q.proposed())
		line, readErr := in.ReadString('\n')
		if readErr != nil {
			return errUnanswered
		}
		answer := strings.TrimSpace(line)
		if answer == "" {
			return nil
		}
		if err = q.take(answer); err == nil {
			return nil
		}
		e.note("%v", err)
	}
	return err
}

// isTerminalIn reports whether what is read comes from a terminal.
func isTerminalIn(r io.Reader) bool {
	w, ok := r.(io.Writer) // a file is both
	return ok && isTerminal(w)
}
