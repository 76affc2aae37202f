package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// scratch is the directory of what all tests share.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "packages"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

// made is a release for the architecture of this machine, of the programs that "make
// packages" has built.
var made = sync.OnceValues(func() (*release, error) {
	r := &release{root: "../..", bin: "../../build/linux", tool: "../../build/linux/" + runtime.GOARCH + "/nonudify", out: filepath.Join(scratch, "made")}
	if _, err := os.Stat(r.tool); err != nil {
		return nil, fmt.Errorf("%w: make packed builds it", err)
	}
	return r, r.make([]string{runtime.GOARCH})
})

func releaseOf(t *testing.T) *release {
	t.Helper()
	r, err := made()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// only returns the path of the one package whose name ends so.
func only(t *testing.T, r *release, suffix string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(r.out, "*"+suffix))
	if err != nil || len(found) != 1 {
		t.Fatalf("%d packages end in %s: %v", len(found), suffix, err)
	}
	return found[0]
}

// run returns the output of a program, or skips the test where there is none.
func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	installed(t, program)
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return string(out)
}

func installed(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed; make setup does", program)
		}
		t.Skipf("%s is not installed; make setup does", program)
	}
}

// promised is what a format has of the table, as "MODE PATH", and its configuration files.
func promised(format string) (paths, configs []string) {
	for _, p := range places {
		if p.in == "" || slices.Contains(strings.Fields(p.in), format) {
			paths = append(paths, fmt.Sprintf("%v %s", p.mode, p.to))
			if p.config {
				configs = append(configs, p.to)
			}
		}
	}
	slices.Sort(paths)
	slices.Sort(configs)
	return paths, configs
}

// entry is a file of an archive.
type entry struct {
	mode fs.FileMode
	data []byte
}

// unpack reads a tar file that is packed with gzip, in however many parts.
func unpack(t *testing.T, packed io.Reader) map[string]entry {
	t.Helper()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]entry{}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 {
			t.Errorf("%s belongs to %d:%d", h.Name, h.Uid, h.Gid)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeDir {
			all["/"+strings.TrimPrefix(h.Name, "./")] = entry{h.FileInfo().Mode(), data}
		}
	}
}

// pathsOf are the files of an archive as promised has them, those of the package manager aside.
func pathsOf(all map[string]entry) (paths []string) {
	for name, e := range all {
		if !strings.HasPrefix(name, "/.") {
			paths = append(paths, fmt.Sprintf("%v %s", e.mode, name))
		}
	}
	slices.Sort(paths)
	return paths
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestDeb lists the package with dpkg.
func TestDeb(t *testing.T) {
	t.Parallel()
	deb := only(t, releaseOf(t), ".deb")
	var got []string
	for line := range strings.Lines(run(t, "dpkg-deb", "-c", deb)) {
		if f := strings.Fields(line); f[0][0] != 'd' {
			if f[1] != "root/root" {
				t.Errorf("not of root: %s", line)
			}
			got = append(got, f[0]+" "+strings.TrimPrefix(f[5], "."))
		}
	}
	slices.Sort(got)
	want, configs := promised("deb")
	same(t, "files", got, want)
	same(t, "conffiles", strings.Fields(run(t, "dpkg-deb", "-I", deb, "conffiles")), configs)
}

// TestRPM lists the package with rpm, and looks for its scripts.
func TestRPM(t *testing.T) {
	t.Parallel()
	rpm := only(t, releaseOf(t), ".rpm")
	var got []string
	for line := range strings.Lines(run(t, "rpm", "-qp", "--nosignature", "--qf", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES}\n]", rpm)) {
		f := strings.Fields(line)
		if f[1] != "root" {
			t.Errorf("not of root: %s", line)
		}
		got = append(got, f[0]+" "+f[2])
	}
	slices.Sort(got)
	want, configs := promised("rpm")
	same(t, "files", got, want)
	kept := strings.Fields(run(t, "rpm", "-qp", "--nosignature", "--configfiles", rpm))
	slices.Sort(kept)
	same(t, "configuration", kept, configs)
	text := run(t, "rpm", "-qp", "--nosignature", "--scripts", rpm)
	for _, name := range []string{"rpm.preinstall", "rpm.postinstall", "rpm.preremove", "rpm.postremove"} {
		script, err := os.ReadFile(filepath.Join("scripts", name))
		if err != nil {
			t.Fatal(err)
		}
		if _, body, _ := strings.Cut(string(script), "\n"); !strings.Contains(text, strings.TrimSpace(body)) {
			t.Errorf("%s is not in\n%s", name, text)
		}
	}
}

// TestAPK lists the packages of Alpine and of OpenWrt since 25.12.
func TestAPK(t *testing.T) {
	t.Parallel()
	r := releaseOf(t)
	for suffix, format := range map[string]string{"-r1_*.apk": "apk", "_openwrt_*.apk": "openwrt"} {
		f, err := os.Open(only(t, r, suffix))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		all := unpack(t, f)
		want, _ := promised(format)
		same(t, format, pathsOf(all), want)
		if info := string(all["/.PKGINFO"].data); !strings.Contains(info, "pkgname = nonudify\n") || !strings.Contains(info, "pkgver = "+r.version+"-r1\n") {
			t.Errorf("%s", info)
		}
		lint(t, all, "/.pre-install", "/.post-install", "/.pre-deinstall", "/etc/init.d/nonudify", "/usr/lib/nonudify/before-start")
	}
}

// TestIPK unpacks the package of OpenWrt before 25.12, and has its scripts linted.
func TestIPK(t *testing.T) {
	t.Parallel()
	f, err := os.Open(only(t, releaseOf(t), ".ipk"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	parts := unpack(t, f)
	if string(parts["/debian-binary"].data) != "2.0\n" {
		t.Errorf("debian-binary %q", parts["/debian-binary"].data)
	}
	data, control := unpack(t, bytes.NewReader(parts["/data.tar.gz"].data)), unpack(t, bytes.NewReader(parts["/control.tar.gz"].data))
	want, configs := promised("ipk")
	same(t, "files", pathsOf(data), want)
	same(t, "conffiles", strings.Fields(string(control["/conffiles"].data)), configs)
	if !bytes.Contains(control["/control"].data, []byte("\nArchitecture: all\n")) && !bytes.HasPrefix(control["/control"].data, []byte("Architecture: all\n")) {
		t.Errorf("%s", control["/control"].data)
	}
	lint(t, control, "/preinst", "/postinst", "/prerm")
	lint(t, data, "/etc/init.d/nonudify", "/usr/lib/nonudify/before-start")
}

// lint has shellcheck look at files of an archive.
func lint(t *testing.T, all map[string]entry, names ...string) {
	t.Helper()
	installed(t, "shellcheck")
	for _, name := range names {
		e, ok := all[name]
		if !ok || e.mode&0o111 == 0 {
			t.Errorf("%s is not there, or cannot be run", name)
			continue
		}
		cmd := exec.CommandContext(t.Context(), "shellcheck", "-s", "sh", "-")
		cmd.Stdin = bytes.NewReader(e.data)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestScripts has shellcheck look at all that a package manager runs.
func TestScripts(t *testing.T) {
	t.Parallel()
	found, err := filepath.Glob("scripts/*")
	if err != nil || len(found) == 0 {
		t.Fatal(found, err)
	}
	run(t, "shellcheck", append([]string{"-s", "sh", "files/before-start", "files/nonudify.openrc", "files/nonudify.procd"}, found...)...)
}

// TestOpenWrtProcessor has a router refuse the package for another processor.
func TestOpenWrtProcessor(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("scripts/openwrt.preinstall")
	if err != nil {
		t.Fatal(err)
	}
	for router, goarch := range map[string]string{
		"x86_64": "amd64", "aarch64_cortex-a53": "arm64", "arm_cortex-a7_neon-vfpv4": "arm", "arm_cortex-a9_vfpv3-d16": "arm", "arm_cortex-a9": "",
		"arm_arm926ej-s": "", "mipsel_24kc": "mipsle", "mipsel_74kc": "mipsle", "mips_24kc": "", "riscv64_generic": "riscv64", "riscv64_riscv64": "riscv64", "": "",
	} {
		release := filepath.Join(t.TempDir(), "openwrt_release")
		if err := os.WriteFile(release, fmt.Appendf(nil, "DISTRIB_ARCH='%s'\n", router), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, a := range architectures {
			script := strings.NewReplacer("@CPU@", a.openwrt, "/etc/openwrt_release", release).Replace(string(text))
			out, err := exec.CommandContext(t.Context(), "sh", "-c", script).CombinedOutput()
			if (err == nil) != (a.goarch == goarch) {
				t.Errorf("%s on %s: %v\n%s", a.goarch, router, err, out)
			}
			if err != nil && !strings.Contains(string(out), "take the package for that") {
				t.Errorf("%s on %s: %s", a.goarch, router, out)
			}
		}
	}
}

// TestVersionOf orders commits behind their tag, and refuses tags of another kind.
func TestVersionOf(t *testing.T) {
	t.Parallel()
	for described, want := range map[string]string{
		"v1.2.3-0-gabcdef0": "1.2.3", "v1.2.3-45-gabcdef0": "1.2.3.45", "v0.0.0-240-": "0.0.0.240", "v1.2.3-rc1-4-gabcdef0": "", "v1.2.3": "",
	} {
		if got, err := versionOf(described); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", described, got, err, want)
		}
	}
}

// TestWrongUse names what is wrong, and removes nothing.
func TestWrongUse(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	if err := os.WriteFile(filepath.Join(out, "mine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		r     release
		names []string
		want  string
	}{
		{release{root: "../..", out: out}, nil, "no architecture"},
		{release{root: "../..", out: out}, []string{"amd64", "vax"}, `"vax"`},
		{release{root: out, out: out}, []string{"amd64"}, "git"},
	} {
		if err := test.r.make(test.names); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v", test.names, err)
		}
	}
	if _, err := os.Stat(filepath.Join(out, "mine")); err != nil {
		t.Error(err)
	}
}

// TestManual has man format every page without a warning, and every verb be in the one
// of the tool.
func TestManual(t *testing.T) {
	t.Parallel()
	r := releaseOf(t)
	dir := t.TempDir()
	run(t, "dpkg-deb", "-x", only(t, r, ".deb"), dir)
	installed(t, "man")
	for _, page := range []string{"man1/nonudify.1", "man5/nonudify-corefile.5", "man8/nonudify-resolver.8"} {
		cmd := exec.CommandContext(t.Context(), "man", "--warnings=w", "-l", filepath.Join(dir, "usr/share/man", page+".gz"))
		cmd.Env = append(os.Environ(), "MANWIDTH=200", "LC_ALL=C.UTF-8")
		var warnings strings.Builder
		cmd.Stderr = &warnings
		text, err := cmd.Output()
		if err != nil || warnings.Len() > 0 {
			t.Errorf("%s: %v\n%s", page, err, &warnings)
		}
		if name := strings.TrimSuffix(filepath.Base(page), filepath.Ext(page)); !bytes.Contains(text, []byte("\n       "+name+" - ")) {
			t.Errorf("%s does not begin with its name", page)
		}
		for _, heading := range []string{"NAME", "DESCRIPTION", "SEE ALSO"} {
			if !regexp.MustCompile(`(?m)^` + heading + `$`).Match(text) {
				t.Errorf("%s has no heading %s", page, heading)
			}
		}
		if page == "man1/nonudify.1" {
			help, err := r.ask("help")
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range verbLine.FindAllSubmatch(help, -1) {
				if verb := string(m[1]); verb != "help" && verb != "version" && !bytes.Contains(text, []byte("usage: nonudify "+verb+" ")) {
					t.Errorf("%s has no %s", page, verb)
				}
			}
		}
	}
}

// TestBill has the bill of materials name the modules that the programs were built with.
func TestBill(t *testing.T) {
	t.Parallel()
	f, err := os.Open(only(t, releaseOf(t), ".cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(f, cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	for _, module := range []string{"github.com/coredns/coredns", "github.com/bits-and-blooms/bloom/v3", "github.com/miekg/dns"} {
		version := strings.Fields(run(t, "go", "list", "-C", "../..", "-m", module))[1]
		want := "pkg:golang/" + module + "@" + version
		if !slices.ContainsFunc(*bom.Components, func(c cdx.Component) bool { return c.PackageURL == want }) {
			t.Errorf("no %s among %d components", want, len(*bom.Components))
		}
	}
	std := "pkg:golang/std@" + strings.TrimPrefix(runtime.Version(), "go")
	if !slices.ContainsFunc(*bom.Components, func(c cdx.Component) bool { return c.PackageURL == std }) {
		t.Errorf("no %s", std)
	}
	refs := map[string]bool{}
	for _, c := range *bom.Components {
		if refs[c.BOMRef] {
			t.Errorf("%s twice", c.BOMRef)
		}
		refs[c.BOMRef] = true
	}
	for _, d := range *bom.Dependencies {
		for _, ref := range *d.Dependencies {
			if !refs[ref] {
				t.Errorf("%s needs %s, which is no component", d.Ref, ref)
			}
		}
	}
}

// TestSums has the file of sums be right about every package.
func TestSums(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "sha256sum", "-c", "--strict", "SHA256SUMS")
	cmd.Dir = releaseOf(t).out
	out, err := cmd.CombinedOutput()
	files, _ := filepath.Glob(filepath.Join(cmd.Dir, "*"))
	if err != nil || strings.Count(string(out), ": OK\n") != len(files)-1 {
		t.Errorf("%v, %d files\n%s", err, len(files), out)
	}
}

// TestSignature signs the sums as "make packages SIGN=KEY" does, and has the tool and
// minisign find a package that has been changed since.
func TestSignature(t *testing.T) {
	t.Parallel()
	r := releaseOf(t)
	dir := t.TempDir()
	made, err := filepath.Glob(filepath.Join(r.out, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range made {
		if err := os.Symlink(absolute(t, file), filepath.Join(dir, filepath.Base(file))); err != nil {
			t.Fatal(err)
		}
	}
	key := filepath.Join(t.TempDir(), "packages")
	run(t, r.tool, "keygen", "-nopass", "-o", key)
	run(t, "make", "-C", r.root, "signature", "SIGN="+key+".key", "PACKAGES="+dir, "BIN="+absolute(t, filepath.Dir(r.tool)))
	sums := filepath.Join(dir, "SHA256SUMS")
	run(t, "minisign", "-Vm", sums, "-p", key+".pub")
	if out := run(t, r.tool, "verify", "-key", key+".pub", sums); strings.Count(out, "\n    same ") != len(made)-1 {
		t.Errorf("%d files\n%s", len(made), out)
	}
	deb := filepath.Join(dir, filepath.Base(only(t, r, ".deb")))
	if err := os.Remove(deb); err != nil {
		t.Fatal(err)
	}
	put(t, deb, "another package")
	out, err := exec.CommandContext(t.Context(), r.tool, "verify", "-key", key+".pub", sums).CombinedOutput()
	if err == nil || !strings.Contains(string(out), filepath.Base(deb)+" is another file") {
		t.Errorf("a changed package: %v\n%s", err, out)
	}
	if err := os.Remove(sums); err != nil {
		t.Fatal(err)
	}
	put(t, sums, "0000000000000000000000000000000000000000000000000000000000000000  "+filepath.Base(deb)+"\n")
	out, err = exec.CommandContext(t.Context(), r.tool, "verify", "-key", key+".pub", sums).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "not verified") {
		t.Errorf("changed sums: %v\n%s", err, out)
	}
	installed(t, "minisign")
	if out, err := exec.CommandContext(t.Context(), "minisign", "-Vm", sums, "-p", key+".pub").CombinedOutput(); err == nil {
		t.Errorf("minisign takes changed sums\n%s", out)
	}
}

// absolute is a path that holds from everywhere.
func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
