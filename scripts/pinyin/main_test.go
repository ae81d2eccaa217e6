package main

import (
	"bytes"
	"os"
	"testing"
)

// The table that the agent has is what the library and the readings here come to, and the
// same every time.
func TestTableIsOfNow(t *testing.T) {
	has, err := os.ReadFile("../../agent/finder/readings.bin")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(has, build()) {
		t.Error("agent/finder/readings.bin is out of date: go run ./scripts/pinyin")
	}
}
