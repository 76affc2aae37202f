// Command packages makes what people install: packages for Debian, Fedora, Alpine and
// OpenWrt, a container image, and for each architecture a bill of materials. It takes
// programs that are built already, and writes the same bytes whenever it is given the
// same commit. It is a module of its own, so that nobody else needs its libraries.
//
//	packages [-bin DIR] [-tool FILE] [-root DIR] [-o DIR] ARCHITECTURE...
//
// DIR/ARCHITECTURE of -bin holds coredns, nonudify and healthy, as "make packages"
// builds them.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// release is what all packages have in common.
type release struct {
	root    string // of the repository
	bin     string // the programs, by architecture
	tool    string // the list tool, for the machine that this runs on
	out     string
	commit  string
	version string
	time    time.Time // of the commit
}

// architecture is a kind of processor, by the names that others have for it.
type architecture struct {
	goarch  string
	variant string // of the OCI
	nfpm    string
	openwrt string   // a pattern of the shell for DISTRIB_ARCH
	formats []string // keys of formats
}

// Alpine has no packages for mipsle.
var architectures = []architecture{
	{goarch: "amd64", nfpm: "amd64", openwrt: "x86_64", formats: []string{"deb", "rpm", "apk", "ipk", "openwrt"}},
	{goarch: "arm64", variant: "v8", nfpm: "arm64", openwrt: "aarch64_*", formats: []string{"deb", "rpm", "apk", "ipk", "openwrt"}},
	{goarch: "arm", variant: "v7", nfpm: "arm7", openwrt: "arm_cortex-*vfp*|arm_cortex-*neon*", formats: []string{"deb", "rpm", "apk", "ipk", "openwrt"}},
	{goarch: "mipsle", nfpm: "mipsle", openwrt: "mipsel_*", formats: []string{"deb", "rpm", "ipk", "openwrt"}},
	{goarch: "riscv64", nfpm: "riscv64", openwrt: "riscv64*", formats: []string{"deb", "rpm", "apk", "ipk", "openwrt"}},
}

func main() {
	log.SetFlags(0)
	var r release
	flag.StringVar(&r.root, "root", "../..", "the `DIR` of the repository")
	flag.StringVar(&r.bin, "bin", "../../build/linux", "the `DIR` of the programs")
	flag.StringVar(&r.tool, "tool", "../../bin/nonudify", "the list tool, for this machine, in `FILE`")
	flag.StringVar(&r.out, "o", "../../build/packages", "the `DIR` to write to; what is in it goes")
	flag.Parse()
	if err := r.make(flag.Args()); err != nil {
		log.Fatalf("packages: %v", err)
	}
}

// make writes the packages for some architectures.
func (r *release) make(names []string) error {
	wanted, err := wantedOf(names)
	if err != nil {
		return err
	}
	if err := r.describe(); err != nil {
		return err
	}
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	for _, a := range wanted {
		if err := r.packages(a); err != nil {
			return fmt.Errorf("%s: %w", a.goarch, err)
		}
	}
	if err := r.image(wanted); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	return sums(r.out)
}

func wantedOf(names []string) (wanted []architecture, err error) {
	for _, name := range names {
		i := slices.IndexFunc(architectures, func(a architecture) bool { return a.goarch == name })
		if i < 0 {
			return nil, fmt.Errorf("no packages are made for %q", name)
		}
		wanted = append(wanted, architectures[i])
	}
	if len(wanted) == 0 {
		return nil, errors.New("no architecture given")
	}
	return wanted, nil
}

// describe takes version and time from the commit.
func (r *release) describe() (err error) {
	if r.commit, err = r.git("rev-parse", "HEAD"); err != nil {
		return err
	}
	at, err := r.git("log", "-1", "--format=%ct")
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return err
	}
	r.time = time.Unix(seconds, 0).UTC()
	described, err := r.git("describe", "--tags", "--long", "--match", "v[0-9]*")
	if err != nil { // without a tag, every commit counts
		count, err := r.git("rev-list", "--count", "HEAD")
		if err != nil {
			return err
		}
		described = "v0.0.0-" + count + "-g" + r.commit
	}
	r.version, err = versionOf(described)
	return err
}

// versionOf makes "v1.2.3-45-gabcdef", 45 commits after v1.2.3, a version that all package
// managers put in the right order: 1.2.3.45.
func versionOf(described string) (string, error) {
	parts := strings.Split(strings.TrimPrefix(described, "v"), "-")
	if len(parts) != 3 {
		return "", fmt.Errorf("the tag of %q is not of the form v1.2.3", described)
	}
	if parts[1] == "0" {
		return parts[0], nil
	}
	return parts[0] + "." + parts[1], nil
}

// packages writes those of an architecture, and its bill of materials.
func (r *release) packages(a architecture) error {
	stage, err := os.MkdirTemp("", "packages")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	if err := r.fill(stage, a); err != nil {
		return err
	}
	bill, err := os.ReadFile(filepath.Join(stage, "sbom.cdx.json"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.out, fmt.Sprintf("nonudify_%s_%s.cdx.json", r.version, a.goarch)), bill, 0o644); err != nil {
		return err
	}
	for _, format := range a.formats {
		if err := r.write(stage, a, format); err != nil {
			return fmt.Errorf("%s: %w", format, err)
		}
	}
	return nil
}
