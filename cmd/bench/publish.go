package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/nonudify/nonudify/cmd/bench/internal/report"
)

// publish prints the report, and puts it where it was asked for.
func (o *options) publish(e env, r *report.Report) error {
	var tables bytes.Buffer
	if err := r.Markdown(&tables); err != nil {
		return err
	}
	if o.markdown != "" {
		document, err := os.ReadFile(o.markdown)
		if err != nil {
			return err
		}
		if document, err = report.Insert(document, tables.Bytes()); err != nil {
			return fmt.Errorf("%s: %w", o.markdown, err)
		}
		if err := replace(o.markdown, document); err != nil {
			return err
		}
	}
	if o.svg != "" {
		var plot bytes.Buffer
		if err := r.SVG(&plot, o.plot); err != nil {
			return err
		}
		if err := replace(o.svg, plot.Bytes()); err != nil {
			return err
		}
	}
	if !o.json {
		_, err := e.stdout.Write(tables.Bytes())
		return err
	}
	to := json.NewEncoder(e.stdout)
	to.SetIndent("", "  ")
	return to.Encode(r)
}

// replace writes a file under another name and renames it, so that nothing half-written
// is left.
func replace(path string, text []byte) error {
	next := path + ".new"
	if err := os.WriteFile(next, text, 0o644); err != nil {
		return err
	}
	if err := os.Rename(next, path); err != nil {
		os.Remove(next)
		return err
	}
	return nil
}
