package syncclient

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// Each row is what feeds the machine, and whether that is its battery.
func TestDischarging(t *testing.T) {
	for _, tt := range []struct {
		name     string
		supplies map[string]string // files of each
		want     bool
	}{
		{"nothing is known", nil, false},
		{"a desktop", map[string]string{"AC": "type=Mains online=1"}, false},
		{"plugged in, full", map[string]string{"AC": "type=Mains online=1", "BAT0": "type=Battery status=Full"}, false},
		{"plugged in, too weak a plug", map[string]string{"AC": "type=Mains online=1", "BAT0": "type=Battery status=Discharging"}, false},
		{"on battery", map[string]string{"AC": "type=Mains online=0", "BAT0": "type=Battery status=Discharging"}, true},
		{"on the second battery", map[string]string{"BAT0": "type=Battery status=Full", "BAT1": "type=Battery status=Discharging"}, true},
		{"fed by USB-C", map[string]string{"ucsi": "type=USB online=1", "BAT0": "type=Battery status=Discharging"}, false},
		{"a mouse", map[string]string{"hid": "type=Battery scope=Device status=Discharging"}, false},
	} {
		dir := t.TempDir()
		for name, files := range tt.supplies {
			for f := range strings.FieldsSeq(files) {
				file, says, _ := strings.Cut(f, "=")
				if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name, file), []byte(says+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := discharging(dir); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if discharging(filepath.Join(t.TempDir(), "none")) {
		t.Error("where nothing is told, it is on battery")
	}
}

// manager is a bus on which NetworkManager says n; 0 is that there is none.
func manager(t *testing.T, n uint32, silent bool) {
	t.Helper()
	bus(t, "DBUS_SYSTEM_BUS_ADDRESS", silent, func(member any, body []any) any {
		if member != "Get" || len(body) != 2 || body[0] != managerName || body[1] != "Metered" {
			t.Errorf("it is asked to %v %v", member, body)
		}
		if n == 0 {
			return nil
		}
		return dbus.MakeVariant(n)
	})
}

// bus is one that the environment names so, where answer answers calls; nil is that
// there is nobody.
func bus(t *testing.T, name string, silent bool, answer func(member any, body []any) any) {
	t.Helper()
	at := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	t.Setenv(name, "unix:path="+at)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go converse(conn, silent, answer)
		}
	}()
}

func converse(conn net.Conn, silent bool, says func(member any, body []any) any) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch line = strings.Trim(line, "\x00\r\n"); {
		case line == "AUTH":
			io.WriteString(conn, "REJECTED EXTERNAL\r\n")
		case strings.HasPrefix(line, "AUTH"):
			io.WriteString(conn, "OK 1234deadbeef\r\n")
		case line == "BEGIN":
			for {
				m, err := dbus.DecodeMessage(r)
				if err != nil || silent {
					io.Copy(io.Discard, r)
					return
				}
				answer := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{dbus.FieldReplySerial: dbus.MakeVariant(m.Serial())}}
				if member := m.Headers[dbus.FieldMember].Value(); member == "Hello" {
					answer.Body = []any{":1.1"}
				} else if said := says(member, m.Body); said != nil {
					answer.Body = []any{said}
				} else {
					answer.Type = dbus.TypeError
					answer.Headers[dbus.FieldErrorName] = dbus.MakeVariant("org.freedesktop.DBus.Error.ServiceUnknown")
				}
				if len(answer.Body) > 0 {
					answer.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(answer.Body...))
				}
				if err := answer.EncodeTo(conn, binary.LittleEndian); err != nil {
					return
				}
			}
		default:
			io.WriteString(conn, "ERROR\r\n")
		}
	}
}

// Each row is what NetworkManager says, and whether the link is paid by the byte.
func TestMetered(t *testing.T) {
	for n, want := range map[uint32]bool{0: false, 1: true, 2: false, 3: true, 4: false} {
		manager(t, n, false)
		if got := metered(t.Context()); got != want {
			t.Errorf("%d: %v", n, got)
		}
	}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	if metered(t.Context()) {
		t.Error("where nobody is asked it is metered")
	}
	// Nobody waits for a bus that says nothing.
	manager(t, 1, true)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if metered(ctx) || time.Since(begun) > 2*time.Second {
		t.Errorf("a silent bus: %v", time.Since(begun))
	}
}
