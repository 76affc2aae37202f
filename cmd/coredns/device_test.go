//go:build unix

package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// devices are the settings that a school gives to the devices it manages.
const devices = "../../deploy/devices"

// TestDeviceProfile: Apple's devices get a property list that a parser of such lists
// takes, with the keys that Apple documents for a profile and for its DNS settings, and
// nothing else (developer.apple.com, Device Management, TopLevel and DNSSettings).
func TestDeviceProfile(t *testing.T) {
	file := filepath.Join(devices, "apple.mobileconfig")
	if out, err := exec.CommandContext(t.Context(), expected(t, "plistutil"), "-i", file, "-o", filepath.Join(t.TempDir(), "binary"), "-f", "bin").CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	profile := propertyList(t, file)
	common := map[string]any{"PayloadType": "", "PayloadVersion": 0, "PayloadIdentifier": "", "PayloadUUID": "", "PayloadDisplayName": ""}
	top := maps.Clone(common)
	maps.Copy(top, map[string]any{"PayloadDescription": "", "PayloadOrganization": "", "PayloadScope": "", "PayloadContent": []any{}})
	keys(t, "the profile", profile, top)
	payloads := profile["PayloadContent"].([]any)
	if len(payloads) != 1 {
		t.Fatalf("%d payloads, want one", len(payloads))
	}
	settings := payloads[0].(map[string]any)
	maps.Copy(common, map[string]any{"DNSSettings": map[string]any{}, "ProhibitDisablement": true})
	keys(t, "the payload", settings, common)
	keys(t, "the DNS settings", settings["DNSSettings"].(map[string]any), map[string]any{"DNSProtocol": "", "ServerURL": "", "ServerAddresses": []any{}})
	for what, d := range map[string]map[string]any{"profile": profile, "payload": settings} {
		if !regexp.MustCompile(`^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$`).MatchString(d["PayloadUUID"].(string)) {
			t.Errorf("the %s has the UUID %v", what, d["PayloadUUID"])
		}
	}
	if profile["PayloadType"] != "Configuration" || settings["PayloadType"] != "com.apple.dnsSettings.managed" || profile["PayloadUUID"] == settings["PayloadUUID"] {
		t.Errorf("got %v", profile)
	}
	if dns := settings["DNSSettings"].(map[string]any); dns["DNSProtocol"] != "HTTPS" || !strings.HasSuffix(dns["ServerURL"].(string), "/dns-query") {
		t.Errorf("got %v", dns)
	}
}

// keys checks that a dictionary has the keys of another one, each with a value of the
// same type.
func keys(t *testing.T, what string, got, want map[string]any) {
	t.Helper()
	for key, value := range got {
		if model, ok := want[key]; !ok || reflect.TypeOf(value) != reflect.TypeOf(model) {
			t.Errorf("%s has %s: %T", what, key, value)
		}
	}
	for key := range want {
		if _, ok := got[key]; !ok {
			t.Errorf("%s lacks %s", what, key)
		}
	}
}

// propertyList reads one in XML.
func propertyList(t *testing.T, file string) map[string]any {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := xml.NewDecoder(f)
	for {
		token, err := d.Token()
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "dict" {
			value, err := propertyValue(d, start)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if _, err := d.Token(); err == io.EOF {
				t.Fatalf("%s: the list does not end", file)
			}
			return value.(map[string]any)
		}
	}
}

// propertyValue reads the value that begins with an element.
func propertyValue(d *xml.Decoder, start xml.StartElement) (any, error) {
	switch start.Name.Local {
	case "true", "false":
		return start.Name.Local == "true", d.Skip()
	case "string", "key":
		var text string
		return text, ownText(d, start, &text)
	case "integer":
		var text string
		if err := ownText(d, start, &text); err != nil {
			return nil, err
		}
		return strconv.Atoi(text)
	case "dict", "array":
		return propertyMembers(d, start.Name.Local == "dict")
	}
	return nil, fmt.Errorf("no value is called %s", start.Name.Local)
}

func ownText(d *xml.Decoder, start xml.StartElement, text *string) error {
	return d.DecodeElement(text, &start)
}

// propertyMembers reads what is in a dictionary or an array.
func propertyMembers(d *xml.Decoder, dictionary bool) (any, error) {
	members, array, key := map[string]any{}, []any{}, ""
	for {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.EndElement:
			if dictionary {
				return members, nil
			}
			return array, nil
		case xml.StartElement:
			value, err := propertyValue(d, token)
			_, again := members[key]
			switch {
			case err != nil:
				return nil, err
			case dictionary && token.Name.Local == "key":
				key = value.(string)
			case dictionary && (key == "" || again):
				return nil, fmt.Errorf("the value %v has no key of its own", value)
			case dictionary:
				members[key], key = value, ""
			default:
				array = append(array, value)
			}
		}
	}
}

// TestDeviceRegistry: the file for Windows sets what the guides say that it sets, and
// the second takes all of that away and nothing else.
func TestDeviceRegistry(t *testing.T) {
	set, undo := registry(t, "windows.reg"), registry(t, "windows-undo.reg")
	const policies = `HKEY_LOCAL_MACHINE\SOFTWARE\Policies\`
	want := map[string]string{
		policies + `Microsoft\Windows NT\DNSClient\DoHPolicy`: "dword:00000001",
		policies + `Google\Chrome\DnsOverHttpsMode`:           `"off"`,
		policies + `Microsoft\Edge\DnsOverHttpsMode`:          `"off"`,
		policies + `Mozilla\Firefox\DNSOverHTTPS\Enabled`:     "dword:00000000",
		policies + `Mozilla\Firefox\DNSOverHTTPS\Locked`:      "dword:00000001",
	}
	if !maps.Equal(set, want) {
		t.Errorf("windows.reg sets %v", set)
	}
	for name := range want {
		if undo[name] != "-" {
			t.Errorf("windows-undo.reg leaves %s", name)
		}
	}
	if len(undo) != len(want) {
		t.Errorf("windows-undo.reg has %v", undo)
	}
}

// registry reads a file of the Registry Editor: its values by key and name.
func registry(t *testing.T, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(devices, name))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\r\n")
	if lines[0] != "Windows Registry Editor Version 5.00" || lines[1] != "" || lines[len(lines)-1] != "" {
		t.Errorf("%s begins with %q and ends with %q", name, lines[:2], lines[len(lines)-1])
	}
	values, key := map[string]string{}, ""
	value := regexp.MustCompile(`^"(\w+)"=("\w+"|dword:[0-9a-f]{8}|-)$`)
	for i, line := range lines[1:] {
		m := value.FindStringSubmatch(line)
		switch {
		case strings.HasPrefix(line, "[HKEY_LOCAL_MACHINE\\") && strings.HasSuffix(line, "]"):
			key = strings.Trim(line, "[]") + `\`
		case m != nil && key != "" && values[key+m[1]] == "":
			values[key+m[1]] = m[2]
		case line != "" && line[0] != ';':
			t.Errorf("%s:%d: %q", name, i+2, line)
		}
	}
	return values
}
