//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v2"

	"github.com/nonudify/nonudify/plugin/source/sourcetest"
)

// actions is what a workflow of GitHub Actions may hold, as far as ours does.
type actions struct {
	Name        string
	On          actionsOn
	Permissions map[string]string
	Concurrency struct {
		Group  string
		Cancel bool `yaml:"cancel-in-progress"`
	}
	Env  map[string]string
	Jobs map[string]struct {
		RunsOn      string `yaml:"runs-on"`
		Timeout     int    `yaml:"timeout-minutes"`
		Environment string
		Permissions map[string]string
		Steps       []actionsStep
	}
}

type actionsOn struct {
	Push     struct{ Branches, Paths []string }
	Schedule []struct{ Cron string }
	Dispatch struct{} `yaml:"workflow_dispatch"`
}

type actionsStep struct {
	Name, Uses, Run string
	With            struct {
		Go    string `yaml:"go-version"`
		Cache bool
	}
	Env map[string]string
}

// gitlab is what a pipeline of GitLab may hold, as far as ours does.
type gitlab struct {
	Variables map[string]string
	Pages     struct {
		Stage, Image, Timeout string
		Group                 string `yaml:"resource_group"`
		Interruptible         bool
		Rules                 []struct{ If string }
		Before                []string `yaml:"before_script"`
		Script                []string
		Artifacts             struct{ Paths []string }
	}
}

// toolModule is what the examples install.
const toolModule = "go install github.com/nonudify/nonudify/cmd/nonudify@latest"

// readExample reads one of the examples, which must hold nothing that is not known.
func readExample(t *testing.T, name string, to any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deploy/publish", name))
	if err == nil {
		err = yaml.UnmarshalStrict(text, to)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// runner is where the commands of a pipeline run.
type runner struct {
	t    *testing.T
	home string
	env  []string
}

// newRunner has the tool be the one that is tested, and today stay today.
func newRunner(t *testing.T) *runner {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skipf("git is not installed: %v", err)
	}
	path, err := plainTool()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	today := fmt.Sprintf("#!/bin/sh\n[ \"$*\" = '-u +%%F' ] && echo %s\n", time.Now().UTC().Format(time.DateOnly))
	if err := os.WriteFile(filepath.Join(home, "date"), []byte(today), 0o755); err != nil {
		t.Fatal(err)
	}
	return &runner{t, home, append(os.Environ(), "PATH="+home+":"+filepath.Dir(path)+":"+os.Getenv("PATH"), "HOME="+home, "RUNNER_TEMP="+home,
		"GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull, "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@lists.example",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@lists.example", "GIT_TERMINAL_PROMPT=0")}
}

// sh runs commands in a directory as both systems do, and returns what they write.
func (r *runner) sh(dir, script string, env ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "sh", "-e", "-c", script)
	cmd.Dir, cmd.Env = dir, append(slices.Clip(r.env), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s\n%v: %s", script, err, out)
	}
	return string(out)
}

// source is the source of the list in the examples, of n names.
func (r *runner) source(dir string, n int) {
	r.t.Helper()
	text := []byte("# List-ID: nudify.lists.example\n# Appeals: mailto:appeals@lists.example\n")
	for i := range n {
		text = fmt.Appendf(text, "x%d.example # sources=press,court category=nudify confidence=high\n", i)
	}
	if err := os.WriteFile(filepath.Join(dir, "list.txt"), text, 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// environ returns variables as a program has them.
func environ(vars map[string]string) (env []string) {
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	return env
}

// TestGitHubActions plays the workflow in a repository: for the first edition, for one
// with another name, and for one in which nothing is new.
func TestGitHubActions(t *testing.T) {
	var w actions
	readExample(t, "github-actions.yml", &w)
	job := w.Jobs["publish"]
	if len(w.Jobs) != 1 || w.Permissions == nil || len(w.Permissions) != 0 || job.Permissions["contents"] != "write" || w.Concurrency.Cancel || len(w.On.Schedule) != 1 {
		t.Fatalf("got %+v", w)
	}
	r := newRunner(t)
	work := t.TempDir()
	r.sh(work, "git init -q --bare -b main origin; git clone -q origin repo; cd repo; git switch -qc main; nonudify keygen -nopass -o ../lists")
	for round, want := range []struct{ names, editions int }{{3, 1}, {4, 2}, {4, 2}} {
		r.source(filepath.Join(work, "repo"), want.names)
		r.sh(filepath.Join(work, "repo"), "git add list.txt; git commit -q --allow-empty -m Edit; git push -q origin main")
		clone := fmt.Sprint("run", round)
		r.sh(work, "git clone -q -b main --depth=1 file://$PWD/origin "+clone)
		installs := 0
		for _, step := range job.Steps {
			if strings.HasPrefix(step.Run, "go install ") {
				installs++
				step.Run = strings.TrimPrefix(step.Run, toolModule)
			}
			env := append(environ(w.Env), "NUDIFY_KEY="+r.sh(work, "cat lists.key"))
			r.sh(filepath.Join(work, clone), step.Run, env...)
		}
		pages := filepath.Join(work, fmt.Sprint("pages", round))
		r.sh(work, "git clone -q -b pages origin "+pages+"; rm "+pages+"/.nojekyll")
		if n := strings.Count(r.sh(pages, "git log --format=%h"), "\n"); n != want.editions || installs != 1 {
			t.Errorf("round %d: %d commits, want %d; the tool is installed %d times", round, n, want.editions, installs)
		}
		r.sh(pages, fmt.Sprintf("rm -rf .git; grep -q '^# Entries: %d$' nudify.txt; grep -q '^# Serial: .*0%d$' nudify.txt", want.names, want.editions))
		if err := whole(pages, filepath.Join(work, "lists.pub")); err != nil {
			t.Error(err)
		}
	}
	if left := r.sh(r.home, "ls"); left != "date\n" {
		t.Errorf("the key is left behind: %s", left)
	}
}

// TestGitLab plays the pipeline, with a web server in the place of GitLab Pages. A
// second edition needs the first one: without it there is none.
func TestGitLab(t *testing.T) {
	var w gitlab
	readExample(t, "gitlab-ci.yml", &w)
	if !slices.Equal(w.Pages.Before, []string{toolModule}) || !slices.Equal(w.Pages.Artifacts.Paths, []string{"public"}) || w.Pages.Group == "" || w.Pages.Interruptible {
		t.Fatalf("got %+v", w)
	}
	r := newRunner(t)
	web := sourcetest.New(t)
	work := t.TempDir()
	r.sh(work, "nonudify keygen -nopass -o lists")
	script := strings.Join(w.Pages.Script, "\n")
	env := append(environ(w.Variables), "LIST_URL="+web.Plain("/nudify"), "NUDIFY_KEY="+filepath.Join(work, "lists.key"))
	for round, first := range []string{"yes", "", ""} {
		r.source(work, 3+round)
		out := r.sh(work, script, append(env, "FIRST_EDITION="+first)...)
		public := filepath.Join(work, "public")
		if err := whole(public, filepath.Join(work, "lists.pub")); err != nil {
			t.Error(err)
		}
		if round > 0 && !strings.Contains(out, "1 name was added.") || !strings.Contains(out, fmt.Sprintf("0%d is published", round+1)) {
			t.Errorf("round %d: %s", round, out)
		}
		for name, text := range contents(t, public) {
			web.Set("/nudify/"+name, sourcetest.Text(text))
		}
		r.sh(work, "rm -r public; rm -f previous.*")
	}
	web.Set("/nudify/nudify.txt", sourcetest.Reply{Status: 503})
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", script)
	cmd.Dir, cmd.Env = work, append(slices.Clip(r.env), env...)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "503") {
		t.Errorf("without the edition before: %v: %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(work, "public")); err == nil {
		t.Error("there is an edition without the one before")
	}
}
