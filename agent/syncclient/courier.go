package syncclient

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"zhucun/agent/store"
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
	maxCarriedSize = bundle.MaxSize
	maxReplies     = 64
)

// ErrBurdened says that so much waits to be handed on that no more is taken.
var ErrBurdened = errors.New("this laptop carries as much for others as it can; sync first")

// spared is what a file that somebody brings leaves of the disk, in bytes; of a small one
// the twentieth part.
const spared = 64 << 20

// ErrNoRoom says that the disk has no room for a file that somebody brought.
var ErrNoRoom = errors.New("the disk has no room for the file")

// roomFor tells whether the disk of the data takes a file of that size.
func (c *Client) roomFor(size int64) error {
	free, all, err := c.room(c.store.Dir())
	if err == nil && free < uint64(size)+min(spared, all/20) {
		return ErrNoRoom
	}
	return nil // what cannot be known hinders nothing
}

// ErrOwn says that a file is a bundle that this laptop made.
var ErrOwn = errors.New("the bundle is this laptop's own")

// root opens the folder of what is carried.
func (c *Client) root() (*os.Root, error) { return c.folder(courierDir, repliesDir, refusedDir) }

// arrival is a file that somebody brought, checked and kept in the data folder until it
// is known whose it is.
type arrival struct {
	*os.File
	size int64
	sum  [sha256.Size]byte
}

// comingIn are the names of such files.
const comingIn = ".taken-*"

// come reads a file that somebody brought. The errors are those of package bundle.
func (c *Client) come(r io.Reader) (a *arrival, err error) {
	// What the power left half way.
	old, err := filepath.Glob(filepath.Join(c.store.Dir(), comingIn))
	for _, path := range old {
		if info, ierr := os.Stat(path); ierr == nil && time.Since(info.ModTime()) > 24*time.Hour {
			err = errors.Join(err, os.Remove(path))
		}
	}
	if err != nil {
		return nil, err
	}
	a = new(arrival)
	if a.File, err = os.CreateTemp(c.store.Dir(), comingIn); err != nil { // 0600
		return nil, err
	}
	sum := sha256.New()
	if a.size, err = bundle.Copy(io.MultiWriter(a.File, sum), r, c.roomFor); err == nil {
		_, err = a.Seek(0, io.SeekStart)
	}
	if err != nil {
		a.end()
		return nil, err
	}
	a.sum = [sha256.Size]byte(sum.Sum(nil))
	return a, nil
}

// end removes what is left of it.
func (a *arrival) end() {
	a.Close()
	os.Remove(a.Name()) // it is gone where it was kept
}

// carry keeps a file that is somebody else's, and tells where the answer to it
// will be.
func (c *Client) carry(a *arrival) (reply string, err error) {
	root, err := c.root()
	if err != nil {
		return "", err
	}
	defer root.Close()
	name := hex.EncodeToString(a.sum[:8]) + bundle.Ext
	reply = filepath.Join(c.store.Dir(), courierDir, repliesDir, name)
	waiting, err := list(root, ".")
	if err != nil {
		return "", err
	}
	size := a.size
	for _, f := range waiting {
		if f.Name() == name {
			return reply, nil
		}
		size += f.Size()
	}
	if len(waiting) >= maxCarried || size > maxCarriedSize {
		return "", ErrBurdened
	}
	if err := errors.Join(a.Sync(), a.Close()); err != nil {
		return "", err
	}
	return reply, os.Rename(a.Name(), filepath.Join(c.store.Dir(), courierDir, name))
}

// put writes a file into root whole or not at all.
func put(root *os.Root, name string, write func(io.Writer) error) error {
	tmp := name + ".new"
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = write(f)
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

// deliver brings what waits to the server and keeps its replies: bundles with files in
// them, or those without. Where the link breaks the rest goes with the next sync.
func (c *Client) deliver(ctx context.Context, r *Report, files bool) error {
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
		if has, err := hasFiles(root, f.Name()); err != nil {
			return fmt.Errorf("carried file %s: %w", f.Name(), err)
		} else if has != files {
			continue
		}
		err := c.hand(ctx, root, f, files, r)
		var refused *wire.Fault
		switch {
		case errors.As(err, &refused) && refused.Code == wire.FaultBundle:
			// Set aside and shown, or it would go again with every sync.
			err = put(root, refusedDir+"/"+strings.TrimSuffix(f.Name(), bundle.Ext)+".txt", func(w io.Writer) error {
				_, err := io.WriteString(w, notTaken+refused.Text+"\n")
				return err
			})
			if err == nil {
				err = root.Rename(f.Name(), refusedDir+"/"+f.Name())
			}
		case err == nil:
			r.Carried++
			if err = forget(root); err == nil {
				err = root.Remove(f.Name())
			}
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

func hasFiles(root *os.Root, name string) (bool, error) {
	f, err := root.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return bundle.HasFiles(f)
}

// hand gives the server one file and keeps its reply. One with files in it goes in parts
// that follow the link, and is taken when it is whole; one without goes as it is.
func (c *Client) hand(ctx context.Context, root *os.Root, f fs.FileInfo, parts bool, r *Report) error {
	d, err := c.store.Device()
	if err != nil {
		return err
	}
	file, err := root.Open(f.Name())
	if err != nil {
		return err
	}
	defer file.Close()
	var body []byte
	upload := ""
	if parts {
		upload, err = c.upload(ctx, &d, root, f, file, r)
	} else {
		body, err = io.ReadAll(io.LimitReader(file, bundle.MaxFile+1))
	}
	if err != nil {
		return err
	}
	if err := c.ask(ctx, &d, root, f.Name(), body, path.Base(upload), r); err != nil {
		return err
	}
	if !parts {
		return nil
	}
	// The reply is here. What stays there runs out by itself.
	if resp, err := c.do(ctx, &d, http.MethodDelete, upload, nil, 0, r); err == nil {
		resp.Body.Close()
	}
	return missing(root.Remove(uploadNote(f.Name())))
}

// ask has the server take a bundle, which is body or has come as an upload, and keeps the
// reply.
func (c *Client) ask(ctx context.Context, d *store.Device, root *os.Root, name string, body []byte, upload string, r *Report) error {
	var content any
	if len(body) > 0 { // an empty one would go in chunks
		content = body
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, d.URL+wire.BundlePath, content)
	if err != nil {
		return fmt.Errorf("address %s: %w", d.URL, err)
	}
	req.Header.Set("User-Agent", "")
	req.Header.Set("Authorization", "Bearer "+d.Token)
	if len(body) == 0 {
		req.Header.Set(wire.BundleUpload, upload)
	}
	r.RoundTrips++
	resp, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, errPin) {
			return err
		}
		return fmt.Errorf("%w: %w", errNoAnswer, plain(err))
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return patience{retryAfter(resp)}
	case http.StatusNotFound:
		if len(body) == 0 { // it ran out there: it is brought anew
			return errors.Join(errNoAnswer, missing(root.Remove(uploadNote(name))))
		}
		return ErrUnfit // a server of before there were bundles
	default:
		return c.fault(resp)
	}
	err = put(root, repliesDir+"/"+name, func(w io.Writer) error {
		_, err := bundle.Copy(w, resp.Body, c.roomFor)
		return err
	})
	switch {
	case errors.Is(err, bundle.ErrForeign):
		return fmt.Errorf("%w (%s)", ErrForeign, d.URL)
	case errors.Is(err, bundle.ErrRelease):
		return ErrUnfit
	case errors.Is(err, bundle.ErrPartial), errors.Is(err, bundle.ErrDamaged), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", errNoAnswer, plain(err))
	}
	return err
}

func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// uploadNote is the name of the file that says where a bundle is being brought to.
func uploadNote(name string) string { return strings.TrimSuffix(name, bundle.Ext) + ".upload" }

// upload brings a file to the server in parts, from where the server has it on, and tells
// where it is there.
func (c *Client) upload(ctx context.Context, d *store.Device, root *os.Root, f fs.FileInfo, file io.ReaderAt, r *Report) (string, error) {
	to, at := "", int64(0)
	if raw, err := root.ReadFile(uploadNote(f.Name())); err == nil && strings.HasPrefix(string(raw), wire.BlobPath) {
		to = string(raw)
		resp, err := c.do(ctx, d, http.MethodHead, to, nil, 0, r)
		if err != nil {
			return "", err
		}
		resp.Body.Close()
		var perr error
		at, perr = strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64)
		switch {
		case resp.StatusCode == http.StatusOK && perr == nil && at >= 0 && at <= f.Size():
		case resp.StatusCode == http.StatusNotFound && resp.Header.Get("Tus-Resumable") != "":
			to = ""
		default:
			return "", refusalOf(resp)
		}
	}
	if to == "" {
		at = 0
		resp, err := c.do(ctx, d, http.MethodPost, wire.BlobPath+wire.BundleUploads, nil, 0, r, "Upload-Length", strconv.FormatInt(f.Size(), 10))
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		// It leads to a place at this server and nowhere else.
		if to = resp.Header.Get("Location"); resp.StatusCode != http.StatusCreated || !strings.HasPrefix(to, wire.BlobPath) {
			return "", refusalOf(resp)
		}
		if err := put(root, uploadNote(f.Name()), func(w io.Writer) error { _, err := io.WriteString(w, to); return err }); err != nil {
			return "", err
		}
	}
	for at < f.Size() {
		if err := c.textFirst(); err != nil {
			return "", err
		}
		size := min(c.partSize(), f.Size()-at)
		left := time.Now()
		part := make([]byte, size)
		if _, err := file.ReadAt(part, at); err != nil {
			return "", err
		}
		resp, err := c.do(ctx, d, http.MethodPatch, to, bytes.NewReader(part), size, r, "Content-Type", "application/offset+octet-stream", "Upload-Offset", strconv.FormatInt(at, 10))
		if err != nil {
			c.slower()
			return "", err
		}
		next, perr := strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64)
		if resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusConflict || perr != nil || resp.Header.Get("Tus-Resumable") == "" || next < 0 || next > f.Size() {
			err := refusalOf(resp)
			resp.Body.Close()
			return "", err
		}
		resp.Body.Close()
		c.paced(size, time.Since(left))
		at = next
	}
	return to, nil
}
