package syncclient

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/blob"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// What records show is brought behind the records: first all small pictures, then the
// files, one after the other, each in parts that follow the link, by the tus protocol
// (https://tus.io/protocols/resumable-upload). A cut loses what was on the line. Then
// what somebody here has asked for is fetched, in parts as well. Originals are last.

const (
	// maxFiles bounds the files that are looked at in one go.
	maxFiles = 200
	// minPart and maxPart bound a part of a file, in bytes.
	minPart = 32 << 10
	maxPart = 4 << 20
	// still is how long nothing may move before a part is given up.
	still = time.Minute
)

// errText says that something was written meanwhile, which goes first.
var errText = errors.New("records wait")

// errPhotos says that a photo was added meanwhile, which goes before originals.
var errPhotos = errors.New("photos wait")

// files brings files to the server and fetches those that were asked for, until there
// are none, records wait to be sent, or the line fails.
func (c *Client) files(ctx context.Context, r *Report) error {
	defer c.note(func(*State) { c.course.Files = 0 })
	for failures := 0; ; {
		done, moved, err := c.someFiles(ctx, r)
		c.note(func(*State) {
			if c.course.Trouble = nil; errors.Is(err, errNoAnswer) {
				c.course.Trouble = err
			}
		})
		switch {
		case err == nil && done, errors.Is(err, errText), ctx.Err() != nil:
			return err
		case err == nil, errors.Is(err, errPhotos):
			failures = 0
			continue
		case !errors.Is(err, errNoAnswer):
			return err
		}
		if moved {
			failures = 0
		}
		if failures++; failures > 4 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second << failures / 2):
		}
	}
}

// someFiles is one look at what there is to carry; done tells that there is nothing, and
// moved that something of it got through.
func (c *Client) someFiles(ctx context.Context, r *Report) (done, moved bool, err error) {
	d, err := c.store.Device()
	if err != nil {
		return false, false, err
	}
	if err := c.missed(ctx, &d, r); err != nil {
		return false, false, err
	}
	bring, fetch, err := c.store.Undelivered(maxFiles)
	if err != nil || len(bring)+len(fetch) == 0 {
		return true, false, errors.Join(err, c.leaving(ctx, &d, false, r))
	}
	villages := map[record.Village][]store.Blob{}
	for _, b := range bring {
		if !b.Delivered {
			villages[b.Village] = append(villages[b.Village], b)
		}
	}
	for v, list := range villages {
		n, err := c.askHeld(ctx, &d, v, list, r)
		if moved = moved || n > 0; err != nil {
			return false, moved, err
		}
	}
	c.carries(nil, len(fetch))
	for _, b := range bring {
		if b.Small && !b.SmallSent {
			if err := c.bringSmall(ctx, &d, &b, r); err != nil {
				return false, moved, err
			}
			moved = true
		}
	}
	// As it is now: what the server had is delivered.
	if bring, fetch, err = c.store.Undelivered(maxFiles); err != nil {
		return false, moved, err
	}
	bring = slices.DeleteFunc(bring, func(b store.Blob) bool { return b.Delivered })
	if moved, err = c.bringAll(ctx, &d, bring, false, len(fetch), moved, r); err != nil {
		return false, moved, err
	}
	missing := 0
	for i, b := range fetch {
		c.carries(nil, len(fetch)-i)
		n, err := c.fetch(ctx, &d, &b, r)
		moved = moved || n > 0
		if errors.Is(err, errNotThere) || errors.Is(err, store.ErrBlob) || errors.Is(err, store.ErrDamaged) {
			missing++
			continue
		}
		if err != nil {
			return false, moved, err
		}
	}
	if moved, err = c.bringAll(ctx, &d, bring, true, 0, moved, r); err != nil {
		return false, moved, err
	}
	bring, fetch, err = c.store.Undelivered(maxFiles)
	return len(bring) == 0 && len(fetch) <= missing || !moved, moved, err
}

// bringAll brings those of the files that are originals, or those that are not; so many
// are to be fetched beside them.
func (c *Client) bringAll(ctx context.Context, d *store.Device, bring []store.Blob, originals bool, fetch int, moved bool, r *Report) (bool, error) {
	for _, b := range bring {
		if b.Original != originals {
			continue
		}
		c.carries(&b, fetch)
		n, err := c.bring(ctx, d, &b, r)
		moved = moved || n > 0
		if err = c.unread(ctx, b, err, r); err != nil {
			return moved, err
		}
	}
	return moved, nil
}

// unread takes note of a file that cannot be read, and gives any other error: the others go.
func (c *Client) unread(ctx context.Context, b store.Blob, err error, r *Report) error {
	if !errors.Is(err, store.ErrDamaged) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c.log.Warn("a file cannot be read", "file", b.FileName(), "error", err)
	if slices.ContainsFunc(r.Unread, func(f store.BlobFault) bool { return f.Village == b.Village && f.Hash == b.Hash }) {
		return nil
	}
	f, err := c.store.FaultOf(ctx, b, err)
	r.Unread = append(r.Unread, f)
	return err
}

// lastFiles brings the files of a laptop that was revoked: it is emptied once all of its
// work is in a backup.
func (c *Client) lastFiles(ctx context.Context, r *Report) error {
	d, err := c.store.Device()
	if err != nil {
		return err
	}
	bring, _, err := c.store.Undelivered(maxFiles)
	for _, b := range bring {
		if err == nil && !b.Delivered {
			_, err = c.bring(ctx, &d, &b, r)
			err = c.unread(ctx, b, err, r)
		}
	}
	return errors.Join(err, c.leaving(ctx, &d, true, r))
}

// leaving asks of the files of villages that are to go whether they are in a backup: they
// go when they are. all is for a laptop that was revoked.
func (c *Client) leaving(ctx context.Context, d *store.Device, all bool, r *Report) error {
	villages := map[record.Village][]store.Blob{}
	if err := c.store.EachBlob(func(b store.Blob) bool {
		if _, err := d.Village(b.Village); (all || err != nil) && b.Own && b.Here && b.Delivered && !b.Backed && len(villages[b.Village]) < wire.MaxAsked {
			villages[b.Village] = append(villages[b.Village], b)
		}
		return true
	}); err != nil {
		return err
	}
	for v, list := range villages {
		if _, err := c.askHeld(ctx, d, v, list, r); err != nil {
			return err
		}
	}
	return nil
}

// maxMissed is of how many files the server is asked a day whether it has them still:
// where it makes no backup, those are ever more. One takes some 150 bytes.
const maxMissed = 200

// missed asks, once a day, of files that the server has and no backup of it, whether it has
// them still. What it lost comes again with the files that wait.
func (c *Client) missed(ctx context.Context, d *store.Device, r *Report) error {
	list, due, err := c.store.Unbacked()
	if err != nil || !due {
		return err
	}
	list = slices.DeleteFunc(list, func(b store.Blob) bool {
		_, err := d.Village(b.Village)
		return err != nil // those are asked for until they go (leaving)
	})
	// Not the same ones every day.
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	villages := map[record.Village][]store.Blob{}
	for _, b := range list[:min(len(list), maxMissed)] {
		villages[b.Village] = append(villages[b.Village], b)
	}
	for v, list := range villages {
		if _, err := c.askHeld(ctx, d, v, list, r); err != nil {
			return err
		}
	}
	return c.store.AskedMissed(ctx)
}

// textFirst tells whether records wait, which go before files.
func (c *Client) textFirst() error { return c.first(nil) }

// first tells whether something waits that goes before a file: records or, before an
// original, photos that can be read.
func (c *Client) first(b *store.Blob) error {
	st, err := c.store.Status()
	switch {
	case err != nil:
		return err
	case st.Pending > 0:
		return errText
	case b == nil || !b.Original || st.Blobs == 0:
		return nil
	}
	bring, _, err := c.store.Undelivered(1)
	if err == nil && len(bring) > 0 && !bring[0].Original && bring[0].Here && !bring[0].Damaged {
		err = errPhotos
	}
	return err
}

// askHeld asks which of a village's files the server has already, and takes its
// receipts. What was delivered and is not there any more is to be brought again.
func (c *Client) askHeld(ctx context.Context, d *store.Device, v record.Village, list []store.Blob, r *Report) (n int, err error) {
	ask := &wire.BlobAsk{Version: wire.Version}
	originals := false
	for _, b := range list {
		ask.Hashes, ask.Of = append(ask.Hashes, b.Hash), append(ask.Of, ofOf(&b))
		originals = originals || len(b.Of) > 0
	}
	if !originals {
		ask.Of = nil
	}
	held := new(wire.BlobsHeld)
	if _, err := c.post(ctx, *d, wire.BlobPath+string(v)+wire.BlobsAsked, ask, held, r); err != nil {
		return 0, err
	}
	for _, b := range list {
		if b.Delivered && !slices.ContainsFunc(held.Receipts, func(x blob.Receipt) bool { return x.Hash == b.Hash }) {
			c.log.Warn("the server has lost a file that it had; it is brought again", "file", b.FileName())
			if err := c.store.Mark(ctx, v, b.Hash, func(b *store.Blob) { b.Delivered, b.Backed, b.Since = false, false, d.Bundles }); err != nil {
				return n, err
			}
		}
	}
	for _, receipt := range held.Receipts {
		ok, err := c.store.DeliveredBlob(ctx, v, receipt)
		if err != nil {
			return n, err
		}
		if ok {
			n++
		}
		if ok && receipt.Received.Milli() <= held.Backed {
			if err := c.store.Mark(ctx, v, receipt.Hash, func(b *store.Blob) { b.Backed = true }); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// ofOf gives the photos that a file is the original of, as many as the server is told.
func ofOf(b *store.Blob) []blob.Hash { return b.Of[:min(len(b.Of), wire.MaxOf)] }

// do makes one request about a file. What does not come is errNoAnswer.
func (c *Client) do(ctx context.Context, d *store.Device, method, path string, body io.Reader, size int64, r *Report, header ...string) (*http.Response, error) {
	ctx, cancel := context.WithCancel(ctx)
	watch := c.watch(cancel)
	req, err := http.NewRequestWithContext(ctx, method, d.URL+path, body)
	if err != nil {
		cancel()
		watch()
		return nil, fmt.Errorf("address %s: %w", d.URL, err)
	}
	req.ContentLength = size
	if size == 0 {
		req.Body = http.NoBody
	}
	req.Header.Set("User-Agent", "")
	req.Header.Set("Authorization", "Bearer "+d.Token)
	req.Header.Set("Tus-Resumable", "1.0.0")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	r.RoundTrips++
	resp, err := c.http.HTTPClient.Do(req)
	if err != nil {
		cancel()
		watch()
		if errors.Is(err, store.ErrDamaged) {
			return nil, err
		}
		return nil, unanswered(d, err)
	}
	resp.Body = &watched{resp.Body, func() { cancel(); watch() }}
	if busy(resp) {
		resp.Body.Close()
		return nil, patience{retryAfter(resp)}
	}
	return resp, nil
}

// watch gives up a request while nothing moves, until it is told that it ended.
func (c *Client) watch(give context.CancelFunc) (ended func()) {
	done := make(chan struct{})
	go func() {
		up, down := c.count.read()
		tick := time.NewTicker(still)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			u, d := c.count.read()
			if u == up && d == down {
				give()
				return
			}
			up, down = u, d
		}
	}()
	return func() { close(done) }
}

// watched is an answer's body whose end ends the watch over it.
type watched struct {
	io.ReadCloser
	ended func()
}

func (w *watched) Close() error {
	err := w.ReadCloser.Close()
	if w.ended != nil {
		w.ended()
		w.ended = nil
	}
	return err
}

// refusalOf gives a server's refusal of a file as an error. A portal's page is none.
func refusalOf(resp *http.Response) error {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	if resp.Header.Get("Tus-Resumable") == "" {
		return fmt.Errorf("%w (%s)", ErrForeign, resp.Status)
	}
	return fmt.Errorf("the server says of a file: %s (%d)", strings.TrimSpace(string(b)), resp.StatusCode)
}

// bringSmall brings a file's small picture.
func (c *Client) bringSmall(ctx context.Context, d *store.Device, b *store.Blob, r *Report) error {
	if err := c.textFirst(); err != nil {
		return err
	}
	small, err := c.store.SmallBlob(b.Hash)
	if err != nil {
		// It is not worth keeping the photo for.
		return c.store.Mark(ctx, b.Village, b.Hash, func(x *store.Blob) { x.Small = false })
	}
	begun := time.Now()
	resp, err := c.do(ctx, d, http.MethodPut, wire.BlobPath+string(b.Village)+"/"+b.FileName()+wire.BlobThumbnail, bytes.NewReader(small), int64(len(small)), r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent || resp.Header.Get("Tus-Resumable") == "" {
		return refusalOf(resp)
	}
	c.through(int64(len(small)), 0, time.Since(begun))
	return c.store.Mark(ctx, b.Village, b.Hash, func(x *store.Blob) { x.SmallSent = true })
}

// bring brings a file, from where the server has it on; n is how many bytes got there.
func (c *Client) bring(ctx context.Context, d *store.Device, b *store.Blob, r *Report) (n int64, err error) {
	// What cannot be read is not announced: it would take the place of one that can.
	f, _, err := c.store.OpenBlob(b.Hash, 0)
	if err != nil {
		return 0, err
	}
	f.Close()
	at, err := c.announced(ctx, d, b, r)
	if err != nil {
		return 0, err
	}
	begun := at
	c.measures(b.Size, b.Size-at)
	for {
		if err := c.first(b); err != nil {
			return at - begun, err
		}
		size := min(c.partSize(), b.Size-at)
		left := time.Now()
		resp, err := c.patch(ctx, d, b, at, size, r)
		if err != nil {
			if !errors.Is(err, store.ErrDamaged) {
				c.slower()
			}
			return at - begun, err
		}
		receipt := blob.ReadHeader(b.Hash, resp.Header.Get(wire.BlobReceipt))
		to, perr := strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64)
		switch {
		case resp.StatusCode == http.StatusNoContent && perr == nil && resp.Header.Get("Tus-Resumable") != "":
			resp.Body.Close()
		case resp.StatusCode == http.StatusNotFound || resp.StatusCode == 460:
			// It ran out there, or came together wrong: it begins anew.
			resp.Body.Close()
			return 0, errors.Join(errNoAnswer, c.store.Mark(ctx, b.Village, b.Hash, func(x *store.Blob) { x.Upload = "" }))
		case resp.StatusCode == http.StatusConflict && perr == nil:
			resp.Body.Close()
		default:
			err := refusalOf(resp)
			resp.Body.Close()
			return at - begun, err
		}
		c.paced(size, time.Since(left))
		if at = to; at < 0 || at > b.Size {
			return 0, fmt.Errorf("%w: the server has more of a file than there is", errNoAnswer)
		}
		c.through(size, b.Size-at, time.Since(left))
		if at < b.Size {
			continue
		}
		ok, err := c.store.DeliveredBlob(ctx, b.Village, receipt)
		if err == nil && !ok {
			// It has all of it and did not say so: it is asked.
			_, err = c.askHeld(ctx, d, b.Village, []store.Blob{*b}, r)
		}
		if ok {
			r.Files++
		}
		return at - begun, err
	}
}

// announced makes sure that the server expects a file, and tells how much it has.
func (c *Client) announced(ctx context.Context, d *store.Device, b *store.Blob, r *Report) (at int64, err error) {
	if b.Upload != "" {
		resp, err := c.do(ctx, d, http.MethodHead, b.Upload, nil, 0, r)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		at, perr := strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64)
		if resp.StatusCode == http.StatusOK && perr == nil && at >= 0 && at <= b.Size {
			return at, nil
		}
		if resp.StatusCode != http.StatusNotFound || resp.Header.Get("Tus-Resumable") == "" {
			return 0, refusalOf(resp)
		}
	}
	meta := "hash " + base64.StdEncoding.EncodeToString([]byte(b.Hash.String())) + ",filename " + base64.StdEncoding.EncodeToString([]byte(b.FileName()))
	if len(b.Of) > 0 {
		var of []string
		for _, h := range ofOf(b) {
			of = append(of, h.String())
		}
		meta += ",original " + base64.StdEncoding.EncodeToString([]byte(strings.Join(of, " ")))
	}
	resp, err := c.do(ctx, d, http.MethodPost, wire.BlobPath+string(b.Village), nil, 0, r, "Upload-Length", strconv.FormatInt(b.Size, 10), "Upload-Metadata", meta)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	// It leads to a place at this server and nowhere else.
	if b.Upload = resp.Header.Get("Location"); resp.StatusCode != http.StatusCreated || !strings.HasPrefix(b.Upload, wire.BlobPath) {
		return 0, refusalOf(resp)
	}
	return 0, c.store.Mark(ctx, b.Village, b.Hash, func(x *store.Blob) { x.Upload = b.Upload })
}

func (c *Client) patch(ctx context.Context, d *store.Device, b *store.Blob, at, size int64, r *Report) (*http.Response, error) {
	f, _, err := c.store.OpenBlob(b.Hash, at)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	part := make([]byte, size)
	if _, err := io.ReadFull(f, part); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("%w: the file %s ends too early", store.ErrDamaged, b.Hash)
	} else if err != nil {
		return nil, err
	}
	return c.do(ctx, d, http.MethodPatch, b.Upload, bytes.NewReader(part), size, r, "Content-Type", "application/offset+octet-stream", "Upload-Offset", strconv.FormatInt(at, 10))
}

// errNotThere says that the server does not have a file that was asked for.
var errNotThere = errors.New("the server does not have the file yet")

// begun is the beginning of a part that a cut left, for as long as the agent runs.
type begun struct {
	hash blob.Hash
	at   int64
	some []byte
}

// fetch fetches a file that somebody asked for, from where it is here on.
func (c *Client) fetch(ctx context.Context, d *store.Device, b *store.Blob, r *Report) (n int64, err error) {
	path := wire.BlobPath + string(b.Village) + "/" + b.FileName()
	if !b.Small {
		if err := c.fetchSmall(ctx, d, b, r); err != nil {
			return 0, err
		}
	}
	at, err := c.store.Arrived(b.Hash)
	if err != nil {
		return 0, err
	}
	sized := false
	part := make([]byte, 0, store.Part)
	if c.begun.hash == b.Hash && c.begun.at == at {
		part = append(part, c.begun.some...)
	}
	for {
		if err := c.textFirst(); err != nil {
			return n, err
		}
		from, size, left := at+int64(len(part)), c.partSize(), time.Now()
		resp, err := c.do(ctx, d, http.MethodGet, path, nil, 0, r, "Range", fmt.Sprintf("bytes=%d-%d", from, from+size-1))
		if err != nil {
			c.slower()
			return n, err
		}
		if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone {
			resp.Body.Close()
			return n, errNotThere
		}
		all := rangeOf(resp, from)
		if all < 0 {
			err := refusalOf(resp)
			resp.Body.Close()
			return n, err
		}
		if !sized {
			c.measures(all, all-from)
			sized = true
		}
		to := min(from+size, all)
		passes := to - from
		for from < to && err == nil {
			var m int
			m, err = io.ReadFull(resp.Body, part[len(part):min(int64(len(part))+to-from, store.Part)])
			part, from, n = part[:len(part)+m], from+int64(m), n+int64(m)
			if len(part) == store.Part {
				if serr := c.store.Append(b.Hash, part); serr != nil {
					resp.Body.Close()
					return n, serr
				}
				at, part = at+store.Part, part[:0]
			}
		}
		resp.Body.Close()
		switch {
		case err != nil:
			c.begun = begun{b.Hash, at, bytes.Clone(part)}
			c.slower()
			return n, fmt.Errorf("%w: a file broke off", errNoAnswer)
		case from == all:
			r.Files++
			return n, c.store.Assemble(ctx, b.Village, b.Hash, part)
		}
		c.paced(size, time.Since(left))
		c.through(passes, all-from, time.Since(left))
	}
}

// rangeOf reads how long a file is of which a part comes, from a place on; -1 where the
// answer is none.
func rangeOf(resp *http.Response, at int64) (all int64) {
	var from, to int64
	of := resp.Header.Get("Content-Range")
	switch {
	case resp.Header.Get("Tus-Resumable") == "":
	case resp.StatusCode == http.StatusPartialContent:
		if n, err := fmt.Sscanf(of, "bytes %d-%d/%d", &from, &to, &all); err == nil && n == 3 && from == at && all <= wire.MaxBlob {
			return all
		}
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable: // it ends here
		if n, err := fmt.Sscanf(of, "bytes */%d", &all); err == nil && n == 1 && all == at {
			return all
		}
	}
	return -1
}

func (c *Client) fetchSmall(ctx context.Context, d *store.Device, b *store.Blob, r *Report) error {
	resp, err := c.do(ctx, d, http.MethodGet, wire.BlobPath+string(b.Village)+"/"+b.FileName()+wire.BlobThumbnail, nil, 0, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.Header.Get("Tus-Resumable") == "" {
		return refusalOf(resp)
	}
	if resp.StatusCode != http.StatusOK {
		return nil // there is none
	}
	small, err := io.ReadAll(io.LimitReader(resp.Body, wire.MaxThumbnail+1))
	if err != nil {
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	if len(small) > wire.MaxThumbnail || http.DetectContentType(small) != "image/jpeg" {
		return nil
	}
	return c.store.PutSmall(ctx, b.Village, b.Hash, small)
}

// partSize is how many bytes of a file go at a time: what the line carries in a frame.
func (c *Client) partSize() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.filePart == 0 {
		c.filePart = 4 * minPart
	}
	return c.filePart
}

// paced learns from a part that got through in so long.
func (c *Client) paced(size int64, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fits := int64(float64(size) * float64(frame) / float64(max(took, time.Millisecond)))
	c.filePart = min(max(min(fits, 4*c.filePart), minPart), maxPart)
}

// slower makes the next parts smaller, after a cut.
func (c *Client) slower() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.filePart = max(c.filePart/2, minPart)
}
