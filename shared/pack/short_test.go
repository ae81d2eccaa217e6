package pack

import (
	"bytes"
	"testing"
)

// Whatever is rewritten comes back byte for byte.
func FuzzShorten(f *testing.F) {
	for _, s := range []string{"", "abc", "老刘今年种了六亩，一季稻。", "\xff\xfe\xd2x", "\x79\x01\xa5你好\x00\x01", "a\x80", "，\xe4\xbd", "𠮷吉😀"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := Shorten(nil, b)
		if got, err := Lengthen(nil, s, len(b)); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%x rewritten as %x comes back as %x, %v", b, s, got, err)
		}
	})
}
