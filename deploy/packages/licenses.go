package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

// maxTerms bounds a licence in bytes. The longest of those linked has a tenth of it.
const maxTerms = 256 << 10

// rule is how a passage of the file of licences begins; no licence has a line that does.
const rule = "==== "

// about matches the names of files that say under which terms others may use a module,
// granting those of them that the terms themselves stand in.
var (
	about    = regexp.MustCompile(`(?i)^(un)?licen[cs]e|^copying|^copyright|^notice|^patents`)
	granting = regexp.MustCompile(`(?i)^(un)?licen[cs]e|^copying`)
)

// linked is a module whose code is in the programs, and the files with its terms, which
// may lie beside any of its packages: what it has copied from others has terms of its own.
type linked struct {
	path, version, dir string
	files              map[string]bool // below dir
}

// licences returns the terms of all that is linked into the programs of an architecture:
// our own, those of Go and those of each module, and of more modules that the release is
// made of. Terms that several share are there once. A module without any is an error.
func (r *release) licences(a architecture, more ...string) ([]byte, error) {
	modules := map[string]*linked{}
	for _, name := range []string{"coredns", "nonudify"} {
		if err := r.linkedInto(modules, a, name); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, path := range more {
		m, err := r.module(path)
		if err != nil {
			return nil, err
		}
		modules[path] = m
	}
	passages := map[string][]string{} // of the terms, the titles
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		if err := modules[path].read(passages); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return r.written(passages)
}

// written puts our own terms and those of Go before the others, which are in the order of
// their titles.
func (r *release) written(passages map[string][]string) ([]byte, error) {
	goroot, err := exec.Command("go", "-C", r.root, "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "The terms of all that is in the programs of nonudify %s: of nonudify itself, of Go,\n"+
		"and of the modules of others. Terms that several share are here once. The source of a\n"+
		"module is fetched with: go mod download MODULE@VERSION\n", r.version)
	for _, own := range []struct{ of, dir, name string }{
		{"nonudify " + r.version, r.root, "LICENSE"},
		{"nonudify " + r.version, r.root, "plugin/builtin/LICENSE"},
		{"Go", strings.TrimSpace(string(goroot)), "LICENSE"},
		{"Go", strings.TrimSpace(string(goroot)), "PATENTS"},
	} {
		terms, err := termsIn(filepath.Join(own.dir, filepath.FromSlash(own.name)))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&text, "\n%s%s: %s\n\n%s", rule, own.of, own.name, terms)
	}
	for _, terms := range slices.SortedFunc(maps.Keys(passages), func(a, b string) int { return cmp.Compare(passages[a][0], passages[b][0]) }) {
		fmt.Fprintf(&text, "\n%s%s\n\n%s", rule, strings.Join(passages[terms], "\n"+rule), terms)
	}
	return text.Bytes(), nil
}

// linkedInto enters the modules of a program, and where the terms of its packages may be.
// The packages are those that go builds with the settings that the linker has noted.
func (r *release) linkedInto(modules map[string]*linked, a architecture, name string) error {
	info, err := buildinfo.ReadFile(r.program(a, name))
	if err != nil {
		return err
	}
	wanted := map[string]string{}
	for _, m := range info.Deps {
		wanted[m.Path] = m.Version
	}
	err = r.packagesOf(info, func(p goPackage) error {
		if p.Module == nil || p.Module.Main {
			return nil
		}
		if wanted[p.Module.Path] != p.Module.Version {
			return fmt.Errorf("it is built with %s %q, and this commit has %q", p.Module.Path, wanted[p.Module.Path], p.Module.Version)
		}
		m := modules[p.Module.Path]
		if m == nil {
			m = &linked{path: p.Module.Path, version: p.Module.Version, dir: p.Module.Dir, files: map[string]bool{}}
			modules[p.Module.Path] = m
		}
		return m.look(p.Dir)
	})
	if err != nil {
		return err
	}
	for path := range wanted {
		if modules[path] == nil {
			return fmt.Errorf("it is built with %s, of which this commit has no package", path)
		}
	}
	return nil
}

// goPackage is what "go list -json" says of a package.
type goPackage struct {
	Dir    string
	Module *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// packagesOf calls do for every package that a program is built of.
func (r *release) packagesOf(info *debug.BuildInfo, do func(goPackage) error) error {
	cmd := exec.Command("go", "list", "-C", r.root, "-deps", "-json=Dir,Module", "-tags="+setting(info, "-tags"), info.Path)
	cmd.Env = os.Environ()
	for _, s := range info.Settings {
		if strings.HasPrefix(s.Key, "GO") || s.Key == "CGO_ENABLED" {
			cmd.Env = append(cmd.Env, s.Key+"="+s.Value)
		}
	}
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list %s: %w", info.Path, err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := do(p); err != nil {
			return err
		}
	}
}

// setting is what the linker has noted of a flag.
func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// module is one of those that the packages are made with.
func (r *release) module(path string) (*linked, error) {
	out, err := exec.Command("go", "list", "-C", filepath.Join(r.root, "deploy/packages"), "-m", "-f", "{{.Version}}\n{{.Dir}}", path).Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m %s: %w", path, err)
	}
	version, dir, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	m := &linked{path: path, version: version, dir: dir, files: map[string]bool{}}
	return m, m.look(dir)
}

// look enters the files with terms in the directory of a package and in those above it.
func (m *linked) look(dir string) error {
	for {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Type().IsRegular() && about.MatchString(e.Name()) && filepath.Ext(e.Name()) != ".go" {
				m.files[filepath.ToSlash(strings.TrimPrefix(filepath.Join(dir, e.Name()), m.dir+string(filepath.Separator)))] = true
			}
		}
		if len(dir) <= len(m.dir) {
			return nil
		}
		dir = filepath.Dir(dir)
	}
}

// errNoTerms says that nobody may pass on what a module has put into the programs.
var errNoTerms = errors.New("no licence is with this module")

// read adds the terms of a module, under a title that names it.
func (m *linked) read(passages map[string][]string) error {
	granted := false
	for _, name := range slices.Sorted(maps.Keys(m.files)) {
		text, err := termsIn(filepath.Join(m.dir, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		passages[text] = append(passages[text], fmt.Sprintf("%s %s: %s", m.path, m.version, name))
		granted = granted || !strings.Contains(name, "/") && granting.MatchString(name)
	}
	if !granted {
		return errNoTerms
	}
	return nil
}

// termsIn reads a file with terms, and has its lines end as those of others do.
func termsIn(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxTerms+1))
	if err != nil {
		return "", err
	}
	text := strings.Trim(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n") + "\n"
	switch {
	case strings.TrimSpace(text) == "":
		return "", fmt.Errorf("%s is empty", path)
	case len(data) > maxTerms:
		return "", fmt.Errorf("%s is longer than %d bytes", path, maxTerms)
	case strings.Contains("\n"+text, "\n"+rule):
		return "", fmt.Errorf("%s has a line that begins with %q", path, rule)
	}
	return text, nil
}

// stageLicences writes the terms for whole systems, and packed for routers.
func (r *release) stageLicences(stage string, a architecture) error {
	text, err := r.licences(a)
	if err != nil {
		return fmt.Errorf("licences: %w", err)
	}
	if err := os.WriteFile(filepath.Join(stage, "licenses.txt"), text, 0o644); err != nil {
		return err
	}
	small, err := compressed(text)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(stage, "licenses.txt.gz"), small, 0o644)
}

// compressed packs a text with gzip, as small as it gets and without a time.
func compressed(text []byte) ([]byte, error) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	err = w.Close()
	return packed.Bytes(), err
}
