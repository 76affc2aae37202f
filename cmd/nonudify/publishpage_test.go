package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/nonudify/nonudify/plugin/list"
)

// hostile is text that means something to a browser.
const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>&amp;`

// indexOf returns the index of an edition with all its lists.
func indexOf() *index {
	x := &index{
		Title: "Nudify services", ID: "nudify.lists.example", Serial: 2026112201, Issued: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC),
		Expires: time.Date(2026, 12, 6, 0, 0, 0, 0, time.UTC), Entries: 104, Homepage: "https://lists.example/", Appeals: "mailto:appeals@lists.example",
		License: "CC0-1.0", Organization: "Example Watch", Policy: "https://lists.example/policy", URL: "https://lists.example/nudify/", Main: clearName,
		Key:     indexKey{"33574EDF0738CAB2", "RWSyyjgH305XM7KOwHm8KWzMgrDbdPmQbXReEqS/ghXaiIach+tst34Z", pubName},
		Changes: indexChange{Summary: "Nothing has changed.", Text: changesText, JSON: changesJSON},
	}
	for _, to := range list.Targets() {
		x.Files = append(x.Files, published{Name: listName(to), To: to, Size: 4096, Rules: 104})
	}
	return x
}

// parsed is a page as a browser reads it.
type parsed struct {
	t        *testing.T
	elements []*html.Node
}

func parsePage(t *testing.T, x *index) parsed {
	t.Helper()
	var page bytes.Buffer
	if err := writeIndexPage(&page, x); err != nil {
		t.Fatal(err)
	}
	if page.Len() > maxPage {
		t.Errorf("it has %d bytes", page.Len())
	}
	doc, err := html.Parse(&page)
	if err != nil {
		t.Fatal(err)
	}
	p := parsed{t: t}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			p.elements = append(p.elements, n)
		}
	}
	return p
}

// all returns the elements of a name.
func (p parsed) all(name string) (nodes []*html.Node) {
	for _, n := range p.elements {
		if n.Data == name {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// wordsIn returns the text of an element.
func wordsIn(n *html.Node) string {
	var text strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			text.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(text.String()), " ")
}

// TestIndexPage looks at how the page is built. That it is accessible to the eye,
// cmd/coredns asks a browser.
func TestIndexPage(t *testing.T) {
	p := parsePage(t, indexOf())
	if roots := p.all("html"); attr(roots[0], "lang") != "en" {
		t.Error("the page has no language")
	}
	for _, name := range []string{"h1", "main", "header", "footer", "nav", "title"} {
		if n := len(p.all(name)); n != 1 {
			t.Errorf("%d elements %s", n, name)
		}
	}
	p.inert()
	p.headings()
	p.anchors()
	text := wordsIn(p.all("body")[0])
	for _, want := range []string{
		"Example Watch decides", "appeals@lists.example", "2026112201, issued on 22 November 2026", "Good until6 December 2026", "Names104", "CC0-1.0",
		"list https://lists.example/nudify/nudify.txt id nudify.lists.example key RWSyyjgH305XM7KOwHm8KWzMgrDbdPmQbXReEqS/ghXaiIach+tst34Z",
		"https://lists.example/nudify/nudify.adblock", "minisign -Vm nudify.cdb -P RWSyyjgH305XM7KOwHm8KWzMgrDbdPmQbXReEqS/ghXaiIach+tst34Z && " +
			"mkdir -p /etc/dnsdist && install -m 644 nudify.cdb /etc/dnsdist/nudify.cdb.new && mv /etc/dnsdist/nudify.cdb.new /etc/dnsdist/nudify.cdb", "break-dnssec yes", "Each new edition takes 'rndc reload nudify.rpz'.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in it", want)
		}
	}
	for _, never := range []string{"LIST", "FILE", "ORIGIN", "convert", "ZgotmplZ"} {
		if strings.Contains(text, never) {
			t.Errorf("%q is in it", never)
		}
	}
}

// inert fails the test for anything that runs, or comes from elsewhere.
func (p parsed) inert() {
	for _, n := range p.elements {
		switch n.Data {
		case "script", "link", "img", "iframe", "object", "embed", "form", "base", "svg", "video", "audio":
			p.t.Errorf("there is an element %s", n.Data)
		}
		for _, a := range n.Attr {
			if a.Key == "src" || strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "srcset" {
				p.t.Errorf("%s has the attribute %s", n.Data, a.Key)
			}
		}
	}
	for _, n := range p.all("style") {
		if text := wordsIn(n); strings.Contains(text, "url(") || strings.Contains(text, "@import") {
			p.t.Error("the style fetches something")
		}
	}
}

// headings fails the test for a heading that leaves out a level, or has nothing in it.
func (p parsed) headings() {
	level := byte('0')
	for _, n := range p.elements {
		if len(n.Data) == 2 && n.Data[0] == 'h' && n.Data[1] >= '1' && n.Data[1] <= '6' {
			if n.Data[1] > level+1 || wordsIn(n) == "" {
				p.t.Errorf("%s %q comes after h%c", n.Data, wordsIn(n), level)
			}
			level = n.Data[1]
		}
	}
}

// anchors fails the test for links that lead nowhere, and for sections without a name.
func (p parsed) anchors() {
	ids := map[string]bool{}
	for _, n := range p.elements {
		if id := attr(n, "id"); id != "" && ids[id] {
			p.t.Errorf("two elements are called %s", id)
		} else if id != "" {
			ids[id] = true
		}
	}
	for _, n := range p.all("a") {
		if href := attr(n, "href"); href == "" || strings.HasPrefix(href, "#") && !ids[href[1:]] || wordsIn(n) == "" {
			p.t.Errorf("a link %q leads to %q", wordsIn(n), href)
		}
	}
	for _, n := range p.all("section") {
		if !ids[attr(n, "aria-labelledby")] {
			p.t.Errorf("a section is called %q", attr(n, "aria-labelledby"))
		}
	}
}

// TestIndexPageHostile has text from the header of a list stay text.
func TestIndexPageHostile(t *testing.T) {
	x := indexOf()
	x.Title, x.ID, x.License, x.Organization, x.Changes.Summary = hostile, hostile, hostile, hostile, hostile
	x.Homepage, x.Appeals, x.Policy = "javascript:alert(1)", "data:text/html,"+hostile, "javascript:alert(1)"
	p := parsePage(t, x)
	p.inert()
	for _, n := range p.all("a") {
		if href := attr(n, "href"); strings.HasPrefix(href, "javascript:") || strings.HasPrefix(href, "data:") {
			t.Errorf("a link leads to %s", href)
		}
	}
	if got := wordsIn(p.all("h1")[0]); got != hostile {
		t.Errorf("the title is %q", got)
	}
}

// TestIndexPageBlinded has only what a blinded list can be used with.
func TestIndexPageBlinded(t *testing.T) {
	x := indexOf()
	x.Files = slices.DeleteFunc(x.Files, func(f published) bool { return f.To != list.ToHashes })
	x.Blinded, x.Main = true, listName(list.ToHashes)
	text := wordsIn(parsePage(t, x).all("body")[0])
	if !strings.Contains(text, "list https://lists.example/nudify/nudify.hashes ") || !strings.Contains(text, "published blinded") ||
		strings.Contains(text, "Pi-hole") || strings.Contains(text, "nudify.txt") {
		t.Errorf("got %s", text)
	}
}

// TestSubscribers has every product that convert knows be on the page, with the file
// that its configuration is for.
func TestSubscribers(t *testing.T) {
	for _, p := range products {
		i := slices.IndexFunc(subscribers, func(s subscriber) bool { return s.config == p.name })
		if p.name == "adguardhome" || p.name == "pihole" { // which fetch for themselves
			i = slices.IndexFunc(subscribers, func(s subscriber) bool {
				return strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(s.name)) == p.name
			})
		}
		m := madeBy.FindStringSubmatch(p.text)
		if i < 0 || m == nil || subscribers[i].to.String() != m[2] {
			t.Errorf("%s: the page has %d, its text says %q", p.name, i, m)
			continue
		}
		if text := unmade(p.fill("FILE", list.DefaultOrigin)); strings.Contains(text, "LIST") || m[3] != "" && !strings.Contains(text, " Each new edition takes '") {
			t.Errorf("%s: %s", p.name, text)
		}
	}
}
