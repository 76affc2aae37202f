package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDeviceBrowser has Chromium take the policies for browsers as a managed device has
// them: each is mandatory and without a fault, as the browser itself says, and does
// what it is for.
func TestDeviceBrowser(t *testing.T) {
	if os.Getenv(apart) == "" {
		policies(t)
		t.Parallel()
		rerunApart(t)
		return
	}
	settle(t)
	if err := unix.Mount("tmpfs", policies(t), "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	serveSite(t)
	for _, name := range []string{"chrome.json", "chrome-encrypted.json"} {
		t.Run(name, func(t *testing.T) {
			want := givePolicy(t, name)
			b := newBrowser(t, "chrome://policy", true)
			b.open(t, "/")
			for policy, value := range want {
				got := eval[policySeen](t, b, strings.ReplaceAll(seePolicy, "NAME", policy))
				if got.Value != value || got.Level != "Mandatory" || got.Status != "OK" {
					t.Errorf("%s: the browser has %+v, want %q", policy, got, value)
				}
			}
		})
	}
}

// policySeen is what the browser's own page says of a policy.
type policySeen struct{ Value, Level, Status string }

// seePolicy finds a policy in that page.
const seePolicy = `(() => {
	const all = root => [...root.querySelectorAll("*")].flatMap(e => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])]);
	const row = all(document).find(e => e.localName === "policy-row" && e.shadowRoot.querySelector(".name").innerText.trim() === "NAME");
	const text = part => row ? row.shadowRoot.querySelector(part).innerText.trim() : "";
	return {Value: text(".value"), Level: text(".level"), Status: text(".messages")};
})()`

// givePolicy puts a file of policies where the browser takes them from, and returns
// what is in it.
func givePolicy(t *testing.T, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(devices, name))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(policies(t), "policies", "managed")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "policy.json"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	return want
}
