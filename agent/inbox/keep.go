package inbox

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"zhucun/agent/picture"
	"zhucun/agent/store"
	"zhucun/shared/blob"
	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Shrinker makes of a photo what is kept of it; picture.Shrink, or a process that does
// it. The error is picture.ErrForeign where it is no picture that can be read.
type Shrinker func(ctx context.Context, raw []byte, o picture.Options) (*picture.Picture, error)

// InProcess is picture.Shrink.
func InProcess(_ context.Context, raw []byte, o picture.Options) (*picture.Picture, error) {
	return picture.Shrink(bytes.NewReader(raw), o)
}

// Keep keeps a file that a record is to show: a photo made small, as the office wants
// it, and as it came beside it where the office wants that too; anything else as it came.
// Where it was taken goes from all of them, unless the field that it is for asks for it
// (form.Field.Placed; nil is no field yet); what a picture loses that is not made small is
// picture.Strip's to say. name is what it is called where it comes from. Beside the file
// it tells in words what a person should know of it, "" for nothing. The error is
// store.ErrTooLarge for what the office does not take.
func Keep(ctx context.Context, s *store.Store, shrink Shrinker, village record.Village, fd *form.Field, name string, r io.Reader) (b store.Blob, word form.Label, err error) {
	raw, err := io.ReadAll(io.LimitReader(r, wire.MaxBlob+1))
	if err != nil {
		return b, word, fmt.Errorf("read %s: %w", name, err)
	}
	if len(raw) > wire.MaxBlob {
		return b, word, store.ErrTooLarge
	}
	if len(raw) == 0 {
		return b, word, ErrEmpty
	}
	d, err := s.Device()
	if err != nil {
		return b, word, err
	}
	own, err := s.Settings()
	if err != nil {
		return b, word, err
	}
	side := OfficeSide(&d)
	if own.PhotoSide > 0 {
		side = min(side, own.PhotoSide) // what the laptop chose is never more than the office takes
	}
	note := store.BlobNote{Kind: blob.Kind(name), Name: filepath.Base(name)}
	placed := fd != nil && fd.Placed
	p, err := shrink(ctx, raw, picture.Options{Side: side, Quality: int(d.Assigned.PhotoQuality), Place: placed})
	switch {
	case errors.Is(err, picture.ErrForeign):
		bare, known := picture.Strip(raw)
		if bare == nil {
			return b, word, ErrNoPicture
		}
		word = foreign(note.Kind, raw, known, errors.Is(err, picture.ErrHuge))
		if blob.Shown(note.Kind) {
			note.Kind = "bin" // it says that it is a picture, and none can be shown
		}
		b, err = s.AddBlob(ctx, village, note, bare, nil)
	case err == nil:
		note.Kind, note.Width, note.Height = "jpg", p.Width, p.Height
		if !p.Taken.IsZero() {
			note.Taken = p.Taken.UnixMilli()
		}
		if b, err = s.AddBlob(ctx, village, note, p.JPEG, p.Thumbnail); err != nil {
			break
		}
		if placed && !p.Placed {
			word = form.Label{Zh: "照片里没有拍摄位置；需要的话，请在手机相机里打开“地理位置”再拍一张", En: "Where it was taken is not in the photo; if that is needed, turn on the location in the phone's camera and take another"}
		}
		if d.Assigned.Originals && !own.NoOriginals && !keepOriginal(ctx, s, village, &b, blob.Kind(name), raw, p.Beside) {
			word = form.Label{Zh: "照片已保存，原图没有留下，磁盘可能满了；要留原图，请腾出地方再添加一次", En: "The photo is kept, its original is not, the disk may be full; make room and add it again for that"}
		}
	}
	return b, word, err
}

// OfficeSide is how many points the longer side of a photo has at most, as the office has
// it.
func OfficeSide(d *store.Device) int {
	return cmp.Or(int(d.Assigned.PhotoSide), picture.Default.Side)
}

// keepOriginal keeps a photo as it came, beside the small one. It is no failure of the
// photo where that cannot be.
func keepOriginal(ctx context.Context, s *store.Store, village record.Village, small *store.Blob, kind string, raw, beside []byte) bool {
	bare, ok := picture.Bare(raw, beside)
	if !ok {
		return false
	}
	if !blob.Shown(kind) {
		kind = blob.Kind("." + picture.Format(raw)) // it is none of what its name says
	}
	_, err := s.AddBlob(ctx, village, store.BlobNote{Kind: kind, Name: small.Name, Taken: small.Taken, Of: []blob.Hash{small.Hash}}, bare, nil)
	return err == nil
}

// ErrEmpty says that there is nothing in a file.
var ErrEmpty = wrong("文件是空的，请换一个", "The file is empty; choose another")

// ErrNoPicture says that a file which says that it is a photo has none.
var ErrNoPicture = wrong("文件损坏得太厉害，里面没有可以保存的照片；请从手机或相机里重新取一次", "The file is damaged and no photo is left in it; take it from the phone or camera once more")

// foreign says of a file that is not made small what a person should know: bare tells
// that where it was taken is no longer in it, huge that it is a picture too large.
func foreign(kind string, raw []byte, bare, huge bool) form.Label {
	switch {
	case huge && bare:
		return form.Label{Zh: "这张图片太大，没有缩小；整张保存，没有预览，位置信息已去掉", En: "This picture is too large to be made small; it is kept whole, without a preview, and where it was taken was removed"}
	case huge:
		return form.Label{Zh: "这张图片太大，没有缩小；原样保存，没有预览", En: "This picture is too large to be made small; it is kept as it came, without a preview"}
	case bare:
		return form.Label{Zh: "这张图片打不开，可能已损坏；照样保存，没有预览，位置信息已去掉", En: "This picture cannot be opened and may be damaged; it is kept all the same, without a preview, and where it was taken was removed"}
	}
	switch {
	case picture.Format(raw) == "heic", kind == "heic", kind == "heif":
		return form.Label{
			Zh: "苹果手机的 HEIC 照片，原样保存，没有预览，照片里的位置信息也还在。要能预览、去掉位置，请在手机“设置－相机－格式”里选“兼容性最佳”再拍，或转成 JPG 后重新添加",
			En: "A HEIC photo of an iPhone, kept as it came, without a preview, and with where it was taken if that is in it. For a preview and without the place, choose Settings, Camera, Formats, Most Compatible on the phone, or turn it into a JPG and add that",
		}
	case picture.Format(raw) != "":
		return form.Label{
			Zh: "原样保存，没有预览，里面如有拍摄位置也还在。要能预览、去掉位置，请转成 JPG 后重新添加",
			En: "Kept as it came, without a preview, and with where it was taken if that is in it. For a preview and without the place, turn it into a JPG and add that",
		}
	case kind == "bmp", blob.Shown(kind):
		return form.Label{Zh: "这张图片打不开，可能已损坏；原样保存，没有预览", En: "This picture cannot be opened and may be damaged; it is kept as it came, without a preview"}
	}
	return form.Label{Zh: "原样保存，没有预览", En: "Kept as it came, without a preview"}
}

// Attach names a file in a field of a record, beside those that it shows.
func Attach(ctx context.Context, s *store.Store, k record.Key, field, author string, names ...string) (store.Saved, error) {
	r, err := s.Get(k.Type, k.ID)
	if err != nil {
		return store.Saved{}, err
	}
	all := append(r.View.Fields[field].Texts(), names...)
	saved, err := s.Save(ctx, store.Edit{Type: k.Type, ID: k.ID, Author: author, Fields: map[string]record.Value{field: record.Set(all)}})
	if err != nil {
		return store.Saved{}, err
	}
	return saved[0], nil
}
