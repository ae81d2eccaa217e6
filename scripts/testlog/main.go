// Command testlog turns the output of go test -json into what a person wants
// to see: a line a package, the output of the tests that failed and of no
// others, and at the end how many passed and failed. It exits 1 if any failed.
//
//	go test -json ./... | testlog
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	ok, err := summarize(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testlog:", err)
		os.Exit(1)
	}
	if !ok {
		os.Exit(1)
	}
}

// event is one line of go test -json; go doc test2json says what is when set.
type event struct {
	Action, Package, Test, Output string
}

// name is what output is held under: a test, or a package's own.
type name struct{ pkg, test string }

func summarize(in io.Reader, out io.Writer) (ok bool, err error) {
	held := map[name][]string{} // output of tests that are still running
	blamed := map[string]bool{} // packages with a failed test
	passed, failed, skipped := 0, 0, 0
	lines := bufio.NewReader(in)
	for {
		line, readErr := lines.ReadString('\n')
		if readErr != nil && readErr != io.EOF {
			return false, readErr
		}
		var e event
		if line == "" {
			break
		} else if json.Unmarshal([]byte(line), &e) != nil {
			fmt.Fprint(out, line) // not from a test: the go command itself speaks
			continue
		}
		key := name{e.Package, e.Test}
		switch {
		case e.Action == "build-output":
			fmt.Fprint(out, e.Output)
		case e.Action == "output" && e.Test == "":
			// PASS and FAIL stand again, with name and time, on the next line.
			if e.Output != "PASS\n" && e.Output != "FAIL\n" {
				fmt.Fprint(out, e.Output)
			}
		case e.Action == "output":
			if !strings.HasPrefix(e.Output, "=== ") {
				held[key] = append(held[key], e.Output)
			}
		case e.Action == "pass" && e.Test != "":
			passed++
			delete(held, key)
		case e.Action == "skip" && e.Test != "":
			skipped++
			delete(held, key)
		case e.Action == "fail" && e.Test != "":
			failed++
			blamed[e.Package] = true
			fmt.Fprint(out, strings.Join(held[key], ""))
			delete(held, key)
		case e.Action == "fail":
			// It did not build, or ended before its tests did: that is one
			// failure, and what the interrupted tests wrote says why.
			if !blamed[e.Package] {
				failed++
			}
			for k, output := range held {
				if k.pkg == e.Package {
					fmt.Fprint(out, strings.Join(output, ""))
					delete(held, k)
				}
			}
		}
	}
	fmt.Fprintf(out, "%d passed, %d failed", passed, failed)
	if skipped > 0 {
		fmt.Fprintf(out, ", %d skipped", skipped)
	}
	fmt.Fprintln(out)
	return failed == 0, nil
}
