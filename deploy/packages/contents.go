package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/apk" // registers the format
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/ipk"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// place is where a staged file goes.
type place struct {
	from, to string
	mode     fs.FileMode
	config   bool   // the administrator may change it, and keeps the change
	in       string // the formats that have it; all if empty
}

// linux are the formats of whole systems; those of routers have only what runs.
const linux = "deb rpm apk"

var places = []place{
	{from: "coredns", to: "/usr/bin/nonudify-resolver", mode: 0o755},
	{from: "nonudify", to: "/usr/bin/nonudify", mode: 0o755},
	{from: "before-start", to: "/usr/lib/nonudify/before-start", mode: 0o755},
	{from: "Corefile", to: "/etc/nonudify/Corefile", mode: 0o644, config: true, in: linux},
	{from: "openwrt.Corefile", to: "/etc/nonudify/Corefile", mode: 0o644, config: true, in: "ipk openwrt"},
	{from: "allow.txt", to: "/etc/nonudify/allow.txt", mode: 0o644, config: true},
	{from: "block.txt", to: "/etc/nonudify/block.txt", mode: 0o644, config: true},
	{from: "nonudify.service", to: "/usr/lib/systemd/system/nonudify.service", mode: 0o644, in: "deb rpm"},
	{from: "sysusers.conf", to: "/usr/lib/sysusers.d/nonudify.conf", mode: 0o644, in: "rpm"},
	{from: "nonudify.openrc", to: "/etc/init.d/nonudify", mode: 0o755, in: "apk"},
	{from: "nonudify.procd", to: "/etc/init.d/nonudify", mode: 0o755, in: "ipk openwrt"},
	{from: "openwrt.capabilities.json", to: "/etc/capabilities/nonudify.json", mode: 0o644, in: "ipk openwrt"},
	{from: "openwrt.keep", to: "/lib/upgrade/keep.d/nonudify", mode: 0o644, in: "ipk openwrt"},
	{from: "nonudify.1.gz", to: "/usr/share/man/man1/nonudify.1.gz", mode: 0o644, in: linux},
	{from: "nonudify-corefile.5.gz", to: "/usr/share/man/man5/nonudify-corefile.5.gz", mode: 0o644, in: linux},
	{from: "nonudify-resolver.8.gz", to: "/usr/share/man/man8/nonudify-resolver.8.gz", mode: 0o644, in: linux},
	{from: "completion.bash", to: "/usr/share/bash-completion/completions/nonudify", mode: 0o644, in: linux},
	{from: "completion.zsh", to: "/usr/share/zsh/vendor-completions/_nonudify", mode: 0o644, in: "deb"},
	{from: "completion.zsh", to: "/usr/share/zsh/site-functions/_nonudify", mode: 0o644, in: "rpm apk"},
	{from: "completion.fish", to: "/usr/share/fish/vendor_completions.d/nonudify.fish", mode: 0o644, in: linux},
	{from: "copyright", to: "/usr/share/doc/nonudify/copyright", mode: 0o644, in: "deb"},
	{from: "LICENSE", to: "/usr/share/licenses/nonudify/LICENSE", mode: 0o644, in: "rpm apk"},
	{from: "licenses.txt", to: "/usr/share/doc/nonudify/licenses.txt", mode: 0o644, in: "deb"},
	{from: "licenses.txt", to: "/usr/share/licenses/nonudify/licenses.txt", mode: 0o644, in: "rpm apk"},
	{from: "licenses.txt.gz", to: "/usr/share/doc/nonudify/licenses.txt.gz", mode: 0o644, in: "ipk openwrt"},
	{from: "sbom.cdx.json", to: "/usr/share/doc/nonudify/sbom.cdx.json", mode: 0o644, in: linux},
}

// scripts of the formats, by the time when a package manager runs them.
var scripts = map[string]nfpm.Scripts{
	"deb":     {PostInstall: "deb.postinst", PreRemove: "deb.prerm", PostRemove: "deb.postrm"},
	"rpm":     {PreInstall: "rpm.preinstall", PostInstall: "rpm.postinstall", PreRemove: "rpm.preremove", PostRemove: "rpm.postremove"},
	"apk":     {PreInstall: "apk.preinstall", PostInstall: "apk.postinstall", PreRemove: "apk.preremove"},
	"openwrt": {PreInstall: "openwrt.preinstall", PostInstall: "openwrt.postinstall", PreRemove: "openwrt.preremove"},
}

const (
	summary = `DNS resolver that leads nobody to a "nudify" tool`
	details = `Such tools make fake nude pictures of real people, often children, out of
ordinary photos. This resolver, CoreDNS with a plugin, denies the names of
published lists and says why. It logs nobody's queries. A list of 100 names is
built in; the tool "nonudify" checks, fetches, signs and publishes others.`
)

// fill puts all files of the packages for an architecture into a directory.
func (r *release) fill(stage string, a architecture) error {
	for _, dir := range []string{"deploy/packages/files", "deploy/packages/scripts"} {
		if err := os.CopyFS(stage, os.DirFS(filepath.Join(r.root, dir))); err != nil {
			return err
		}
	}
	script := filepath.Join(stage, "openwrt.preinstall")
	text, err := os.ReadFile(script)
	if err != nil {
		return err
	}
	if err := os.WriteFile(script, bytes.ReplaceAll(text, []byte("@CPU@"), []byte(a.openwrt)), 0o755); err != nil {
		return err
	}
	if err := r.manual(stage); err != nil {
		return fmt.Errorf("manual: %w", err)
	}
	if err := r.completions(stage); err != nil {
		return err
	}
	if err := r.bill(filepath.Join(stage, "sbom.cdx.json"), a); err != nil {
		return err
	}
	if err := r.stageLicences(stage, a); err != nil {
		return err
	}
	return r.date(stage)
}

// date has all files be as old as the commit: some formats keep the age of a script.
func (r *release) date(stage string) error {
	return filepath.WalkDir(stage, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, r.time, r.time)
	})
}

// program is the path of a built program.
func (r *release) program(a architecture, name string) string {
	return filepath.Join(r.bin, a.goarch, name)
}

// write makes the package of a format.
func (r *release) write(stage string, a architecture, format string) error {
	packager := format
	if format == "openwrt" { // in OpenWrt since 25.12
		packager = "apk"
	}
	info := nfpm.WithDefaults(r.info(stage, a, format))
	if err := nfpm.PrepareForPackager(info, packager); err != nil {
		return err
	}
	p, err := nfpm.Get(packager)
	if err != nil {
		return err
	}
	name := p.ConventionalFileName(info)
	if router := format == "ipk" || format == "openwrt"; router {
		name = fmt.Sprintf("nonudify_%s_openwrt_%s.%s", r.version, a.goarch, packager)
	}
	f, err := os.Create(filepath.Join(r.out, name))
	if err != nil {
		return err
	}
	if err := p.Package(info, f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// info describes the package of a format.
func (r *release) info(stage string, a architecture, format string) *nfpm.Info {
	info := &nfpm.Info{
		Name: "nonudify", Arch: a.nfpm, Platform: "linux", Version: r.version, VersionSchema: "none", Release: "1",
		Section: "net", Priority: "optional", Maintainer: "The nonudify authors <packages@nonudify.invalid>", Description: summary,
		Homepage: "https://github.com/nonudify/nonudify", License: "Apache-2.0", MTime: r.time, DisableGlobbing: true,
	}
	info.Contents = r.contents(stage, a, format)
	switch format {
	case "deb":
		info.Description += "\n" + details
		info.Depends, info.Recommends = []string{"adduser"}, []string{"ca-certificates"}
	case "rpm":
		info.Depends, info.Recommends = []string{"/usr/sbin/useradd"}, []string{"ca-certificates"}
		info.RPM.BuildHost, info.RPM.Group = "localhost", "System Environment/Daemons"
		info.RPM.Summary, info.Description = summary, details
	case "apk":
		info.Depends = []string{"ca-certificates-bundle"}
		info.APK.Scripts.PostUpgrade = filepath.Join(stage, "apk.postupgrade")
	case "ipk":
		info.Depends, info.IPK.Arch = []string{"ca-bundle"}, "all"
	case "openwrt":
		info.Depends, info.APK.Arch = []string{"ca-bundle"}, "noarch"
	}
	info.Scripts = staged(stage, format)
	return info
}

// source is where a file of the packages is: what is large, and the same in all, is not staged.
func (r *release) source(stage string, a architecture, from string) string {
	switch from {
	case "coredns", "nonudify":
		return r.program(a, from)
	case "LICENSE":
		return filepath.Join(r.root, from)
	}
	return filepath.Join(stage, from)
}

// contents are the files of a format.
func (r *release) contents(stage string, a architecture, format string) files.Contents {
	var all files.Contents
	for _, p := range places {
		if p.in != "" && !slices.Contains(strings.Fields(p.in), format) {
			continue
		}
		kind := files.TypeFile
		switch {
		case p.config:
			kind = files.TypeConfigNoReplace
		case format == "rpm" && strings.HasPrefix(p.to, "/usr/share/licenses/"): // which rpm keeps where it leaves out documents
			kind = files.TypeRPMLicense
		}
		all = append(all, &files.Content{
			Source: r.source(stage, a, p.from), Destination: p.to, Type: kind,
			FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: p.mode},
		})
	}
	return all
}

// staged are the scripts of a format as files.
func staged(stage, format string) nfpm.Scripts {
	if format == "ipk" {
		format = "openwrt"
	}
	s := scripts[format]
	for _, name := range []*string{&s.PreInstall, &s.PostInstall, &s.PreRemove, &s.PostRemove} {
		if *name != "" {
			*name = filepath.Join(stage, *name)
		}
	}
	return s
}
