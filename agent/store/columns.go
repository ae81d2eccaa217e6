package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"slices"

	"zhucun/shared/record"
)

// bucketColumns is made when it is first needed: stores of before have none.
var bucketColumns = []byte("columns")

// Columns is what somebody has decided of a table's columns.
type Columns struct {
	Type record.Type `cbor:"0,keyasint"`
	// Targets says of each heading to which field its column goes, as package table
	// names it.
	Targets map[string]string `cbor:"1,keyasint"`
}

// columnsKey names a set of headings without telling them.
func (t *tx) columnsKey(headings []string) ([]byte, error) {
	d, err := t.dev()
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, d.Key)
	mac.Write([]byte("zhucun headings 1\x00"))
	for _, h := range slices.Sorted(slices.Values(headings)) {
		mac.Write([]byte(h))
		mac.Write([]byte{0})
	}
	return mac.Sum(nil)[:16], nil
}

func columnsAt(key []byte) slot { return slotOf("columns", key) }

// Columns gives what was decided of a table with these headings, in whatever order they
// stand; Targets is nil where nothing was.
func (s *Store) Columns(headings []string) (c Columns, err error) {
	err = s.view(func(t *tx) error {
		b := t.Bucket(bucketColumns)
		if b == nil {
			return nil
		}
		key, err := t.columnsKey(headings)
		if err != nil {
			return err
		}
		_, err = s.getSealed(b, columnsAt(key), key, &c)
		return err
	})
	return c, err
}

// SetColumns remembers what was decided, in place of what was before.
func (s *Store) SetColumns(ctx context.Context, headings []string, c Columns) error {
	return s.update(ctx, false, func(t *tx) error {
		b, err := t.CreateBucketIfNotExists(bucketColumns)
		if err != nil {
			return err
		}
		key, err := t.columnsKey(headings)
		if err != nil {
			return err
		}
		return s.putSealed(b, columnsAt(key), key, c)
	})
}
