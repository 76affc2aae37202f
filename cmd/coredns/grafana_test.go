//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDashboardTypes has TypeScript hold the dashboard against Grafana's own types, which
// know what a panel of each kind must have and may have. It finds what is wrong in others.
func TestDashboardTypes(t *testing.T) {
	t.Parallel()
	node := installed(t, "node")
	text, err := os.ReadFile(observe + "dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	boards := []string{string(text)}
	wrong := []struct{ old, new, want string }{
		{`"graphTooltip": 1`, `"graphTooltip": 7`, "'7'"},
		{`"drawStyle": "line"`, `"drawStyle": "curve"`, `'"curve"'`},
		{`"showLegend": true`, `"showLegends": true`, `'"showLegends"'`},
		{`"type": "timeseries"`, `"type": "time"`, `'"time"'`},
		{`"expr": `, `"query": `, `'"query"'`},
	}
	for _, w := range wrong {
		changed := strings.Replace(string(text), w.old, w.new, 1)
		if changed == string(text) {
			t.Errorf("the dashboard has no %s", w.old)
		}
		boards = append(boards, changed)
	}
	found := typeErrors(t, node, boards)
	if found[0] != "" {
		t.Error(found[0])
	}
	for i, w := range wrong {
		if !strings.Contains(found[i+1], w.want) {
			t.Errorf("with %s: %s", w.new, found[i+1])
		}
	}
}

// typeErrors returns what TypeScript finds in each of some dashboards, nothing if it is well.
func typeErrors(t *testing.T, node string, boards []string) []string {
	t.Helper()
	types, err := os.ReadFile("../../testdata/browser/dashboard.ts")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := filepath.Abs(tool(t, "@grafana/schema/dist/types"))
	if err != nil {
		t.Fatal(err)
	}
	compiler, err := filepath.Abs(tool(t, "typescript/bin/tsc"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var files []string
	for i, board := range boards {
		files = append(files, fmt.Sprintf("%d.ts", i))
		putFile(t, filepath.Join(dir, files[i]), append(slices.Clone(types), board...))
	}
	settings, err := json.Marshal(map[string]any{"files": files, "compilerOptions": map[string]any{
		"strict": true, "noEmit": true, "skipLibCheck": true, "module": "esnext", "moduleResolution": "bundler", "types": []string{},
		"paths": map[string][]string{"@grafana/schema": {schema + "/index.d.ts"}, "@grafana/schema/raw/*": {schema + "/raw/*"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	putFile(t, filepath.Join(dir, "tsconfig.json"), settings)
	cmd := exec.CommandContext(t.Context(), node, compiler, "-p", ".")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil && len(boards) > 1 {
		t.Error("nothing is wrong in any of them")
	}
	found := make([]string, len(boards))
	current := -1
	for line := range strings.Lines(string(out)) {
		file, _, located := strings.Cut(line, "(")
		if located && slices.Contains(files, file) {
			current = slices.Index(files, file)
		}
		if current < 0 {
			t.Fatalf("%v\n%s", err, out)
		}
		found[current] += line
	}
	return found
}
