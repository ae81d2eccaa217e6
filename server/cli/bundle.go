package cli

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"zhucun/server/syncapi"
	"zhucun/shared/bundle"
	"zhucun/shared/form"
	"zhucun/shared/identity"
)

func (c *call) bundleCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bundle", Short: c.say("数据包：收取没有网络的电脑送来的文件", "bundles: take the files of laptops without a network")}
	var reply string
	take := c.command("take FILE [--reply FILE]", "收取一个数据包（可重复收），并写出给那台电脑的答复", "take a bundle (again too), and write the reply for its laptop", 1, 1, func(ctx context.Context, args []string) error {
		return c.with(ctx, func(s *server) error { return c.takeBundle(ctx, s, args[0], reply) })
	})
	take.Flags().StringVar(&reply, "reply", "", c.say("答复文件；同名的旧答复会被覆盖，别的文件不会；是文件夹时自动取名", "the file of the reply; an earlier reply of that name is overwritten, and no other file; in a folder it gets a name of its own"))
	cmd.AddCommand(take)
	return cmd
}

// takenJSON is what bundle take prints.
type takenJSON struct {
	Device      identity.Device `json:"device"`
	Name        string          `json:"name"`
	Serial      uint64          `json:"serial"`
	MadeAt      time.Time       `json:"made_at"`
	Entries     int             `json:"entries"` // changes that are new here
	Quarantined int             `json:"quarantined"`
	Refused     int             `json:"refused"` // segments that could not be taken
	Revoked     bool            `json:"revoked"`
	Files       int             `json:"files"` // photos and other files that are new here
	FilesLeft   int             `json:"files_left,omitempty"`
	Reply       string          `json:"reply,omitempty"`
	ReplyBytes  int             `json:"reply_bytes,omitempty"`
	// Cut says that the laptop is owed more than one reply can have.
	Cut bool `json:"cut,omitempty"`
}

func (c *call) takeBundle(ctx context.Context, s *server, file, reply string) error {
	b, err := openBundle(file)
	if errors.Is(err, errNoFile) {
		return c.fail("%s 不是普通文件；请核对文件名", "%s is not a regular file; check its name", file)
	} else if err != nil {
		return err
	}
	defer b.Close()
	reply = replyPath(reply)
	if dir := filepath.Dir(reply); reply != "" && !isDir(dir) {
		// Before anything is taken: whoever asks for a reply is to have one.
		return c.fail("没有文件夹 %s；请先建好，或换一个位置", "There is no folder %s; make it, or choose another place", dir)
	}
	if old, err := isReply(reply, s.store.Key); err != nil {
		return err
	} else if reply != "" && !old {
		return c.fail("%s 已经存在，不是从前的答复，没有覆盖，也没有收取；请换一个文件名，或先把它移到别处", "%s is there already and is no earlier reply; it was not overwritten, and nothing was taken; choose another name, or move it away first", reply)
	}
	t, err := syncapi.New(s.store, s.access).Bundle(ctx, b, c.now(), func(done, all int) {
		if done < all && (all < 100 || done%100 == 0) { // a long one
			fmt.Fprintf(c.err, c.say("已收取 %d/%d……\n", "%d of %d taken…\n"), done, all)
		}
	})
	var not *syncapi.NotTaken
	if errors.As(err, &not) {
		return &plainError{form.Label{Zh: not.Zh, En: not.En}.In(c.lang)}
	} else if err != nil {
		return err
	}
	if err := s.access.Audit(ctx, t.Note()); err != nil {
		return err
	}
	j := takenJSON{Device: t.Device.ID, Name: t.Device.Name, Serial: t.Serial, MadeAt: t.Made.UTC(), Entries: t.Entries, Quarantined: t.Quarantined, Refused: t.Refused, Files: t.Files, FilesLeft: t.FilesLeft, Revoked: t.Device.Revoked()}
	if reply != "" {
		if err := writeFile(reply, t.Reply); err != nil {
			return c.fail("内容已收下，但答复没有写成（%s）；请检查位置后对同一个文件再运行一次", "The bundle is taken, but the reply could not be written (%s); check the place and run it again on the same file", err)
		}
		j.Reply, j.ReplyBytes, j.Cut = reply, len(t.Reply), t.Cut
	}
	if c.json {
		return c.print(j)
	}
	c.tell("已收取 %s 的第 %d 个数据包（写于 %s）：新收 %d 条修改，其中进隔离区 %d 条", "Took bundle %[2]d of %[1]s (made %[3]s): %[4]d new changes, %[5]d of them in quarantine", j.Name, j.Serial, c.time(j.MadeAt), j.Entries, j.Quarantined)
	if j.Files > 0 {
		c.tell("新收照片等文件 %d 个", "%d new photos and other files", j.Files)
	}
	if j.FilesLeft > 0 {
		c.tell("有 %d 个照片或文件没有收下：不归那台电脑、记录已擦除，或磁盘满了；没收下的仍在那台电脑上。磁盘满时请腾出地方，对同一个文件再运行一次", "%d photos or files were not taken: they are not that laptop's, their record was erased, or the disk is full; they are kept on the laptop. If the disk is full, make room and run it again on the same file", j.FilesLeft)
	}
	if j.Refused > 0 {
		c.tell("有 %d 段没有收下，内容仍在那台电脑上：可能它更早的文件还没收，收了再收一次这个；不收也会在它收到答复后补送", "%d segments were not taken; they are kept on the laptop. An earlier file of it may be missing: take that, then this one again; if not, the laptop sends them anew once it has the reply", j.Refused)
	}
	if j.Revoked {
		c.tell("这台电脑已被停用，它的内容都在隔离区；用 quarantine list 查看", "This laptop is revoked, and its work is in quarantine; quarantine list shows it")
	}
	switch {
	case reply == "":
		c.tell("没有写答复；加上 --reply 文件 再运行一次，即可得到给那台电脑的答复", "No reply was written; run it again with --reply FILE to get the one for that laptop")
	case j.Cut:
		c.tell("答复：%s（一次装不下，那台电脑收取后再导出一次即可得到其余的）；请送回那台电脑，用 bundle take 收取", "Reply: %s (not all fits in; the laptop gets the rest with its next bundle); carry it back and take it there with bundle take", reply)
	default:
		c.tell("答复：%s；请送回那台电脑，用 bundle take 收取", "Reply: %s; carry it back to the laptop and take it there with bundle take", reply)
	}
	return nil
}

var errNoFile = errors.New("no regular file")

// openBundle opens a file.
func openBundle(file string) (*os.File, error) {
	// Before it is opened: that would wait for ever on a pipe.
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNoFile
	}
	return os.Open(file)
}

// replyPath gives the path of the file to write, in a folder under a name of its
// own.
func replyPath(path string) string {
	if path == "" || !isDir(path) {
		return path
	}
	return filepath.Join(path, bundle.Name(rand.Text()))
}

// isReply tells whether a reply may be written to path: nothing is there, or what the
// server wrote for a laptop, which is made again whenever its bundle is taken again. That
// is whole, and not for the server to read.
func isReply(path string, key ed25519.PrivateKey) (bool, error) {
	f, err := openBundle(path)
	switch {
	case path == "" || errors.Is(err, fs.ErrNotExist):
		return true, nil
	case errors.Is(err, errNoFile):
		return false, nil
	case err != nil:
		return false, err
	}
	defer f.Close()
	_, err = bundle.OpenFile(f, identity.BundleOf, key, func(*bundle.Bundle) (ed25519.PublicKey, error) { return nil, errNoFile })
	return errors.Is(err, bundle.ErrOther), nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
