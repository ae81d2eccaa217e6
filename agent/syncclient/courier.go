package syncclient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"zhucun/shared/bundle"
	"zhucun/shared/wire"
)

// The folders of what is carried for others, in the data folder:
//
//	courier/NAME.zcb           waits for the server
//	courier/replies/NAME.zcb   the server's answer to it, to be carried back
//	courier/refused/NAME.zcb   what the server does not take, with why in NAME.txt
//
// A name is made of the file's hash, so that a file that comes twice is one.
const (
	courierDir = "courier"
	repliesDir = "replies"
	refusedDir = "refused"
)

// How much is carried for others: what comes beyond is refused, so that nobody
// fills the disk; of replies the newest are kept, since all can be had again.
const (
	maxCarried     = 64
	maxCarriedSize = 256 << 20
	maxReplies     = 64
)

// ErrBurdened says that so much waits to be handed on that no more is taken.
var ErrBurdened = errors.New("this laptop carries as much for others as it can; sync first")

// root opens the folder of what is carried.
func (c *Client) root() (*os.Root, error) { return c.folder(courierDir, repliesDir, refusedDir) }

// carry keeps a file that is somebody else's, and tells where the answer to it
// will be.
func (c *Client) carry(file []byte) (reply string, err error) {
	root, err := c.root()
	if err != nil {
		return "", err
	}
	defer root.Close()
	hash := sha256.Sum256(file)
	name := hex.EncodeToString(hash[:8]) + bundle.Ext
	reply = filepath.Join(c.store.Dir(), courierDir, repliesDir, name)
	waiting, err := list(root, ".")
	if err != nil {
		return "", err
	}
	size := int64(len(file))
	for _, f := range waiting {
		if f.Name() == name {
			return reply, nil
		}
		size += f.Size()
	}
	if len(waiting) >= maxCarried || size > maxCarriedSize {
		return "", ErrBurdened
	}
	return reply, put(root, name, file)
}

// put writes a file into root whole or not at all.
func put(root *os.Root, name string, b []byte) error {
	tmp := name + ".new"
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = root.Rename(tmp, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(tmp))
	}
	return nil
}

// list gives the files of a folder in root, the oldest first.
func list(root *os.Root, dir string) ([]fs.FileInfo, error) {
	entries, err := fs.ReadDir(root.FS(), dir)
	if err != nil {
		return nil, err
	}
	var files []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && strings.HasSuffix(e.Name(), bundle.Ext) {
			files = append(files, info)
		}
	}
	slices.SortStableFunc(files, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	return files, nil
}

// Burden is what is carried for others, the oldest first: files that wait for the
// server, those that it refused, and its replies, to be carried back.
type Burden struct{ Waiting, Refused, Replies []Carried }

// Carried is one file of it. More than its size nobody can tell.
type Carried struct {
	Name string
	Path string
	Size int64
	At   time.Time // when it came, by this laptop's own clock
}

// Courier tells what is carried for others.
func (c *Client) Courier() (b Burden, err error) {
	if _, err := os.Stat(filepath.Join(c.store.Dir(), courierDir)); errors.Is(err, fs.ErrNotExist) {
		return b, nil // most laptops carry nothing, and need no folders
	}
	root, err := c.root()
	if err != nil {
		return b, err
	}
	defer root.Close()
	for _, part := range []struct {
		to  *[]Carried
		dir string
	}{{&b.Waiting, "."}, {&b.Refused, refusedDir}, {&b.Replies, repliesDir}} {
		files, err := list(root, part.dir)
		if err != nil {
			return b, err
		}
		for _, f := range files {
			*part.to = append(*part.to, Carried{f.Name(), filepath.Join(c.store.Dir(), courierDir, part.dir, f.Name()), f.Size(), f.ModTime()})
		}
	}
	return b, nil
}

// deliver brings what waits to the server and keeps its replies. Where the link
// breaks the rest goes with the next sync.
func (c *Client) deliver(ctx context.Context, r *Report) error {
	if b, err := c.Courier(); err != nil || len(b.Waiting) == 0 {
		return err
	}
	root, err := c.root()
	if err != nil {
		return err
	}
	defer root.Close()
	waiting, err := list(root, ".")
	if err != nil {
		return err
	}
	for _, f := range waiting {
		file, err := root.ReadFile(f.Name())
		if err != nil {
			return err
		}
		reply, err := c.hand(ctx, file, r)
		var refused *wire.Fault
		switch {
		case errors.As(err, &refused) && refused.Code == wire.FaultBundle:
			// Set aside and shown, or it would go again with every sync.
			err = put(root, refusedDir+"/"+f.Name(), file)
			if err == nil {
				err = put(root, refusedDir+"/"+strings.TrimSuffix(f.Name(), bundle.Ext)+".txt", []byte(notTaken+refused.Text+"\n"))
			}
		case err == nil:
			if err = put(root, repliesDir+"/"+f.Name(), reply); err == nil {
				r.Carried++
				err = forget(root)
			}
		}
		if err == nil {
			err = root.Remove(f.Name())
		}
		if err != nil {
			return fmt.Errorf("carried file %s: %w", f.Name(), err)
		}
	}
	return nil
}

// notTaken stands beside a file that the server refused.
const notTaken = `服务器没有收下旁边的文件。它可能是给别的电脑的答复：请拿到那台电脑上，用 bundle take 收取。
也可能来自没有登记、已停用的电脑，或是给别的服务器的：请联系办公室。
The server did not take the file beside this one. It may be a reply to another laptop: take it there.
Or it is from a laptop that is not enrolled or was revoked, or for another server: ask the office.
`

// forget removes the oldest of too many replies.
func forget(root *os.Root) error {
	replies, err := list(root, repliesDir)
	for len(replies) > maxReplies && err == nil {
		err = root.Remove(repliesDir + "/" + replies[0].Name())
		replies = replies[1:]
	}
	return err
}

// hand gives the server one file, and gives its reply.
func (c *Client) hand(ctx context.Context, file []byte, r *Report) ([]byte, error) {
	d, err := c.store.Device()
	if err != nil {
		return nil, err
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, d.URL+wire.BundlePath, file)
	if err != nil {
		return nil, fmt.Errorf("address %s: %w", d.URL, err)
	}
	req.Header.Set("User-Agent", "")
	req.Header.Set("Authorization", "Bearer "+d.Token)
	r.RoundTrips++
	resp, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, errPin) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", errNoAnswer, plain(err))
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return nil, patience{retryAfter(resp)}
	case http.StatusNotFound:
		return nil, ErrUnfit // a server of before there were bundles
	default:
		return nil, c.fault(resp)
	}
	reply, err := io.ReadAll(io.LimitReader(resp.Body, bundle.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoAnswer, plain(err))
	}
	switch err := bundle.Check(reply); {
	case errors.Is(err, bundle.ErrForeign):
		return nil, fmt.Errorf("%w (%s)", ErrForeign, d.URL)
	case errors.Is(err, bundle.ErrRelease):
		return nil, ErrUnfit
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	return reply, nil
}
