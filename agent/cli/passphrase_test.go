package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zhucun/agent/store"
)

// Each row is a command on a laptop that was out of contact for longer than the
// office allows: nothing is shown, and no passphrase opens it, but work goes on.
func TestOutOfContact(t *testing.T) {
	a := laptop(t)
	if _, err := a.store.SetDevice(t.Context(), func(d *store.Device) {
		d.Assigned.OfflineDays, d.LastSync = 30, time.Now().Add(-31*24*time.Hour).UnixMilli()
	}); err != nil {
		t.Fatal(err)
	}
	if err := a.store.Close(); err != nil {
		t.Fatal(err)
	}
	dir, word := a.store.Dir(), filepath.Join(t.TempDir(), "word")
	if err := os.WriteFile(word, []byte("a horse and a cart\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		line string
		code int
		said string
	}{
		{"put visit findings=walked", 0, ""},
		{"list visit", 1, "out of contact with the office for 31 days"},
		{"conflicts", 1, "out of contact"},
		{"passphrase set --file " + word, 1, "out of contact"},
		{"passphrase remove", 1, "out of contact"},
		{"status --json", 0, ""},
	} {
		code, out, said := cmd(t, "", append(strings.Fields(tt.line), "--data", dir)...)
		if code != tt.code || !strings.Contains(said, tt.said) {
			t.Errorf("%s: exit status %d, said %q, printed %q", tt.line, code, said, out)
		}
	}
}
