package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"zhucun/agent/inbox"
	"zhucun/agent/store"
	"zhucun/shared/blob"
	"zhucun/shared/form"
	"zhucun/shared/wire"
)

// attachCmd adds files to a record.
func (c *call) attachCmd() *cobra.Command {
	var field, author string
	cmd := &cobra.Command{
		Use:   "attach RECORD FILE…",
		Short: c.say("把照片等文件加到一条记录上；照片会缩小，位置信息去掉", "Add photos and other files to a record; photos are made small and lose where they were taken"),
		Args:  c.words(2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := c.id(args[0])
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), false, func(a *agent) error {
				r, err := a.store.Get("", id)
				if errors.Is(err, store.ErrNotFound) {
					return c.fail(c.say("没有找到记录 %s。请核对编号，或先同步一次", "There is no record %s; check its id, or sync first", id))
				}
				if err != nil {
					return err
				}
				f, err := inbox.Form(a.forms, r.Key.Type)
				if err != nil {
					return err
				}
				name, err := c.imageField(f, field)
				if err != nil {
					return err
				}
				d, err := a.store.Device()
				if err != nil {
					return err
				}
				if _, err := d.Author(author); err != nil {
					return err
				}
				// What is kept is delivered: all of it is looked at before any is.
				for _, path := range args[1:] {
					if err := c.attachable(path); err != nil {
						return err
					}
				}
				var names []string
				for _, path := range args[1:] {
					b, word, err := c.keepFile(cmd.Context(), a, &r, f.Field(name), path)
					if err != nil {
						return err
					}
					if w := word.In(c.lang); w != "" && !c.json {
						c.printf("%s: %s\n", path, w)
					}
					names = append(names, b.FileName())
				}
				if _, err := inbox.Attach(cmd.Context(), a.store, r.Key, name, author, names...); err != nil {
					return err
				}
				if c.json {
					return c.print(map[string]any{"id": id.String(), "field": name, "files": names})
				}
				for _, n := range names {
					c.printf("%s\n", n)
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&field, "field", "", c.say("字段，只有一个照片字段时可省", "the field; not needed where the record has one for files"))
	cmd.Flags().StringVar(&author, "author", "", c.say("填写人", "who writes"))
	return cmd
}

// imageField gives the field of a form that takes files.
func (c *call) imageField(f *form.Form, name string) (string, error) {
	var all []string
	for _, fd := range f.Fields {
		if fd.Kind == form.Image {
			all = append(all, fd.Name)
		}
	}
	switch {
	case name == "" && len(all) == 1:
		return all[0], nil
	case slices.Contains(all, name):
		return name, nil
	case len(all) == 0:
		return "", c.fail(c.say("“%s”不能加照片", "A %s takes no files", f.Title.In(c.lang)))
	}
	return "", c.fail(c.say("请用 --field 指定其中一个：%s", "Name one of these with --field: %s", strings.Join(all, "、")))
}

// attachable tells why a file cannot be kept, as far as that is to be seen from outside.
func (c *call) attachable(path string) error {
	info, err := os.Stat(c.path(path))
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return c.fail(c.say("%s 不是普通文件，请换一个文件", "%s is not a regular file; choose another", path))
	case info.Size() == 0:
		return inbox.ErrEmpty
	case info.Size() > wire.MaxBlob:
		return c.tooLarge(path)
	}
	return nil
}

func (c *call) tooLarge(path string) error {
	return c.fail(c.say("%s 超过 64 MB，不能添加；请先缩小或截短", "%s has more than 64 MB and cannot be added; make it smaller first", path))
}

func (c *call) keepFile(ctx context.Context, a *agent, r *store.Record, fd *form.Field, path string) (b store.Blob, word form.Label, err error) {
	f, err := os.Open(c.path(path))
	if err != nil {
		return b, word, err
	}
	defer f.Close()
	b, word, err = inbox.Keep(ctx, a.store, shrinker, r.Key.Village, fd, path, f)
	if errors.Is(err, store.ErrTooLarge) {
		err = c.tooLarge(path)
	}
	return b, word, err
}

func (c *call) blobCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "blob",
		Short: c.say("照片等文件：列表、取回、另存", "Photos and other files: list, fetch, save"),
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return c.usage(c.say("没有命令 blob %s。有 blob list、blob fetch 名称 和 blob save 名称 文件", "There is no command blob %s; there are blob list, blob fetch NAME and blob save NAME FILE", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(c.blobListCmd(), c.blobFetchCmd(), c.blobSaveCmd())
	return cmd
}

// blobJSON is a file as it is printed.
type blobJSON struct {
	Name      string `json:"name"`
	Village   string `json:"village"`
	Bytes     int64  `json:"bytes"`
	Original  string `json:"original,omitempty"` // what it was called where it came from
	Own       bool   `json:"own"`
	Here      bool   `json:"here"`
	Thumbnail bool   `json:"thumbnail"`
	Wanted    bool   `json:"wanted"`
	Delivered bool   `json:"delivered"`
	// Of are the photos that it is the original of, by their names' hashes.
	Of []string `json:"original_of,omitempty"`
}

func (c *call) blobListCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: c.say("列出本机知道的文件", "List the files that this laptop knows of"),
		Args:  c.words(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), false, func(a *agent) error {
				var list []store.Blob
				known := map[blob.Hash]bool{}
				if err := a.store.EachBlob(func(b store.Blob) bool { list, known[b.Hash] = append(list, b), true; return true }); err != nil {
					return err
				}
				elsewhere, err := a.elsewhere(known)
				if err != nil {
					return err
				}
				list = append(list, elsewhere...)
				for _, b := range list {
					if c.json {
						var of []string
						for _, h := range b.Of {
							of = append(of, h.String())
						}
						if err := c.print(blobJSON{b.FileName(), string(b.Village), b.Size, b.Name, b.Own, b.Here, b.Small, b.Wanted, b.Delivered, of}); err != nil {
							return err
						}
						continue
					}
					name := b.Name
					if b.Original {
						name += c.say("（原图）", " (original)")
					}
					size := fmt.Sprintf("%6d KB", (b.Size+1023)>>10)
					if b.Size == 0 {
						size = "        —" // nobody has said
					}
					c.printf("%s  %s  %s  %s\n", b.FileName(), size, c.blobWay(&b), name)
				}
				if len(list) == 0 && !c.json {
					c.write(c.say("没有文件。\n", "There are no files.\n"))
				}
				return nil
			})
		},
	}
}

// elsewhere gives the files that records show and of which nothing else is known here:
// colleagues', of which not even a small picture has come. They can be fetched.
func (a *agent) elsewhere(known map[blob.Hash]bool) (list []store.Blob, err error) {
	for _, f := range a.forms.Forms() {
		if !slices.ContainsFunc(f.Fields, func(fd *form.Field) bool { return fd.Kind == form.Image }) {
			continue
		}
		if err := a.store.Each("", f.Type, func(r store.Record) bool {
			for _, fd := range f.Fields {
				if fd.Kind != form.Image {
					continue
				}
				for _, name := range r.View.Fields[fd.Name].Texts() {
					if h, kind, ok := blob.ParseName(name); ok && !known[h] {
						known[h] = true
						list = append(list, store.Blob{Village: r.Key.Village, Hash: h, BlobNote: store.BlobNote{Kind: kind}})
					}
				}
			}
			return true
		}); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (c *call) blobWay(b *store.Blob) string {
	switch {
	case b.Damaged && b.Here:
		return c.say("[已损坏]", "[damaged]")
	case b.Own && b.Delivered:
		return c.say("[已送达]", "[delivered]")
	case b.Own && !b.Here:
		return c.say("[丢失]", "[missing]")
	case b.Own:
		return c.say("[未送达]", "[not delivered]")
	case b.Here:
		return c.say("[已取回]", "[fetched]")
	case b.Wanted:
		return c.say("[等待取回]", "[to be fetched]")
	}
	return c.say("[不在本机]", "[not here]")
}

// blobName reads a file's name as records have it.
func (c *call) blobName(s string) (h blob.Hash, kind string, err error) {
	h, kind, ok := blob.ParseName(s)
	if !ok {
		return h, kind, c.usage(c.say("%q 不是文件名称，名称见 blob list 或记录", "%q does not name a file; blob list and the records do", s))
	}
	return h, kind, nil
}

func (c *call) blobFetchCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "fetch NAME",
		Short: c.say("下次同步时把别人的文件取到本机", "Have somebody else's file fetched with the next sync"),
		Args:  c.words(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, kind, err := c.blobName(args[0])
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), false, func(a *agent) error {
				err := a.store.Want(cmd.Context(), h, kind)
				if errors.Is(err, store.ErrNotFound) {
					return c.fail(c.say("本机没有记录用到 %s；请核对名称，或先同步一次", "No record here shows %s; check its name, or sync first", args[0]))
				}
				if err != nil {
					return err
				}
				a.sync.Now()
				if c.json {
					return c.print(map[string]any{"name": args[0], "wanted": true})
				}
				c.write(c.say("下次同步时取回。\n", "It comes with the next sync.\n"))
				return nil
			})
		},
	}
}

func (c *call) blobSaveCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "save NAME FILE",
		Short: c.say("把本机的一个文件另存出来", "Save a file that is here to another place"),
		Args:  c.words(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, _, err := c.blobName(args[0])
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), false, func(a *agent) error {
				r, size, err := a.store.OpenBlob(h, 0)
				if errors.Is(err, fs.ErrNotExist) {
					return c.fail(c.say("%s 不在本机；先用 blob fetch 取回", "%s is not here; blob fetch has it fetched", args[0]))
				}
				if err != nil {
					return err
				}
				defer r.Close()
				path := c.path(args[1])
				f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
				if errors.Is(err, fs.ErrExist) {
					return c.fail(c.say("%s 已经存在；请换一个文件名", "%s is there already; choose another name", args[1]))
				}
				if err != nil {
					return err
				}
				_, err = io.Copy(f, r)
				if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
					os.Remove(path)
					return err
				}
				if c.json {
					return c.print(map[string]any{"name": args[0], "file": path, "bytes": size})
				}
				c.write(c.say("已另存为 %s\n", "Saved as %s\n", filepath.Base(path)))
				return nil
			})
		},
	}
}
