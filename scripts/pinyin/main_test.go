package main

import (
	"bytes"
	"os"
	"testing"
)

// The table that the programs have is what the library and the readings here come to, and the
// same every time.
func TestTableIsOfNow(t *testing.T) {
	has, err := os.ReadFile("../../shared/pinyin/readings.bin")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(has, build()) {
		t.Error("shared/pinyin/readings.bin is out of date: go run ./scripts/pinyin")
	}
}
