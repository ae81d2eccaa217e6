// Command bench measures the two programs as they are shipped, over loopback,
// each figure beside a plain baseline or a bare limit in the same run. Bytes and
// round trips are counted by a proxy between agent and server (badlink), over
// HTTP without TLS, headers included; what the agents report of themselves must
// agree with it.
//
//	scripts/bench/run [--out FILE] [--only NAME,…]
//
// The part "province" takes minutes and some GB of disk, and is measured only by name.
//
// Bytes and ratios can be compared between machines; times cannot, and on a
// machine that does other things too even ratios of times are rough. The exit
// status is 0 when all was measured, whether or not the targets were met, and 1
// when something could not be measured or two counts disagree.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"zhucun/scripts/rig"
)

// part is one thing that is measured.
type part struct {
	name string
	do   func(context.Context, *bench) error
	long bool // takes so long that it must be asked for
}

var parts = []part{
	{"noop", noop, false},
	{"upload", upload, false},
	{"edits", edits, false},
	{"memory", memory, false},
	{"saves", saves, false},
	{"link", link, false},
	{"apart", apart, false},
	{"pages", pages, false},
	{"province", province, true},
	{"find", find, true},
}

// bench is one run.
type bench struct {
	rig     rig.Rig
	self    string // this program, which is the baseline's server too
	results []result
	faults  []string
}

// dir gives a part a rig of its own, in a folder that ends with it.
func (b *bench) dir(name string) (rig.Rig, func(), error) {
	r := b.rig
	r.Dir = filepath.Join(b.rig.Dir, name)
	return r, func() { os.RemoveAll(r.Dir) }, os.Mkdir(r.Dir, 0o700)
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "baseline" {
		if err := baseline(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	bin := flag.String("bin", "bin", "folder of zhucun-server and zhucun-agent")
	out := flag.String("out", "", "also write the results to this file, as JSON")
	only := flag.String("only", "", "measure these parts only, such as noop,memory")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *bin, *out, *only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin, out, only string) (err error) {
	b := &bench{}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "zhucun-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.rig = rig.Rig{Dir: dir, Bin: bin, Lang: "en", Plain: true}
	wanted := strings.FieldsFunc(only, func(r rune) bool { return r == ',' })
	for _, p := range parts {
		if len(wanted) > 0 && !slices.Contains(wanted, p.name) || len(wanted) == 0 && p.long {
			continue
		}
		start := time.Now()
		fmt.Fprintf(os.Stderr, "%s …", p.name)
		if perr := p.do(ctx, b); perr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", p.name, perr))
		}
		fmt.Fprintf(os.Stderr, " %.0f s\n", time.Since(start).Seconds())
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	table(os.Stdout, b.results)
	for _, f := range b.faults {
		err = errors.Join(err, errors.New(f))
	}
	if out != "" {
		raw, jerr := json.MarshalIndent(b.results, "", "\t")
		if jerr == nil {
			jerr = os.WriteFile(out, append(raw, '\n'), 0o666)
		}
		err = errors.Join(err, jerr)
	}
	return err
}
