package web

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
)

// spool is a file that is written first and sent or taken afterwards, and gone once it is
// closed: whoever reads slowly then holds up nobody, and what fails half way is an error
// instead of half a file. It lies with the data, which is as secret, and leaves that its
// room: the error is errFull before the disk is.
type spool struct {
	*os.File
	site   *Site
	looked int64 // how many bytes may still come before the disk is looked at again
}

const (
	// spared is what spools leave of a disk, in bytes; of a small one the twentieth part.
	spared = 64 << 20
	// often is after how many bytes the disk is looked at.
	often = 4 << 20
	// spools is how a spool is called in its folder.
	spools = "zhucun-*"
)

// newSpool makes one for so many bytes, as far as it is known how many will come.
func (w *Site) newSpool(bytes int64) (*spool, error) {
	if err := w.roomFor(bytes); err != nil {
		return nil, err
	}
	dir := w.opt.Spool
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	f, err := os.CreateTemp(dir, spools) // 0600
	if err != nil {
		return nil, err
	}
	// Where the system can take the name off at once, a crash leaves nothing.
	os.Remove(f.Name())
	return &spool{File: f, site: w}, nil
}

// clearSpools removes what a crash has left where the system could not.
func (w *Site) clearSpools() {
	if w.opt.Spool == "" {
		return
	}
	left, _ := filepath.Glob(filepath.Join(w.opt.Spool, spools))
	for _, name := range left {
		os.Remove(name)
	}
}

// roomFor tells whether the disk of the spools takes so many bytes more.
func (w *Site) roomFor(bytes int64) error {
	dir := w.opt.Spool
	if dir == "" {
		dir = os.TempDir()
	}
	free, all, err := w.room(dir)
	if errors.Is(err, os.ErrNotExist) {
		free, all, err = w.room(filepath.Dir(dir))
	}
	if err != nil {
		return nil // what cannot be known hinders nothing
	}
	if need := uint64(max(bytes, 0)) + min(spared, all/20); free < need {
		return errFull
	}
	return nil
}

func (s *spool) Write(b []byte) (n int, err error) {
	if s.looked -= int64(len(b)); s.looked < 0 {
		if err := s.site.roomFor(often); err != nil {
			return 0, err
		}
		s.looked = often
	}
	return s.File.Write(b)
}

// ReadFrom hides the file's own, by which Write would be passed over.
func (s *spool) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{s}, r)
}

func (s *spool) Close() error {
	err := s.File.Close()
	if gone := os.Remove(s.Name()); !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// send gives the answer that has all of what was written, and closes the spool.
func (s *spool) send(kind, name string) (reply, error) {
	size, err := s.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = s.Seek(0, io.SeekStart)
	}
	if err != nil {
		return reply{}, errors.Join(err, s.Close())
	}
	return reply{send: func(rw http.ResponseWriter) error {
		h := rw.Header()
		h.Set("Content-Type", kind)
		h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
		h.Set("Content-Length", strconv.FormatInt(size, 10))
		_, err := io.Copy(rw, s.File)
		return errors.Join(err, s.Close())
	}}, nil
}
