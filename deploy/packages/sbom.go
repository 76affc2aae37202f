package main

import (
	"cmp"
	"debug/buildinfo"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// bill writes the bill of materials of an architecture, in CycloneDX: the modules that
// the linker has noted in the two programs, and the version of Go.
func (r *release) bill(path string, a architecture) error {
	bom := cdx.NewBOM()
	bom.SerialNumber = "" // it would be another one each time
	bom.Metadata = &cdx.Metadata{
		Timestamp: r.time.Format("2006-01-02T15:04:05Z"),
		Component: &cdx.Component{BOMRef: "nonudify", Type: cdx.ComponentTypeApplication, Name: "nonudify", Version: r.version,
			Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}},
	}
	modules := map[string]cdx.Component{}
	var depends []cdx.Dependency
	for _, name := range []string{"coredns", "nonudify"} {
		info, err := buildinfo.ReadFile(r.program(a, name))
		if err != nil {
			return err
		}
		var refs []string
		for _, m := range append(info.Deps, &debug.Module{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}) {
			c := component(m)
			modules[c.BOMRef] = c
			refs = append(refs, c.BOMRef)
		}
		slices.Sort(refs)
		program := cdx.Component{BOMRef: "program:" + name, Type: cdx.ComponentTypeApplication, Name: name, Version: r.version}
		modules[program.BOMRef] = program
		depends = append(depends, cdx.Dependency{Ref: program.BOMRef, Dependencies: &refs})
	}
	var components []cdx.Component
	for _, c := range modules {
		components = append(components, c)
	}
	slices.SortFunc(components, func(a, b cdx.Component) int { return cmp.Compare(a.BOMRef, b.BOMRef) })
	bom.Components, bom.Dependencies = &components, &depends
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := cdx.NewBOMEncoder(f, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// component is a module, or what has taken its place.
func component(m *debug.Module) cdx.Component {
	if m.Replace != nil {
		m = m.Replace
	}
	purl := "pkg:golang/" + m.Path + "@" + m.Version
	return cdx.Component{BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: purl}
}
