package vault

import (
	"bytes"
	"testing"
)

// A note that was never changed since it was made takes the place of another vault's
// all the same, which is kept aside.
func TestAdoptOverAnother(t *testing.T) {
	noKeyring(t)
	_, key, dir, settings := made(t, nil)
	other, theirs, _, _ := made(t, nil)
	note, err := other.Note()
	if err != nil {
		t.Fatal(err)
	}
	if aside, err := Adopt(dir, settings, note); err != nil || aside == "" {
		t.Fatal(aside, err)
	}
	v, err := Open(dir, settings)
	if err != nil || !v.Fits(theirs) || v.Fits(key) {
		t.Errorf("%+v, %v", v, err)
	}
	if again, err := other.Note(); err != nil || !bytes.Equal(again, note) {
		t.Errorf("the other folder's changed: %v", err)
	}
}
