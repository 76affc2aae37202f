package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// nobody is the user of the image, by number: there is no other.
const nobody = 65532

// image writes an image for some architectures, as a tar file of an OCI image layout:
// nothing but the programs, their configuration and licences, and the certificate
// authorities that lists at https need. It runs as no privileged user.
func (r *release) image(wanted []architecture) error {
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, a := range wanted {
		img, err := r.imageOf(a)
		if err != nil {
			return fmt.Errorf("%s: %w", a.goarch, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: a.goarch, Variant: a.variant},
		}})
	}
	// One name stands for the images of all architectures: what reads the layout takes its own.
	named := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{Add: index, Descriptor: v1.Descriptor{
		Annotations: map[string]string{"org.opencontainers.image.ref.name": "nonudify:" + r.version},
	}})
	if _, err := layout.Write(dir, named); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(r.out, fmt.Sprintf("nonudify_%s_oci.tar", r.version)))
	if err != nil {
		return err
	}
	if err := r.pack(f, dir); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// imageOf is the image for an architecture.
func (r *release) imageOf(a architecture) (v1.Image, error) {
	data, err := r.layer(a)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: r.time}, CreatedBy: "make packages"}})
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.Created, file.OS, file.Architecture, file.Variant = v1.Time{Time: r.time}, "linux", a.goarch, a.variant
	file.Config = r.config()
	return mutate.ConfigFile(img, file)
}

// config is how a container is started, and looked after.
func (r *release) config() v1.Config {
	return v1.Config{
		User:         fmt.Sprintf("%d:%d", nobody, nobody),
		Entrypoint:   []string{"/usr/bin/nonudify-resolver"},
		Cmd:          []string{"-conf", "/etc/nonudify/Corefile"},
		ExposedPorts: map[string]struct{}{"1053/udp": {}, "1053/tcp": {}},
		Volumes:      map[string]struct{}{"/var/lib/nonudify": {}},
		Healthcheck:  &v1.HealthConfig{Test: []string{"CMD", "/usr/bin/healthy"}, Interval: 30 * time.Second, Timeout: 5 * time.Second, Retries: 3},
		Labels: map[string]string{
			"org.opencontainers.image.title": "nonudify", "org.opencontainers.image.version": r.version,
			"org.opencontainers.image.revision": r.commit, "org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
}

// layer is the whole file system of an image.
func (r *release) layer(a architecture) ([]byte, error) {
	licences, err := r.licences(a, "golang.org/x/crypto/x509roots/fallback")
	if err != nil {
		return nil, fmt.Errorf("licences: %w", err)
	}
	var data bytes.Buffer
	w := &layerWriter{Writer: tar.NewWriter(&data), time: r.time}
	for _, dir := range []string{"etc", "etc/nonudify", "etc/ssl", "etc/ssl/certs", "tmp", "usr", "usr/bin", "usr/share", "usr/share/doc", "usr/share/doc/nonudify", "var", "var/lib", "var/lib/nonudify"} {
		w.dir(dir)
	}
	w.file("etc/passwd", 0o644, fmt.Appendf(nil, "nonudify:x:%d:%d::/var/lib/nonudify:/sbin/nologin\n", nobody, nobody))
	w.file("etc/group", 0o644, fmt.Appendf(nil, "nonudify:x:%d:\n", nobody))
	w.file("etc/ssl/certs/ca-certificates.crt", 0o644, authorities())
	w.copy("etc/nonudify/Corefile", 0o644, filepath.Join(r.root, "deploy/packages/files/image.Corefile"))
	w.file("usr/share/doc/nonudify/licenses.txt", 0o644, licences)
	w.copy("usr/bin/nonudify-resolver", 0o755, r.program(a, "coredns"))
	w.copy("usr/bin/nonudify", 0o755, r.program(a, "nonudify"))
	w.copy("usr/bin/healthy", 0o755, r.program(a, "healthy"))
	if w.err != nil {
		return nil, w.err
	}
	err = w.Close()
	return data.Bytes(), err
}

// authorities are those of Mozilla that have no constraints a file could not express.
func authorities() []byte {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})
		}
	}
	return text.Bytes()
}

// layerWriter writes what is always the same, and keeps its first error.
type layerWriter struct {
	*tar.Writer
	time time.Time
	err  error
}

func (w *layerWriter) put(h *tar.Header, data []byte) {
	if w.err != nil {
		return
	}
	h.ModTime, h.Format = w.time, tar.FormatPAX
	if w.err = w.WriteHeader(h); w.err == nil {
		_, w.err = w.Write(data)
	}
}

func (w *layerWriter) dir(name string) {
	h := &tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755}
	switch name {
	case "tmp":
		h.Mode = 0o1777
	case "var/lib/nonudify":
		h.Mode, h.Uid, h.Gid = 0o750, nobody, nobody
	}
	w.put(h, nil)
}

func (w *layerWriter) file(name string, mode int64, data []byte) {
	w.put(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(data))}, data)
}

func (w *layerWriter) copy(name string, mode int64, from string) {
	data, err := os.ReadFile(from)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.file(name, mode, data)
}

// pack writes a directory as a tar file, its files in the order of their names.
func (r *release) pack(to io.Writer, dir string) error {
	w := &layerWriter{Writer: tar.NewWriter(to), time: r.time}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		w.copy(filepath.ToSlash(name), 0o644, path)
		return w.err
	})
	if err != nil {
		return err
	}
	return w.Close()
}
