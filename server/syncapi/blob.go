package syncapi

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	files "zhucun/server/blob"
	"zhucun/server/store"
	"zhucun/shared/blob"
	"zhucun/shared/bundle"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// The tus protocol (https://tus.io/protocols/resumable-upload, 1.0.0): a file is
// announced (POST), comes in pieces (PATCH) and says how far it is (HEAD), with the
// extensions creation, checksum, expiration and termination. Its URL is BlobPath, the
// village's code and an id of 32 hexadecimal digits. What is here whole is given out
// (GET) under its name. Beside the protocol's own metadata "filename", "hash" says what
// the content is: of a file that the village has already nothing need come; "original"
// names the photos, a space between, that it is the original of.
const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,checksum,expiration,termination"
	tusChecksums  = "sha1,sha256"
	// tusMismatch is the protocol's status for content that is not as it was sent.
	tusMismatch = 460
)

const (
	// keepUpload is how long a file on its way is kept after the last piece.
	keepUpload = 30 * 24 * time.Hour
	// maxUploads bounds the files on their way of one device in a village.
	maxUploads = 16
	// maxBundles bounds the bundles that are on their way by one courier.
	maxBundles = 2
)

// Blobs answers under wire.BlobPath.
type Blobs struct {
	h    *Handler
	mu   sync.Mutex
	open map[string]*piece // by upload
}

// NewBlobs gives the handler beside that of the sync.
func NewBlobs(h *Handler) *Blobs { return &Blobs{h: h, open: map[string]*piece{}} }

func (b *Blobs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["Date"] = nil
	w.Header().Set("Tus-Resumable", tusVersion)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	err := b.serve(w, r)
	if err == nil {
		return
	}
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{http.StatusInternalServerError, wire.Fault{Code: wire.FaultServer, Text: "the server failed; nothing was lost, try again later"}}
		if b.h.store.Again(err) || r.Context().Err() != nil {
			f.status = http.StatusServiceUnavailable
			w.Header().Set("Retry-After", "10")
		}
		if r.Context().Err() == nil {
			b.h.log.Error("a file's request failed", "method", r.Method, "error", err)
		}
	}
	if f.status == http.StatusLengthRequired || f.status == http.StatusRequestEntityTooLarge {
		w.Header().Set("Connection", "close")
	}
	http.Error(w, f.Text, f.status)
}

// asked is a request under BlobPath: a village, and what of it.
type asked struct {
	device  store.Device
	village record.Village
	rest    string // behind the village: an upload's id, a file's name, or nothing
}

func (b *Blobs) serve(w http.ResponseWriter, r *http.Request) error {
	if b.h.store.Files == nil {
		return refuse(http.StatusNotFound, wire.FaultMessage, "no files are kept here")
	}
	if len(r.TransferEncoding) > 0 || r.ContentLength < 0 {
		return refuse(http.StatusLengthRequired, wire.FaultMessage, lengthNeeded)
	}
	method := r.Method
	if over := r.Header.Get("X-HTTP-Method-Override"); over != "" {
		method = over
	}
	if method == http.MethodOptions {
		w.Header().Set("Tus-Version", tusVersion)
		w.Header().Set("Tus-Extension", tusExtensions)
		w.Header().Set("Tus-Checksum-Algorithm", tusChecksums)
		w.Header().Set("Tus-Max-Size", strconv.Itoa(wire.MaxBlob))
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	device, err := b.h.device(r)
	if err != nil {
		return err
	}
	village, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, wire.BlobPath), "/")
	a := &asked{device, record.Village(village), rest}
	if a.bundle() && method != http.MethodGet {
		if device.Revoked() {
			return refuse(http.StatusForbidden, wire.FaultRevoked, "the office has revoked this laptop")
		}
		return b.tus(w, r, a, method)
	}
	reads := method == http.MethodGet || strings.Contains(rest, ".") && method == http.MethodHead
	if reads && (device.Revoked() || !slices.Contains(device.Villages, a.village)) {
		return refuse(http.StatusForbidden, wire.FaultRevoked, "the village is not this laptop's")
	}
	if may, err := b.h.store.MayBring(r.Context(), &device, a.village); err != nil {
		return err
	} else if !may {
		return refuse(http.StatusForbidden, wire.FaultRevoked, "the village is not this laptop's")
	}
	switch {
	case reads:
		return b.give(w, r, a)
	case method == http.MethodPost && "/"+rest == wire.BlobsAsked:
		return b.asked(w, r, a)
	case method == http.MethodPut && strings.HasSuffix(rest, wire.BlobThumbnail):
		return b.thumbnail(w, r, a)
	}
	return b.tus(w, r, a, method)
}

// tus answers what belongs to the protocol.
func (b *Blobs) tus(w http.ResponseWriter, r *http.Request, a *asked, method string) error {
	rest := a.rest
	if v := r.Header.Get("Tus-Resumable"); v != tusVersion {
		w.Header().Set("Tus-Version", tusVersion)
		return refuse(http.StatusPreconditionFailed, wire.FaultVersion, "files come by tus 1.0.0")
	}
	switch method {
	case http.MethodPost:
		if rest == "" {
			return b.create(w, r, a)
		}
	case http.MethodHead:
		return b.head(w, r, a)
	case http.MethodPatch:
		return b.patch(w, r, a)
	case http.MethodDelete:
		return b.terminate(w, r, a)
	}
	w.Header().Set("Allow", "OPTIONS, POST, HEAD, PATCH, DELETE, GET")
	return refuse(http.StatusMethodNotAllowed, wire.FaultMessage, "this is not done here")
}

// bundle tells that it is about a bundle that comes in parts, and not about a file of a
// village's.
func (a *asked) bundle() bool { return a.village == wire.BundleUploads }

// create announces a file.
func (b *Blobs) create(w http.ResponseWriter, r *http.Request, a *asked) error {
	size, err := strconv.ParseInt(r.Header.Get("Upload-Length"), 10, 64)
	if err != nil || size < 0 {
		return refuse(http.StatusBadRequest, wire.FaultMessage, "Upload-Length says how long the file is")
	}
	limit, most := int64(wire.MaxBlob), maxUploads
	if a.bundle() {
		limit, most = bundle.MaxSize, maxBundles
	}
	if size > limit || size == 0 && a.bundle() {
		return refuse(http.StatusRequestEntityTooLarge, wire.FaultMessage, "the file is too large")
	}
	meta, err := metadata(r.Header.Get("Upload-Metadata"))
	if err != nil {
		return err
	}
	u := store.Upload{Village: a.village, Device: a.device.ID, Kind: blob.Kind(meta["filename"]), Size: size, Expires: b.h.store.Now().Add(keepUpload)}
	if text, said := meta["hash"]; said {
		h, ok := blob.ParseHash(text)
		if !ok {
			return refuse(http.StatusBadRequest, wire.FaultMessage, "hash is the SHA-256 in hexadecimal")
		}
		u.Hash = &h
	}
	for _, text := range strings.Fields(meta["original"]) {
		h, ok := blob.ParseHash(text)
		if !ok || len(u.Of) == wire.MaxOf {
			return refuse(http.StatusBadRequest, wire.FaultMessage, "original names the photos by their SHA-256 in hexadecimal")
		}
		u.Of = append(u.Of, h)
	}
	var id [16]byte
	rand.Read(id[:])
	binary.BigEndian.PutUint64(id[:], uint64(b.h.store.Now().UnixNano())) // the oldest is given up first
	u.ID = hex.EncodeToString(id[:])
	if err := b.h.store.BeginUpload(r.Context(), u, most); err != nil {
		return err
	}
	w.Header().Set("Location", wire.BlobPath+string(a.village)+"/"+u.ID)
	w.Header().Set("Upload-Expires", u.Expires.UTC().Format(http.TimeFormat))
	if size == 0 {
		if err := b.appended(r.Context(), w, u, 0, nil, nil); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusCreated)
	return nil
}

// metadata reads tus's pairs of a key and a value in Base64.
func metadata(text string) (map[string]string, error) {
	m := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, " ")
		raw, err := base64.StdEncoding.DecodeString(value)
		if _, twice := m[key]; err != nil || key == "" || twice {
			return nil, refuse(http.StatusBadRequest, wire.FaultMessage, "Upload-Metadata cannot be read")
		}
		m[key] = string(raw)
	}
	return m, nil
}

// upload finds the file on its way that is asked about.
func (b *Blobs) upload(ctx context.Context, a *asked) (store.Upload, int64, error) {
	u, err := b.h.store.Upload(ctx, a.village, a.rest)
	if errors.Is(err, store.ErrNotFound) || err == nil && u.Device != a.device.ID {
		return u, 0, refuse(http.StatusNotFound, wire.FaultMessage, "no such file is on its way; announce it anew")
	}
	if err != nil {
		return u, 0, err
	}
	at, err := b.h.store.Files.Arrived(u.ID)
	return u, at, err
}

func (b *Blobs) head(w http.ResponseWriter, r *http.Request, a *asked) error {
	u, at, err := b.upload(r.Context(), a)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Upload-Offset", strconv.FormatInt(at, 10))
	w.Header().Set("Upload-Length", strconv.FormatInt(u.Size, 10))
	w.Header().Set("Upload-Expires", u.Expires.UTC().Format(http.TimeFormat))
	w.WriteHeader(http.StatusOK)
	return nil
}

// piece is a request under way that brings a part of a file. A laptop whose link died
// comes back while it still stands open: the newer one goes on, the older is given up.
type piece struct {
	call
	done chan struct{}
}

func (b *Blobs) enter(ctx context.Context, w http.ResponseWriter, id string) (c *call, leave func(), err error) {
	for {
		b.mu.Lock()
		before := b.open[id]
		if before == nil {
			p := &piece{call{control: http.NewResponseController(w)}, make(chan struct{})}
			b.open[id] = p
			b.mu.Unlock()
			return &p.call, func() {
				p.arrived() // nobody may touch the connection any more
				b.mu.Lock()
				delete(b.open, id)
				b.mu.Unlock()
				close(p.done)
			}, nil
		}
		b.mu.Unlock()
		before.giveUp()
		select {
		case <-before.done:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(maxWait):
			return nil, nil, refuse(http.StatusLocked, wire.FaultBusy, "another request brings this file")
		}
	}
}

// patch takes the next part of a file.
func (b *Blobs) patch(w http.ResponseWriter, r *http.Request, a *asked) error {
	if r.Header.Get("Content-Type") != "application/offset+octet-stream" {
		return refuse(http.StatusUnsupportedMediaType, wire.FaultMessage, "a part of a file is application/offset+octet-stream")
	}
	call, leave, err := b.enter(r.Context(), w, a.rest)
	if err != nil {
		return err
	}
	defer leave()
	u, at, err := b.upload(r.Context(), a)
	if err != nil {
		return err
	}
	offset, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || offset != at {
		w.Header().Set("Upload-Offset", strconv.FormatInt(at, 10))
		return refuse(http.StatusConflict, wire.FaultMessage, "the file ends elsewhere")
	}
	if r.ContentLength > u.Size-at {
		return refuse(http.StatusRequestEntityTooLarge, wire.FaultMessage, "more than the file was to have")
	}
	var body io.Reader = &moving{r.Body, call, b.h.store.Now}
	var check func() error
	if text := r.Header.Get("Upload-Checksum"); text != "" {
		sum, want, err := checksum(text)
		if err != nil {
			return err
		}
		body = io.TeeReader(body, sum)
		check = func() error {
			if got := sum.Sum(nil); !slices.Equal(got, want) {
				return refuse(tusMismatch, wire.FaultMessage, "the part is not as it was sent")
			}
			return nil
		}
	}
	if err := b.appended(r.Context(), w, u, at, body, check); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func checksum(text string) (hash.Hash, []byte, error) {
	name, value, _ := strings.Cut(text, " ")
	want, err := base64.StdEncoding.DecodeString(value)
	switch {
	case err != nil:
	case name == "sha1":
		return sha1.New(), want, nil
	case name == "sha256":
		return sha256.New(), want, nil
	}
	return nil, nil, refuse(http.StatusBadRequest, wire.FaultMessage, "Upload-Checksum is sha1 or sha256 and its value in Base64")
}

// appended adds a part and, where that is the last, gives the file its name and the
// sender a receipt.
func (b *Blobs) appended(ctx context.Context, w http.ResponseWriter, u store.Upload, at int64, body io.Reader, check func() error) error {
	s := b.h.store
	if body == nil {
		body = strings.NewReader("")
	}
	n, err := s.Files.Append(u.ID, at, u.Size, body, check)
	if at += n; err != nil && !errors.As(err, new(*fault)) && !errors.Is(err, files.ErrOffset) && ctx.Err() == nil {
		b.h.log.Debug("a part of a file broke off", "at", at, "error", err)
	}
	if err != nil && at < u.Size {
		if errors.Is(err, files.ErrOffset) {
			return refuse(http.StatusConflict, wire.FaultMessage, "the file ends elsewhere")
		}
		if errors.As(err, new(*fault)) {
			return err
		}
		return refuse(http.StatusBadRequest, wire.FaultMessage, "the part did not arrive whole; what did is kept")
	}
	w.Header().Set("Upload-Offset", strconv.FormatInt(at, 10))
	if at < u.Size || u.Village == wire.BundleUploads {
		u.Expires = s.Now().Add(keepUpload)
		w.Header().Set("Upload-Expires", u.Expires.UTC().Format(http.TimeFormat))
		return s.ExtendUpload(ctx, u)
	}
	h, err := s.Files.Finish(u.ID, u.Hash)
	if errors.Is(err, files.ErrContent) {
		return errors.Join(refuse(tusMismatch, wire.FaultMessage, "the file is not what its name says; announce it anew"), s.Files.Drop(u.ID), s.EndUpload(ctx, u))
	}
	if err != nil {
		return err
	}
	held, err := s.TakeBlob(ctx, store.Blob{Village: u.Village, Hash: h, Kind: u.Kind, Size: u.Size, Device: u.Device, Of: u.Of})
	if errors.Is(err, store.ErrErasedFile) {
		// What came of it goes by the hour, as what no village has.
		return errors.Join(refuse(http.StatusGone, wire.FaultMessage, "the file's record was erased by law"), s.EndUpload(ctx, u))
	}
	if err != nil {
		return err
	}
	w.Header().Set(wire.BlobReceipt, held.Receipt.Header())
	w.Header().Set("Zhucun-Name", blob.Name(h, held.Kind))
	return s.EndUpload(ctx, u)
}

func (b *Blobs) terminate(w http.ResponseWriter, r *http.Request, a *asked) error {
	_, leave, err := b.enter(r.Context(), w, a.rest)
	if err != nil {
		return err
	}
	defer leave()
	u, _, err := b.upload(r.Context(), a)
	if err != nil {
		return err
	}
	if err := errors.Join(b.h.store.EndUpload(r.Context(), u), b.h.store.Files.Drop(u.ID)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// asked answers which of a village's files are here.
func (b *Blobs) asked(w http.ResponseWriter, r *http.Request, a *asked) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEnrolled))
	if err != nil {
		return unreadable(err)
	}
	m := new(wire.BlobAsk)
	if err := wire.Unmarshal(body, 4*maxEnrolled, m); err != nil {
		return unreadable(err)
	}
	if err := version(m.Version); err != nil {
		return err
	}
	if len(m.Of) != 0 && len(m.Of) != len(m.Hashes) || slices.ContainsFunc(m.Of, func(of []blob.Hash) bool { return len(of) > wire.MaxOf }) {
		return refuse(http.StatusBadRequest, wire.FaultMessage, "what is the original of what cannot be told")
	}
	if len(m.Hashes) > wire.MaxAsked {
		return refuse(http.StatusRequestEntityTooLarge, wire.FaultMessage, "too many files at once")
	}
	held := &wire.BlobsHeld{Version: wire.Version}
	backed, err := b.h.store.FilesBacked(r.Context())
	if err != nil {
		return err
	}
	if !backed.IsZero() {
		held.Backed = backed.UnixMilli()
	}
	for i, h := range m.Hashes {
		x, err := b.h.store.Blob(r.Context(), a.village, h)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if size, err := b.h.store.Files.Size(h); err != nil || size != x.Size {
			continue // it is to come again
		}
		if len(m.Of) > 0 {
			if err := b.h.store.TieOriginal(r.Context(), a.village, h, m.Of[i]); err != nil {
				return err
			}
		}
		held.Receipts = append(held.Receipts, x.Receipt)
	}
	b.h.send(w, http.StatusOK, held)
	return nil
}

// thumbnail takes a file's small picture.
func (b *Blobs) thumbnail(w http.ResponseWriter, r *http.Request, a *asked) error {
	h, _, ok := blob.ParseName(strings.TrimSuffix(a.rest, wire.BlobThumbnail))
	if !ok {
		return refuse(http.StatusNotFound, wire.FaultMessage, "no file has that name")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, wire.MaxThumbnail))
	if err != nil {
		return refuse(http.StatusRequestEntityTooLarge, wire.FaultMessage, "a thumbnail is small, and comes whole")
	}
	if http.DetectContentType(body) != "image/jpeg" {
		return refuse(http.StatusUnsupportedMediaType, wire.FaultMessage, "a thumbnail is a JPEG")
	}
	if err := b.h.store.PutThumbnail(r.Context(), a.village, h, body); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// give gives a file out, or a part of it, or its small picture.
func (b *Blobs) give(w http.ResponseWriter, r *http.Request, a *asked) error {
	name, small := strings.CutSuffix(a.rest, wire.BlobThumbnail)
	h, _, ok := blob.ParseName(name)
	if !ok {
		return refuse(http.StatusNotFound, wire.FaultMessage, "no file has that name")
	}
	return Give(w, r, b.h.store, a.village, h, small)
}

// Give answers with a file of a village, or a part of it as is asked for, or its small
// picture. A fault says what is wrong; nobody is asked whether he may.
func Give(w http.ResponseWriter, r *http.Request, s *store.Store, v record.Village, h blob.Hash, small bool) error {
	if err := http.NewResponseController(w).SetWriteDeadline(s.Now().Add(stall + wire.MaxBlob/slowest*time.Second)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if small {
		body, err := s.Thumbnail(r.Context(), v, h)
		if errors.Is(err, store.ErrNotFound) {
			return refuse(http.StatusNotFound, wire.FaultMessage, "there is no small picture of it")
		}
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "image/jpeg")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
		return nil
	}
	x, err := s.Blob(r.Context(), v, h)
	if errors.Is(err, store.ErrNotFound) {
		return refuse(http.StatusNotFound, wire.FaultMessage, "the file has not come yet")
	}
	if err != nil {
		return err
	}
	f, err := s.Files.Open(h)
	if errors.Is(err, fs.ErrNotExist) {
		return refuse(http.StatusGone, wire.FaultMessage, "the file is missing at the office")
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() != x.Size {
		return refuse(http.StatusGone, wire.FaultMessage, "the file is damaged at the office")
	}
	w.Header().Set("Content-Type", blob.MediaType(x.Kind))
	if !blob.Shown(x.Kind) {
		w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s"`, blob.Name(h, x.Kind)))
	}
	w.Header().Set("ETag", `"`+h.String()+`"`)
	http.ServeContent(w, r, "", time.Time{}, f)
	return nil
}
