package inbox

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// MaxLine bounds one line, in bytes. A longer one is never held whole.
const MaxLine = 1 << 20

// Lines calls f with every line of r that is not empty, without the space
// around it and the mark of bytes that some programs begin a file with. n is
// the line's number, counted from first; text is f's until it returns. In the
// place of a line that is too long comes a *RowError, and a failure to read in
// that of the last. Lines ends at the first error of f, which it returns.
func Lines(r io.Reader, first int, f func(n int, text []byte, err error) error) error {
	br := bufio.NewReaderSize(r, 64<<10)
	var text []byte
	size := 0
	for n := first; ; {
		part, err := br.ReadSlice('\n')
		if size += len(part); size <= MaxLine {
			text = append(text, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && err != io.EOF {
			return f(n, nil, err)
		}
		if n == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		var ferr error
		if size > MaxLine {
			ferr = f(n, nil, wrong("这一行超过 1 MB，请分成几条记录", "this line is longer than 1 MB; make several records of it"))
		} else if text := bytes.TrimSpace(text); len(text) > 0 {
			ferr = f(n, text, nil)
		}
		if ferr != nil || err == io.EOF {
			return ferr
		}
		text, size, n = text[:0], 0, n+1
	}
}

// startSize is how much of a file's start tells whether it is text.
const startSize = 4 << 10

// isText tells whether the start of a file has a line of UTF-8 text. One line
// that is not may be one bad row; where none is, the file is of another kind or
// encoding, and every line of it would be a bad row.
func isText(start []byte) bool {
	if len(start) == startSize {
		// The last line is cut, and may be within a character.
		if end := bytes.LastIndexByte(start, '\n'); end >= 0 {
			start = start[:end]
		}
		for i := 1; i < utf8.UTFMax && !utf8.Valid(start); i++ {
			start = start[:len(start)-1]
		}
	}
	blank := true
	for l := range bytes.Lines(start) {
		if l = bytes.TrimSpace(l); len(l) == 0 {
			continue
		}
		blank = false
		if utf8.Valid(l) && bytes.IndexByte(l, 0) < 0 {
			return true
		}
	}
	return blank
}
