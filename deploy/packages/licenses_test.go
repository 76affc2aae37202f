package main

import (
	"debug/buildinfo"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// passagesOf are the terms in a file of licences, by what each title names: "MODULE VERSION".
func passagesOf(t *testing.T, text string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	var titles []string
	var terms strings.Builder
	end := func() {
		for _, title := range titles {
			if strings.TrimSpace(terms.String()) == "" {
				t.Errorf("nothing under %s", title)
			}
			all[title] = append(all[title], terms.String())
		}
		titles = nil
		terms.Reset()
	}
	for line := range strings.Lines(text) {
		title, is := strings.CutPrefix(line, rule)
		if !is {
			terms.WriteString(line)
			continue
		}
		if terms.Len() > 0 {
			end()
		}
		module, _, _ := strings.Cut(title, ": ")
		titles = append(titles, module)
	}
	end()
	return all
}

// checkLicences wants a passage for each module that is in the programs, ours and Go's.
func checkLicences(t *testing.T, r *release, text string) {
	t.Helper()
	passages := passagesOf(t, text)
	granted := func(what string) {
		t.Helper()
		if !slices.ContainsFunc(passages[what], func(terms string) bool {
			return strings.Contains(terms, "Permission is hereby granted") || strings.Contains(terms, "Redistribution and use") ||
				strings.Contains(terms, "Apache License") || strings.Contains(terms, "Mozilla Public License") || strings.Contains(terms, "CC0 1.0 Universal")
		}) {
			t.Errorf("no licence of %s in %d bytes", what, len(text))
		}
	}
	granted("nonudify " + r.version)
	granted("Go")
	modules := 0
	for _, name := range []string{"coredns", "nonudify"} {
		info, err := buildinfo.ReadFile(filepath.Join(r.bin, runtime.GOARCH, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range info.Deps {
			granted(m.Path + " " + m.Version)
			modules++
		}
	}
	if modules < 50 {
		t.Errorf("only %d modules", modules)
	}
}

// TestLicences finds the terms of each module in the packages of whole systems.
func TestLicences(t *testing.T) {
	t.Parallel()
	r := releaseOf(t)
	deb := run(t, "sh", "-c", `dpkg-deb --fsys-tarfile "$1" | tar xO ./usr/share/doc/nonudify/licenses.txt`, "sh", only(t, r, ".deb"))
	checkLicences(t, r, deb)
	dir := t.TempDir()
	rpm := absolute(t, only(t, r, ".rpm"))
	installed(t, "busybox")
	run(t, "sh", "-c", `cd "$2" && rpm2cpio "$1" | busybox cpio -i -d`, "sh", rpm, dir)
	inside, err := os.ReadFile(filepath.Join(dir, "usr/share/licenses/nonudify/licenses.txt"))
	if err != nil {
		t.Fatal(err)
	}
	checkLicences(t, r, string(inside))
	marked := run(t, "rpm", "-qp", "--nosignature", "--licensefiles", rpm)
	same(t, "licences", strings.Fields(marked), []string{"/usr/share/licenses/nonudify/LICENSE", "/usr/share/licenses/nonudify/licenses.txt"})
	apk := open(t, only(t, r, "-r1_*.apk"))
	checkLicences(t, r, string(unpack(t, apk)["/usr/share/licenses/nonudify/licenses.txt"].data))
	copyright := run(t, "sh", "-c", `dpkg-deb --fsys-tarfile "$1" | tar xO ./usr/share/doc/nonudify/copyright`, "sh", only(t, r, ".deb"))
	if !strings.HasPrefix(copyright, "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n") ||
		!strings.Contains(copyright, " /usr/share/doc/nonudify/licenses.txt") {
		t.Errorf("copyright\n%s", copyright)
	}
}

// TestLicencesOfRouters finds them packed, as routers have little room.
func TestLicencesOfRouters(t *testing.T) {
	t.Parallel()
	r := releaseOf(t)
	name := "/usr/share/doc/nonudify/licenses.txt.gz"
	ipk := unpack(t, open(t, only(t, r, ".ipk")))
	for format, all := range map[string]map[string]entry{
		"ipk":     unpack(t, strings.NewReader(string(ipk["/data.tar.gz"].data))),
		"openwrt": unpack(t, open(t, only(t, r, "_openwrt_*.apk"))),
	} {
		packed := all[name].data
		if len(packed) > 40<<10 {
			t.Errorf("%s: %d bytes are much for a router", format, len(packed))
		}
		cmd := exec.CommandContext(t.Context(), "gunzip", "-c")
		cmd.Stdin = strings.NewReader(string(packed))
		text, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		checkLicences(t, r, string(text))
	}
}

// TestLicencesOfImage finds those of the certificate authorities, too.
func TestLicencesOfImage(t *testing.T) {
	t.Parallel()
	r := releaseOf(t)
	rootfs := mutate.Extract(imageOf(t, r))
	defer rootfs.Close()
	dir := t.TempDir()
	extract(t, rootfs, dir)
	text, err := os.ReadFile(filepath.Join(dir, "usr/share/doc/nonudify/licenses.txt"))
	if err != nil {
		t.Fatal(err)
	}
	checkLicences(t, r, string(text))
	if !strings.Contains(string(text), rule+"golang.org/x/crypto/x509roots/fallback v") {
		t.Error("no licence of the certificate authorities")
	}
	info, err := buildinfo.ReadFile(filepath.Join(r.bin, runtime.GOARCH, "healthy"))
	if err != nil || len(info.Deps) > 0 {
		t.Errorf("healthy has modules in it, of which nobody looks for the licences: %v, %v", info.Deps, err)
	}
}

// TestNoLicence has a module without a licence end the build by its name, and finds what
// lies beside a package.
func TestNoLicence(t *testing.T) {
	t.Parallel()
	r := &release{root: t.TempDir(), version: "1.2.3"}
	r.bin = filepath.Join(r.root, "bin")
	for name, text := range map[string]string{
		"go.mod":                 "module root.example\n\ngo 1.26\n\nrequire bare.example v0.0.0\n\nreplace bare.example => ./bare\n",
		"main.go":                "package main\n\nimport _ \"bare.example/copied\"\n\nfunc main() {}\n",
		"LICENSE":                "ours\n",
		"plugin/builtin/LICENSE": "of the list\n",
		"bare/go.mod":            "module bare.example\n\ngo 1.26\n",
		"bare/NOTICE":            "made by somebody\n",
		"bare/license.go":        "package bare\n",
		"bare/copied/copied.go":  "package copied\n",
		"bare/copied/LICENSE":    "of the copy\r\n\r\nsecond line",
		"bare/other/other.go":    "package other\n",
		"bare/other/COPYING":     "of what is not linked\n",
	} {
		put(t, filepath.Join(r.root, name), text)
	}
	a := architecture{goarch: runtime.GOARCH}
	for _, name := range []string{"coredns", "nonudify"} {
		run(t, "go", "build", "-C", r.root, "-o", r.program(a, name), ".")
	}
	if _, err := r.licences(a); !errors.Is(err, errNoTerms) || !strings.Contains(err.Error(), "bare.example") {
		t.Fatal(err)
	}
	put(t, filepath.Join(r.root, "bare/LICENSE"), " \n")
	if _, err := r.licences(a); err == nil || !strings.Contains(err.Error(), "bare.example: ") {
		t.Fatal(err)
	}
	put(t, filepath.Join(r.root, "bare/LICENSE"), strings.Repeat("x", maxTerms+1))
	if _, err := r.licences(a); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Fatal(err)
	}
	put(t, filepath.Join(r.root, "bare/LICENSE"), "made by somebody\n")
	text, err := r.licences(a)
	if err != nil {
		t.Fatal(err)
	}
	_, others, _ := strings.Cut(string(text), rule+"bare.example")
	want := " v0.0.0: LICENSE\n" + rule + "bare.example v0.0.0: NOTICE\n\nmade by somebody\n\n" + rule + "bare.example v0.0.0: copied/LICENSE\n\nof the copy\n\nsecond line\n"
	if others != want {
		t.Errorf("%q\nwant\n%q", others, want)
	}
}

// put writes a file, and the directories that it is in.
func put(t *testing.T, path, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// open opens a package until the test ends.
func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
