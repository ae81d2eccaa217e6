package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"os"
	"slices"
	"strings"

	"zhucun/server/store"
	"zhucun/shared/blob"
	"zhucun/shared/record"
)

// checked reads a file for a backup, whose header has its size already, and tells at
// the end whether it was what its name says. What cannot be read of it is zeros.
type checked struct {
	file  *os.File // nil: it cannot be opened
	left  int64
	sum   hash.Hash
	short bool
	end   func(sound bool)
	h     blob.Hash
}

func newChecked(path string, h blob.Hash, size int64, end func(sound bool)) *checked {
	file, err := os.Open(path)
	if err != nil {
		file = nil
	}
	return &checked{file: file, left: size, sum: sha256.New(), short: file == nil, end: end, h: h}
}

func (r *checked) Read(p []byte) (n int, err error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), r.left)]
	if !r.short {
		n, err = r.file.Read(p)
		r.sum.Write(p[:n])
		if r.left -= int64(n); n > 0 || err == nil {
			return n, nil
		}
		r.short = true
	}
	clear(p)
	r.left -= int64(len(p))
	return len(p), nil
}

func (r *checked) Close() (err error) {
	if r.file != nil {
		err = r.file.Close()
	}
	r.end(!r.short && blob.Hash(r.sum.Sum(nil)) == r.h)
	return err
}

// lostJSON is a file that is missing or damaged, in a village that has it.
type lostJSON struct {
	File    string         `json:"file"`
	Village record.Village `json:"village,omitempty"`
	Records []string       `json:"records,omitempty"`
	Damaged bool           `json:"damaged"`         // else it is missing
	Aside   string         `json:"aside,omitempty"` // where what is left of it is now
}

// lose notes what a backup found missing or damaged, and gives it for people. What
// nobody has any more was erased meanwhile.
func (s *server) lose(ctx context.Context, bad map[blob.Hash]bool) (all []lostJSON, err error) {
	for h, damaged := range bad {
		list, aside, err := s.store.Lose(ctx, h)
		if err != nil {
			return nil, err
		}
		if aside != "" {
			aside = blobsFolder + "/" + aside
		}
		if len(list) == 0 && aside != "" {
			all = append(all, lostJSON{File: h.String(), Damaged: damaged, Aside: aside})
		}
		for _, b := range list {
			j := lostJSON{File: blob.Name(h, b.Kind), Village: b.Village, Damaged: damaged, Aside: aside}
			ids, err := s.store.Showing(ctx, b.Village, h)
			if err != nil {
				return nil, err
			}
			for _, id := range ids {
				rec, err := s.store.Record(ctx, b.Village, id)
				if errors.Is(err, store.ErrNotFound) {
					continue
				} else if err != nil {
					return nil, err
				}
				j.Records = append(j.Records, string(rec.Type)+" "+id.String())
			}
			all = append(all, j)
		}
	}
	slices.SortFunc(all, func(a, b lostJSON) int {
		return cmp.Or(cmp.Compare(a.Village, b.Village), cmp.Compare(a.File, b.File))
	})
	return all, nil
}

// tellLost says of each file in a sentence what is the matter.
func (c *call) tellLost(all []lostJSON) {
	for _, j := range all {
		of := ""
		if j.Village != "" {
			of += c.say("，村 ", ", village ") + string(j.Village)
		}
		if len(j.Records) > 0 {
			of += c.say("，", ", ") + strings.Join(j.Records, c.say("、", ", "))
		}
		switch {
		case !j.Damaged:
			c.tell("文件 %s 缺失%s；在有原件的电脑上重新添加一次，就会再送来", "The file %s is missing%s; add it again on a laptop that has the original, and it comes again", j.File, of)
		case j.Aside != "":
			c.tell("文件 %s 已损坏%s；已移到 %s；在有原件的电脑上重新添加一次，就会再送来", "The file %s is damaged%s; it is set aside as %s; add it again on a laptop that has the original, and it comes again", j.File, of, j.Aside)
		default:
			c.tell("文件 %s 读不出来%s；请检查磁盘和权限，再备份一次", "The file %s cannot be read%s; check the disk and who may read it, and back up again", j.File, of)
		}
	}
}
