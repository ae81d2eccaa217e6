package main

import (
	"strings"
	"testing"
)

// Each row is what go test -json wrote, shortened, and what is left of it.
func TestSummarize(t *testing.T) {
	tests := []struct {
		name string
		in   []string
		want string
		ok   bool
	}{
		{"passing tests say nothing", []string{
			`{"Action":"run","Package":"p","Test":"TestA"}`,
			`{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}`,
			`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: seed 7\n"}`,
			`{"Action":"pass","Package":"p","Test":"TestA"}`,
			`{"Action":"output","Package":"p","Output":"PASS\n"}`,
			`{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}`,
			`{"Action":"pass","Package":"p"}`,
		}, "ok  \tp\t0.1s\n1 passed, 0 failed\n", true},
		// Tests run side by side; each keeps its own output together.
		{"a failed one says all", []string{
			`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: one\n"}`,
			`{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:3: other\n"}`,
			`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:4: two\n"}`,
			`{"Action":"fail","Package":"p","Test":"TestA"}`,
			`{"Action":"pass","Package":"p","Test":"TestB"}`,
			`{"Action":"output","Package":"p","Output":"FAIL\n"}`,
			`{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}`,
			`{"Action":"fail","Package":"p"}`,
		}, "    a_test.go:3: one\n    a_test.go:4: two\nFAIL\tp\t0.1s\n1 passed, 1 failed\n", false},
		{"a skipped one is counted apart", []string{
			`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: no\n"}`,
			`{"Action":"skip","Package":"p","Test":"TestA"}`,
			`{"Action":"pass","Package":"p"}`,
		}, "0 passed, 0 failed, 1 skipped\n", true},
		{"does not build", []string{
			`{"ImportPath":"p","Action":"build-output","Output":"p.go:3: undefined: x\n"}`,
			`{"ImportPath":"p","Action":"build-fail"}`,
			`{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}`,
			`{"Action":"fail","Package":"p","FailedBuild":"p"}`,
		}, "p.go:3: undefined: x\nFAIL\tp [build failed]\n0 passed, 1 failed\n", false},
		// What a test wrote before the time was up is the only trace of it.
		{"ended before its tests did", []string{
			`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: waiting\n"}`,
			`{"Action":"fail","Package":"p"}`,
		}, "    a_test.go:3: waiting\n0 passed, 1 failed\n", false},
		{"the go command speaks", []string{"go: downloading x"}, "go: downloading x\n0 passed, 0 failed\n", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			ok, err := summarize(strings.NewReader(strings.Join(tt.in, "\n")+"\n"), &out)
			if err != nil {
				t.Fatal(err)
			}
			if out.String() != tt.want || ok != tt.ok {
				t.Errorf("got %t and\n%s\nwant %t and\n%s", ok, out.String(), tt.ok, tt.want)
			}
		})
	}
}
