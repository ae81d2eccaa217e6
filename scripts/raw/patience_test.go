package raw

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Each row is a request that does not come to its end. The connection does, within
// the limits on time of whoever waits.
func TestUnfinished(t *testing.T) {
	t.Parallel()
	r := newRaw(t)
	before := r.stored()
	const within = 75 * time.Second
	const body = "POST TARGET HTTP/1.1\r\nHost: HERE\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	var rows sync.WaitGroup
	for name, bytes := range map[string]string{
		"nothing":                         "",
		"half a line":                     "GET TAR",
		"a head without its end":          "GET TARGET HTTP/1.1\r\nHost: HERE\r\nX: y\r\n",
		"a body shorter than it says":     body + "Content-Length: 50\r\n\r\nlogin=",
		"a body that waits to be asked":   body + "Expect: 100-continue\r\nContent-Length: 50\r\n\r\n",
		"a long body of which none comes": body + "Content-Length: 1000000\r\n\r\n",
		"a chunk shorter than it says":    body + "Transfer-Encoding: chunked\r\n\r\n50\r\nlogin=",
	} {
		for _, d := range r.doors() {
			rows.Go(func() {
				// Answered or not: what counts is that it is not kept waiting for ever. One
				// that the server may read to its end stays open for the next.
				begun := time.Now()
				answer, open := d.send(strings.NewReplacer("TARGET", d.target, "HERE", d.at).Replace(bytes), within)
				if open {
					t.Errorf("%s, %s: open after %s, answered %q", d.name, name, time.Since(begun).Round(time.Second), statuses(answer))
				}
			})
		}
	}
	// A head of which a byte comes every second moves for ever.
	for _, d := range r.doors() {
		rows.Go(func() {
			conn, err := net.Dial("tcp", d.at)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			io.WriteString(conn, strings.NewReplacer("TARGET", d.target, "HERE", d.at).Replace("GET TARGET HTTP/1.1\r\nHost: HERE\r\n"))
			for begun := time.Now(); ; time.Sleep(time.Second) {
				if _, err := io.WriteString(conn, "X"); err != nil {
					return
				}
				if time.Since(begun) > within {
					t.Errorf("%s: a slow head is listened to after %s", d.name, within)
					return
				}
			}
		})
	}
	rows.Wait()
	r.ordinary()
	r.unharmed(before)
}
