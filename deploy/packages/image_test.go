package main

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// imageOf reads the image back from its layout.
func imageOf(t *testing.T, r *release) v1.Image {
	t.Helper()
	f, err := os.Open(only(t, r, "_oci.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dir := t.TempDir()
	extract(t, f, dir)
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	named := one(t, index)
	if name := named.Annotations["org.opencontainers.image.ref.name"]; name != "nonudify:"+r.version {
		t.Errorf("name %q", name)
	}
	if index, err = index.ImageIndex(named.Digest); err != nil {
		t.Fatal(err)
	}
	d := one(t, index)
	if d.Platform == nil || d.Platform.OS != "linux" || d.Platform.Architecture != runtime.GOARCH {
		t.Errorf("platform %v", d.Platform)
	}
	img, err := index.Image(d.Digest)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// one is the only descriptor of an index.
func one(t *testing.T, index v1.ImageIndex) v1.Descriptor {
	t.Helper()
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("%+v, %v", manifest, err)
	}
	return manifest.Manifests[0]
}

// extract unpacks a tar file. Only root can give files away.
func extract(t *testing.T, from io.Reader, dir string) {
	t.Helper()
	r := tar.NewReader(from)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o755)
		} else {
			var data []byte
			if data, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, data, 0o644)
			}
		}
		if err == nil && os.Getuid() == 0 {
			err = os.Lchown(path, h.Uid, h.Gid)
		}
		if err == nil {
			err = os.Chmod(path, h.FileInfo().Mode())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestImage has an image that is valid, runs as nobody in particular, and has nothing in it that
// could be used for something else.
func TestImage(t *testing.T) {
	t.Parallel()
	r := releaseOf(t)
	img := imageOf(t, r)
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c := file.Config; c.User != "65532:65532" || c.Healthcheck == nil || !slices.Equal(c.Healthcheck.Test, []string{"CMD", "/usr/bin/healthy"}) ||
		!slices.Equal(append(c.Entrypoint, c.Cmd...), []string{"/usr/bin/nonudify-resolver", "-conf", "/etc/nonudify/Corefile"}) {
		t.Errorf("%+v", c)
	}
	if !file.Created.Time.Equal(r.time) || file.OS != "linux" || file.Architecture != runtime.GOARCH || file.Config.Labels["org.opencontainers.image.revision"] != r.commit {
		t.Errorf("%+v", file)
	}
	var names []string
	rootfs := tar.NewReader(mutate.Extract(img))
	for {
		h, err := rootfs.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Mode&0o6000 != 0 {
			t.Errorf("%s has mode %o", h.Name, h.Mode)
		}
		if h.Typeflag == tar.TypeReg {
			names = append(names, h.Name)
		}
	}
	slices.Sort(names)
	same(t, "files", names, []string{"etc/group", "etc/nonudify/Corefile", "etc/passwd", "etc/ssl/certs/ca-certificates.crt",
		"usr/bin/healthy", "usr/bin/nonudify", "usr/bin/nonudify-resolver", "usr/share/doc/nonudify/licenses.txt"})
}

// alone runs an image in a network of its own, as its user, with what a container
// runtime would put into it; then healthy is asked, before and after the resolver ends.
const alone = `
set -eu
ip link set lo up
inside() { chroot --userspec="$USER_OF_IMAGE" "$ROOT" "$@"; }
! inside /usr/bin/healthy || { echo "healthy without a resolver"; exit 1; }
(exec chroot --userspec="$USER_OF_IMAGE" "$ROOT" /usr/bin/nonudify-resolver -conf /etc/nonudify/Corefile) >"$ROOT.log" 2>&1 &
resolver=$!
tries=0
until inside /usr/bin/healthy 2>/dev/null; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] && kill -0 $resolver || { cat "$ROOT.log"; exit 1; }
	sleep 0.1
done
grep -E '^(Uid|CapEff):' /proc/$resolver/status
kill $resolver
wait $resolver
inside /usr/bin/nonudify check www.example.org
`

// TestImageRuns runs it in a namespace and a chroot, as there is no container engine.
func TestImageRuns(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("only root on Linux can run an image without a container engine")
	}
	r := releaseOf(t)
	img := imageOf(t, r)
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "root")
	rootfs := mutate.Extract(img)
	defer rootfs.Close()
	extract(t, rootfs, root)
	if err := os.WriteFile(filepath.Join(root, "etc/resolv.conf"), []byte("nameserver 192.0.2.53\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for dir := root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // a directory of a test is for its user alone
			t.Fatal(err)
		}
	}
	installed(t, "ip")
	cmd := exec.CommandContext(t.Context(), "unshare", "--net", "sh", "-c", alone)
	cmd.Env = append(os.Environ(), "USER_OF_IMAGE="+file.Config.User, "ROOT="+root)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"Uid:\t65532\t65532\t65532\t65532", "CapEff:\t0000000000000000", "www.example.org: not listed"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	t.Logf("It ran in a network namespace and a chroot.\n%s", out)
}
