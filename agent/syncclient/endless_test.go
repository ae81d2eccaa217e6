package syncclient

import (
	"math/rand/v2"
	"testing"

	"zhucun/shared/wire"
)

// endless is an answer without an end: a beginning, and what goes on behind it.
type endless struct {
	begin []byte
	more  func([]byte)
	read  int
}

func (e *endless) Read(b []byte) (int, error) {
	n := copy(b, e.begin)
	if e.begin = e.begin[n:]; n == 0 {
		e.more(b)
		n = len(b)
	}
	e.read += n
	return n, nil
}

// Whoever answers in the server's place, or a server that means ill, gets no more of a
// laptop's memory than an answer may have: of one that does not end no more is read,
// however it says that it is packed.
func TestEndlessAnswer(t *testing.T) {
	good, err := wire.Encode(&wire.Synced{Time: 1}, wire.Quick)
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 64<<10)
	for r, i := rand.New(rand.NewPCG(1, 2)), 0; i < len(noise); i++ {
		noise[i] = byte(r.Uint32())
	}
	goes := map[string]func([]byte){
		"zeros": func(b []byte) { clear(b) },
		"noise": func(b []byte) {
			for len(b) > 0 {
				b = b[copy(b, noise):]
			}
		},
	}
	for name, more := range goes {
		for at := range min(len(good), 5) {
			for how := range 8 {
				begin := append([]byte{}, good[:at+1]...)
				begin[at] = byte(how)
				e := &endless{begin: begin, more: more}
				if err := decode(e, nil, new(wire.Synced)); err == nil {
					t.Errorf("%s behind %x are an answer", name, begin)
				}
				if e.read > wire.MaxAnswer+64<<10 {
					t.Errorf("of %s behind %x %d bytes are read", name, begin, e.read)
				}
			}
		}
		e := &endless{begin: good, more: more}
		if err := decode(e, nil, new(wire.Synced)); err == nil || e.read > wire.MaxAnswer+64<<10 {
			t.Errorf("%s behind a good answer: %v, %d bytes are read", name, err, e.read)
		}
	}
}
