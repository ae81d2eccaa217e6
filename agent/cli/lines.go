package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/semaphore"

	"zhucun/agent/inbox"
	"zhucun/agent/store"
	"zhucun/shared/record"
)

const (
	// linesAtOnce bounds how many lines one commit takes, bytesAtOnce what they
	// come to and what is read ahead.
	linesAtOnce = 500
	bytesAtOnce = 2 * inbox.MaxLine
	// pause is how long no line comes before the store is let go of: whoever
	// keeps a stream open all day must not keep every other command out.
	pause = 200 * time.Millisecond
)

// firstLineFlag tells a running agent which line of the caller's input its own
// first one is.
const firstLineFlag = "first-line"

// lineOptions are for lines that do not say it themselves.
type lineOptions struct {
	village record.Village
	author  string
	first   int // number of the first line
}

// line is one of the input that is not empty.
type line struct {
	n    int
	text []byte
	err  error // why it is not here
}

// putLines saves JSON lines as they come: those that have arrived are committed
// together, and each id is printed when its change is on disk. A bad line is
// named and passed over.
func (c *call) putLines(ctx context.Context, t record.Type, o lineOptions) error {
	if c.live == nil {
		if r, ok := findRunning(c.data); ok {
			return c.forward(ctx, r, true)
		}
		if err := c.there(); err != nil {
			return err
		}
	}
	s := &stream{c: c, t: t, o: o, a: c.live}
	if err := s.open(ctx); err != nil && !errors.Is(err, errRuns) {
		return err
	}
	defer s.close()
	if s.a != nil {
		if _, err := inbox.Form(s.a.forms, t); err != nil {
			return err
		}
		if d, err := s.a.store.Device(); err != nil || !d.Enrolled() {
			return errors.Join(err, store.ErrNotEnrolled)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := make(chan line, linesAtOnce)
	room := semaphore.NewWeighted(bytesAtOnce)
	go readLines(ctx, c.in, o.first, room, lines)
	idle := time.NewTimer(pause)
	defer idle.Stop()
	for {
		select {
		case first, ok := <-lines:
			switch {
			case ok:
			case ctx.Err() != nil:
				return s.rest(store.ErrClosed)
			case s.bad:
				return errFailed
			default:
				return nil
			}
			batch := gather(first, lines)
			if err := s.save(ctx, batch); err != nil {
				return s.rest(err)
			}
			for _, l := range batch {
				room.Release(int64(len(l.text)))
			}
			idle.Reset(pause)
		case <-ctx.Done():
			return s.rest(store.ErrClosed)
		case <-idle.C:
			if err := s.close(); err != nil {
				return err
			}
		}
	}
}

// readLines sends the lines of r until its end, and reads ahead as far as there
// is room.
func readLines(ctx context.Context, r io.Reader, first int, room *semaphore.Weighted, to chan<- line) {
	defer close(to)
	inbox.Lines(r, first, func(n int, text []byte, err error) error {
		if err := room.Acquire(ctx, int64(len(text))); err != nil {
			return err
		}
		select {
		case to <- line{n, bytes.Clone(text), err}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// gather adds to a line those that have come meanwhile.
func gather(first line, lines <-chan line) []line {
	batch := []line{first}
	for len(batch) < linesAtOnce {
		select {
		case l, ok := <-lines:
			if !ok {
				return batch
			}
			batch = append(batch, l)
		default:
			return batch
		}
	}
	return batch
}

// stream saves what comes in line by line.
type stream struct {
	c   *call
	t   record.Type
	o   lineOptions
	a   *agent // the running one, or the store opened here; nil while it is not
	bad bool   // some line was not taken
	ids bool   // some id was printed
}

// rest gives why the lines that are left were not saved.
func (s *stream) rest(err error) error {
	if !s.ids {
		return err
	}
	return s.c.rest(err)
}

// rest gives an error that came after part of the work had been printed. What
// the store says is of one save, and would be taken as said of all.
func (c *call) rest(err error) error {
	var plain *plainError
	switch {
	case errors.As(err, &plain):
		return err
	case errors.Is(err, store.ErrDisk): // nobody knows of the rest
	case errors.Is(err, syscall.ENOSPC):
		return c.fail(c.say("磁盘已满。上面显示的都已保存，其余没有；请腾出空间后再存其余的", "The disk is full. What was printed is saved and the rest is not; free some space and try the rest again"))
	case errors.Is(err, store.ErrClosed):
		return c.fail(c.say("程序正在退出。上面显示的都已保存，其余请再试一次", "The agent is stopping. What was printed is saved; try the rest again"))
	}
	return c.fail(c.say("上面显示的都已保存。%s", "What was printed is saved. %s", c.sentence(err)))
}

// open opens the store where no agent runs. Another command that has it is
// waited for.
func (s *stream) open(ctx context.Context) error {
	if s.a != nil {
		return nil
	}
	st, _, err := s.c.obtain(ctx, heldUp)
	if err == nil {
		s.a = s.c.own(st)
	}
	return err
}

// close lets go of a store that was opened here.
func (s *stream) close() error {
	if s.c.live != nil || s.a == nil {
		return nil
	}
	a := s.a
	s.a = nil
	return a.store.Close()
}

func (s *stream) complain(n int, err error) {
	s.bad = true
	fmt.Fprintf(s.c.err, s.c.say("第 %d 行：%s\n", "line %d: %s\n"), n, s.c.sentence(err))
}

// save commits lines, and prints their ids.
func (s *stream) save(ctx context.Context, lines []line) error {
	switch err := s.open(ctx); {
	case errors.Is(err, errRuns):
		return s.forward(ctx, lines)
	case err != nil:
		return err
	}
	var rows []store.Row
	var at []int
	for _, l := range lines {
		if l.err != nil {
			s.complain(l.n, l.err)
			continue
		}
		edit, err := inbox.Line(s.a.forms, s.t, l.text)
		if err != nil {
			s.complain(l.n, err)
			continue
		}
		if edit.Author == "" {
			edit.Author = s.o.author
		}
		if edit.Village == "" {
			edit.Village = s.o.village
		}
		rows, at = append(rows, store.Row{Edit: edit}), append(at, l.n)
	}
	saved, errs, err := s.a.store.SaveRows(ctx, rows)
	if err != nil {
		return err
	}
	for i, sv := range saved {
		if errs[i] != nil {
			s.complain(at[i], errs[i])
			continue
		}
		if err := s.c.print(map[string]string{"id": sv.Key.ID.String()}); err != nil {
			return err
		}
		s.ids = true
	}
	return nil
}

// forward has an agent that was started meanwhile save lines.
func (s *stream) forward(ctx context.Context, lines []line) error {
	r, ok := findRunning(s.c.data)
	if !ok {
		return store.ErrInUse
	}
	var in bytes.Buffer
	n := lines[0].n
	for _, l := range lines {
		if l.err != nil {
			s.complain(l.n, l.err)
			continue
		}
		for ; n < l.n; n++ { // empty lines count
			in.WriteByte('\n')
		}
		in.Write(l.text)
	}
	sub := *s.c
	sub.in = &in
	sub.args = append(append([]string{}, s.c.args...), "--"+firstLineFlag, strconv.Itoa(lines[0].n))
	err := sub.forward(ctx, r, true)
	if status := exitStatus(0); errors.As(err, &status) && status == exitFailed {
		s.bad = true
		return nil
	}
	return err
}
