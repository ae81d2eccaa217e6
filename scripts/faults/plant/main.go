// Command plant shows that the tests see what they are for: into a copy of the
// source it plants one bug after the other, each small and such as somebody
// might write, and runs the tests that must fail.
//
//	go run ./scripts/faults/plant          all of scripts/faults/planted
//	go run ./scripts/faults/plant NAME…    those whose names have one of these in them
//
// It prints which test caught which bug, and how long that took, and exits 1 where
// one was not caught.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"zhucun/scripts/faults/planted"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string) (ok bool, err error) {
	bugs, err := planted.Read("scripts/faults/planted")
	if err != nil {
		return false, err
	}
	if len(bugs) == 0 {
		return false, fmt.Errorf("no bugs in scripts/faults/planted: run it where go.mod is")
	}
	dir, err := os.MkdirTemp("", "zhucun-plant-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	tree, err := planted.Copy(".", dir)
	if err != nil {
		return false, err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	ok = true
	for _, b := range bugs {
		if len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return strings.Contains(b.Name, n) }) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s\n", b.Name)
		r, err := tree.Try(ctx, b)
		by := b.Package + " " + r.Test
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case err != nil:
			ok, by = false, "NOT TRIED"
			fmt.Fprintln(os.Stderr, err)
		case r.Test == "":
			ok, by = false, "NOT CAUGHT"
			fmt.Fprintf(os.Stderr, "%s\n", r.Said)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%.1f s\n", b.Name, b.What, by, r.Took.Round(100*time.Millisecond).Seconds())
	}
	return ok, table.Flush()
}
