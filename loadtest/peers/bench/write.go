package main

// Writing the results: plots and document.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// write makes the plots and the section of the document.
func write(ctx context.Context, o options, available []contender, absent []missing, runs []measurement) error {
	images, err := relative(o.out, o.images)
	if err != nil {
		return err
	}
	r := results{
		about: aboutThis(ctx, o), seconds: o.seconds, drain: o.drain.String(), rounds: o.rounds,
		loads: o.rates, available: available, absent: absent, runs: runs, images: images,
	}
	if err := os.MkdirAll(o.images, 0o755); err != nil {
		return err
	}
	for _, p := range r.plots() {
		if err := p.save(filepath.Join(o.images, p.file)); err != nil {
			return fmt.Errorf("%s: %w", p.file, err)
		}
	}
	document, err := os.ReadFile(o.out)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text, err := replaceSection(string(document), r.section())
	if err != nil {
		return fmt.Errorf("%s: %w", o.out, err)
	}
	if err := os.WriteFile(o.out, []byte(text), 0o644); err != nil {
		return err
	}
	fmt.Printf("written: %s, plots in %s\n", o.out, o.images)
	return nil
}

// relative is the path from a document to a folder, as a link has it.
func relative(document, folder string) (string, error) {
	from, err := filepath.Abs(filepath.Dir(document))
	if err != nil {
		return "", err
	}
	to, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	path, err := filepath.Rel(from, to)
	return filepath.ToSlash(path), err
}
