package inbox

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"zhucun/shared/form"
)

// Each row is an input and the lines it has: their numbers, and what they say
// or why they are not there.
func TestLines(t *testing.T) {
	stick := errors.New("the stick was pulled out")
	tests := []struct {
		name string
		r    io.Reader
		want []string
	}{
		{"nothing", strings.NewReader(""), nil},
		{"lines", strings.NewReader("a\r\n\n  b \nc"), []string{"1 a", "3 b", "4 c"}},
		{"a mark of bytes", strings.NewReader("\ufeffa\n\ufeffb"), []string{"1 a", "2 \ufeffb"}},
		{"as long as may be", strings.NewReader(strings.Repeat("x", MaxLine-1) + "\nb"), []string{"1 xxxxx", "2 b"}},
		{"too long amid others", strings.NewReader("a\n" + strings.Repeat("x", 3*MaxLine) + "\nc"), []string{"1 a", "2 this line is longer than 1 MB; make several records of it", "3 c"}},
		// Half a line is no line.
		{"that breaks off", io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(stick)), []string{"1 a", "2 " + stick.Error()}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			if err := Lines(tt.r, 1, func(n int, text []byte, err error) error {
				switch {
				case err != nil:
					got = append(got, fmt.Sprintf("%d %s", n, err))
				default:
					got = append(got, fmt.Sprintf("%d %.5s", n, text))
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// What does not end takes no more memory than the longest line that may be.
func TestEndlessLine(t *testing.T) {
	s := laptop(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rep, err := JSONL(t.Context(), s, form.Builtin(), LineOptions{Lang: form.En}, io.LimitReader(endless{}, 64*MaxLine))
	if err != nil || rep.NotTaken != 1 {
		t.Fatal(rep, err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 16*MaxLine {
		t.Errorf("%d bytes for a line of %d", took, 64*MaxLine)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}
