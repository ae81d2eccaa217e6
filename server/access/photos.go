package access

import (
	"context"
	"encoding/json"
	"fmt"

	"zhucun/server/store"
)

// Photos say what laptops make of photos: points on the longer side, and the JPEG's
// quality; 0 is as the laptops like, 1600 and 80. With Originals each is kept and brought
// as it came, too.
type Photos struct {
	Side      int  `json:"side"`
	Quality   int  `json:"quality"`
	Originals bool `json:"originals"`
}

const metaPhotos = "photos"

// Photos gives what is set.
func (a *Access) Photos(ctx context.Context) (p Photos, err error) {
	b, err := a.store.Meta(ctx, metaPhotos)
	if err != nil || b == nil {
		return p, err
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return p, fmt.Errorf("what is made of photos: %w", err)
	}
	return p, nil
}

// SetPhotos sets what laptops make of photos from their next sync on. A *NameError for
// what cannot be.
func (a *Access) SetPhotos(ctx context.Context, who string, p Photos) error {
	if p.Side != 0 && (p.Side < 320 || p.Side > 8000) {
		return &NameError{"照片的长边应在 320 到 8000 点之间（0 为默认）", "a photo's longer side is between 320 and 8000 points (0 is the default)"}
	}
	if p.Quality != 0 && (p.Quality < 30 || p.Quality > 100) {
		return &NameError{"照片的质量应在 30 到 100 之间（0 为默认）", "a photo's quality is between 30 and 100 (0 is the default)"}
	}
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	subject := fmt.Sprintf("%d %d", p.Side, p.Quality)
	if p.Originals {
		subject += " originals"
	}
	return a.store.SetForLaptops(ctx, metaPhotos, b, &store.Note{Who: who, Act: "photos", Subject: subject})
}
