package wire

import (
	"errors"
	"fmt"

	"zhucun/shared/wire/page"
)

// What a device may say that it reads (Sync.Reads), each what is above it too.
const (
	ReadsColumns = page.Layout // pages in columns
	ReadsMixed   = 2           // answers that are mixed behind the request
	ReadsKnown   = 3           // and it keeps what is known of it
)

// What a server may say that it takes (Synced.Takes), each what is above it too.
const (
	TakesMixed = 1 // requests that are mixed
	TakesShort = 2 // ShortPath and TokenHeader
	TakesKnown = 3 // the next request mixed behind what is known, of which it keeps this
)

// columns is the size of a village's states from which they are laid out in columns:
// fewer bring less of a past than the dictionary has.
const columns = 16 << 10

// LayOut puts the records of an answer into columns, for a device that reads them
// (Sync.Reads), where that makes them smaller.
func (m *Synced) LayOut(reads uint64) {
	if reads < ReadsColumns {
		return
	}
	for i := range m.Villages {
		p := &m.Villages[i]
		size := 0
		for j := range p.Records {
			size += len(p.Records[j].State)
		}
		if size < columns {
			continue
		}
		records := make([]page.Record, len(p.Records))
		for j, r := range p.Records {
			records[j] = page.Record{ID: r.ID, Type: r.Type, State: r.State}
		}
		p.Page, p.Records = page.Append(nil, records), nil
	}
}

// size is what the pages of an answer come to when they are rows.
func (m *Synced) size() (n int) {
	for i := range m.Villages {
		n += page.Size(m.Villages[i].Page)
	}
	return n
}

// rows puts the records of an answer back, of at most limit bytes.
func (m *Synced) rows(limit int) error {
	for i := range m.Villages {
		p := &m.Villages[i]
		if len(p.Page) == 0 {
			continue
		}
		if len(p.Records) > 0 {
			return fmt.Errorf("%w: a page in rows and in columns", ErrMessage)
		}
		records, err := page.Read(p.Page, limit)
		switch {
		case errors.Is(err, page.ErrLayout):
			return ErrRelease
		case errors.Is(err, page.ErrTooLarge):
			return ErrTooLarge
		case err != nil:
			return fmt.Errorf("%w: %w", ErrMessage, err)
		}
		limit -= page.Size(p.Page)
		p.Page, p.Records = nil, make([]State, len(records))
		for j, r := range records {
			p.Records[j] = State{ID: r.ID, Type: r.Type, State: r.State}
		}
	}
	return nil
}
