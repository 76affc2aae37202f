package authority

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const guide = "../../../docs/managed-ca.md"

// commands returns what stands in the blocks of shell commands of the guide.
func commands(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, part := range strings.Split(string(text), "\n```sh\n")[1:] {
		block, _, ok := strings.Cut(part, "\n```\n")
		if !ok {
			t.Fatalf("A block of %s does not end", guide)
		}
		blocks = append(blocks, block)
	}
	return blocks
}

// TestGuide does what the guide says and starts with the result.
func TestGuide(t *testing.T) {
	for _, tool := range []string{"openssl", "sh"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("The commands of the guide are not run: %v", err)
		}
	}
	blocks := commands(t)
	if len(blocks) != 4 {
		t.Fatalf("%d blocks of commands in %s, want 4", len(blocks), guide)
	}
	dir := t.TempDir()
	for _, block := range blocks {
		cmd := exec.CommandContext(t.Context(), "sh", "-eux", "-c", block)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "ROOT_PASSPHRASE=four words and more")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
	}
	root := readRoot(t, filepath.Join(dir, "root.pem"))
	for chain, names := range map[string]map[string]error{
		"page.pem":  {"badsite.example": nil, "www.bank.example": ErrExcluded, "unlisted.example": ErrListed},
		"short.pem": {"badsite.example": nil, "www.worsesite.example": nil, "other.example": ErrExcluded},
	} {
		a := load(t, Config{
			Certificate: filepath.Join(dir, chain), Key: filepath.Join(dir, "page.key"),
			Listed: func(name string) bool { return name != "unlisted.example" },
		})
		for name, want := range names {
			cert, err := get(a, name)
			if err != want {
				t.Errorf("%s: %s: %v, want %v", chain, name, err, want)
			}
			if err == nil {
				accept(t, root, cert, name, a.now())
			}
		}
	}
	key, err := os.ReadFile(filepath.Join(dir, "root.key"))
	if err != nil || !strings.Contains(string(key), "ENCRYPTED PRIVATE KEY") {
		t.Errorf("The key of the root is not encrypted: %v", err)
	}
}

func readRoot(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatalf("%s is not PEM", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
