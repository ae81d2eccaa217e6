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

	"github.com/spf13/cobra"

	"zhucun/server/access"
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

// writeOffCommand gives a lost file up, so that backups need not tell of it for ever.
func (c *call) writeOffCommand() *cobra.Command {
	var reason, by string
	cmd := c.command("writeoff FILE --reason R [--by ADMIN]", "注销找不回来的文件：备份和核对不再报它缺失", "write off a lost file: backups and verify no longer name it", 1, 1,
		func(ctx context.Context, args []string) error {
			h, _, ok := blob.ParseName(args[0])
			if !ok {
				if h, ok = blob.ParseHash(args[0]); !ok {
					return c.usage("“%s”不是文件名；请照备份或核对列出的写", "%q is not a file's name; write it as backup or verify lists it", args[0])
				}
			}
			if strings.TrimSpace(reason) == "" {
				return c.usage("要用 --reason 写明原因", "The reason is needed, as --reason")
			}
			return c.with(ctx, func(s *server) error { return c.writeOff(ctx, s, h, reason, by) })
		})
	cmd.Flags().StringVar(&reason, "reason", "", c.say("原因，会留下记录", "why; noted in the audit"))
	cmd.Flags().StringVar(&by, "by", firstLogin, c.say("以哪个管理员账号的名义", "in the name of which administrator's account"))
	return cmd
}

func (c *call) writeOff(ctx context.Context, s *server, h blob.Hash, reason, by string) error {
	if _, err := c.writer(ctx, s, by, access.Erase); err != nil {
		return err
	}
	villages, err := s.store.WriteOff(store.By(ctx, inName(by)), h, reason)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return c.fail("没有哪个村有文件 %s；请核对文件名", "No village has the file %s; check its name", h)
	case errors.Is(err, store.ErrHere):
		return c.fail("文件 %s 还在，没有丢；如果它损坏了，先运行 verify", "The file %s is here and not lost; if it is damaged, run verify first", h)
	case err != nil:
		return err
	}
	if c.json {
		return c.print(map[string]any{"file": h.String(), "villages": villages})
	}
	c.tell("已注销文件 %s；记录里仍写着它，以后有电脑再送来，照样收下", "Wrote off the file %s; records name it still, and when a laptop brings it after all it is taken", h)
	return nil
}
