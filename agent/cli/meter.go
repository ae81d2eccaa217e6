package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"zhucun/agent/syncclient"
)

// A meter shows somebody who waits how far a long work is, on standard error: on a
// terminal one line that is written over, elsewhere a line now and then. What is
// done at once shows nothing.
type meter struct {
	w    io.Writer
	live bool // a terminal
	now  func() time.Time

	next  time.Time // when there is something to say again
	width int       // of what stands on the terminal's line
}

const (
	// How long a work shows nothing: on a terminal, whose line is gone at the end, and
	// elsewhere, where what is short leaves nothing beside its result or its error.
	liveFirst, lineFirst = 2 * time.Second, 12 * time.Second
	// The pauses between.
	liveEach, lineEach = 200 * time.Millisecond, 10 * time.Second
	// barWidth is of the bar, in characters.
	barWidth = 20
	// lineWidth is of the narrowest terminal that is in use, less one.
	lineWidth = 79
)

func (c *call) meter() *meter {
	m := &meter{w: c.err, live: c.onTerminal(), now: time.Now}
	m.begin()
	return m
}

func (m *meter) begin() {
	first := lineFirst
	if m.live {
		first = liveFirst
	}
	m.next = m.now().Add(first)
}

// onTerminal tells whether standard error is a terminal, here or where the command was
// typed.
func (c *call) onTerminal() bool {
	if c.terminal {
		return true
	}
	f, ok := c.err.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// show says what has come to pass; share is how much of it is done, negative where
// nobody knows.
func (m *meter) show(share float64, text string) {
	if text == "" || m.now().Before(m.next) {
		return
	}
	if !m.live {
		m.next = m.now().Add(lineEach)
		if share >= 0 {
			text = fmt.Sprintf("%d%%  %s", int(100*share), text)
		}
		fmt.Fprintln(m.w, text)
		return
	}
	m.next = m.now().Add(liveEach)
	if share >= 0 {
		full := min(int(share*barWidth), barWidth)
		text = fmt.Sprintf("[%s%s] %3d%%  %s", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), int(100*share), text)
	}
	// A line that wraps is not written over.
	for columns(text) > lineWidth {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	// Old consoles know no codes that clear a line.
	n := columns(text)
	fmt.Fprint(m.w, "\r", text, strings.Repeat(" ", max(0, m.width-n)))
	m.width = n
}

// end clears the terminal's line.
func (m *meter) end() {
	if m.width > 0 {
		fmt.Fprint(m.w, "\r", strings.Repeat(" ", m.width), "\r")
		m.width = 0
	}
}

// columns is how wide a text stands on a terminal: Han takes two.
func columns(text string) int {
	n := 0
	for _, r := range text {
		n++
		if r >= 0x2E80 {
			n++
		}
	}
	return n
}

// follow shows how far a sync is until stop is called. ctx is as long as it may take.

func (c *call) follow(ctx context.Context, s *syncclient.Client) (stop func()) {
	m := c.meter()
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer m.end()
		tick := time.NewTicker(liveEach)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			st := s.State()
			p := &st.Progress
			if !st.Running {
				p = new(syncclient.Progress)
			}
			text := p.Words(c.lang)
			if left, ok := ctx.Deadline(); ok && !p.Heard && text != "" {
				text += c.say("，最多再等%s", ", for %s at most", syncclient.Span(max(time.Until(left), 0), c.lang))
			}
			share, ok := p.Share()
			if !ok {
				share = -1
			}
			m.show(share, text)
		}
	}()
	return func() { close(end); <-ended }
}
