package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"time"

	"zhucun/agent/inbox"
	"zhucun/agent/picture"
)

// A photo is made small by a process of its own: what a stranger's file makes of the
// reader ends with it, and so does the memory that it takes, ten times what the agent
// has.

// shrinkWord begins the words by which this program makes a photo small: its standard
// input, to its standard output.
const shrinkWord = "shrink-picture"

const (
	// shrinkTime is the longest that it may take, on the slowest laptop.
	shrinkTime = 2 * time.Minute
	// shrinkMemory is how much it should take at most, in bytes.
	shrinkMemory = 1 << 30
	// shrinkForeign is its exit status for what is no picture, shrinkHuge for one that
	// is too large.
	shrinkForeign = 3
	shrinkHuge    = 4
)

// shrunk goes before the bytes of the two pictures.
type shrunk struct {
	JPEG, Thumbnail, Width, Height int
	Taken                          time.Time
	Placed                         bool
	Beside                         []byte
}

// shrinkSelf is that process.
func shrinkSelf(options string, in io.Reader, out io.Writer) int {
	time.AfterFunc(shrinkTime, func() { os.Exit(shrinkForeign) })
	debug.SetMemoryLimit(shrinkMemory)
	var o picture.Options
	if json.Unmarshal([]byte(options), &o) != nil {
		return 2
	}
	raw, err := io.ReadAll(in)
	if err != nil {
		return 1
	}
	p, err := picture.Shrink(bytes.NewReader(raw), o)
	if errors.Is(err, picture.ErrForeign) {
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, picture.ErrHuge) {
			return shrinkHuge
		}
		return shrinkForeign
	}
	if err == nil {
		err = json.NewEncoder(out).Encode(shrunk{len(p.JPEG), len(p.Thumbnail), p.Width, p.Height, p.Taken, p.Placed, p.Beside})
	}
	if err == nil {
		_, err = out.Write(append(p.JPEG, p.Thumbnail...))
	}
	if err != nil {
		return 1
	}
	return 0
}

// shrinker starts that process for a photo. Where it cannot be started, or something
// ended it, the photo is ErrForeign: it is kept as it came.
func shrinker(ctx context.Context, raw []byte, o picture.Options) (*picture.Picture, error) {
	program, err := os.Executable()
	if err != nil {
		return inbox.InProcess(ctx, raw, o)
	}
	options, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, shrinkTime+10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(limited, program, shrinkWord, string(options))
	cmd.Args[0] = "zhucun-agent"
	cmd.Stdin = bytes.NewReader(raw)
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.ExitCode() == shrinkHuge {
		return nil, fmt.Errorf("%w: %w", picture.ErrForeign, picture.ErrHuge)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", picture.ErrForeign, err)
	}
	r := bufio.NewReader(bytes.NewReader(out))
	line, err := r.ReadBytes('\n')
	var s shrunk
	if err != nil || json.Unmarshal(line, &s) != nil || s.JPEG <= 0 || s.Thumbnail < 0 || len(out)-len(line) != s.JPEG+s.Thumbnail {
		return nil, fmt.Errorf("%w: it was not made small", picture.ErrForeign)
	}
	body := out[len(line):]
	return &picture.Picture{JPEG: body[:s.JPEG], Thumbnail: body[s.JPEG:], Width: s.Width, Height: s.Height, Taken: s.Taken, Placed: s.Placed, Beside: s.Beside}, nil
}
