// Command gen writes a set of made-up household-visit data as JSON lines:
//
//	go run ./scripts/dataset/gen --seed 1 --out DIR
//
// DIR gets record-villages.jsonl, records.jsonl and changes.jsonl. Package
// dataset says what is in them.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"zhucun/scripts/dataset"
)

func main() {
	var o dataset.Options
	out := flag.String("out", "", "folder for the files; made if missing")
	flag.Uint64Var(&o.Seed, "seed", 1, "another seed, other data")
	flag.IntVar(&o.Villages, "villages", 6, "how many villages")
	flag.IntVar(&o.Households, "households", 2000, "how many households, over all villages")
	flag.IntVar(&o.Visits, "visits", 20000, "how many visits")
	flag.IntVar(&o.Changes, "changes", 5000, "how many changes to draw; three quarters of them touch a field")
	flag.IntVar(&o.Devices, "devices", 8, "how many devices make the changes")
	flag.Parse()
	if *out == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	for _, n := range []*int{&o.Villages, &o.Households, &o.Visits, &o.Changes, &o.Devices} {
		if *n == 0 {
			*n = -1 // none, where Options would take 0 for the default
		}
	}
	start := time.Now()
	n, err := dataset.WriteFiles(*out, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%s: %d villages, %d records, %d changes in %s\n", *out, n.Villages, n.Records, n.Changes, time.Since(start).Round(time.Millisecond))
}
