package edition

import (
	"errors"
	"fmt"
	"maps"

	"github.com/fxamacker/cbor/v2"

	"zhucun/shared/figure"
	"zhucun/shared/form"
)

// Edition is one publication.
type Edition struct {
	Number uint64        `cbor:"0,keyasint"`
	Forms  form.Tables   `cbor:"1,keyasint,omitempty"`
	Rules  figure.Tables `cbor:"2,keyasint,omitempty"`
}

// MaxSize bounds an encoded edition, in bytes: some ten times the program's own tables.
const MaxSize = 700 << 10

// ErrUnread says that these bytes are no edition that this program reads.
var ErrUnread = errors.New("an edition that this program cannot read")

var (
	encMode, _ = cbor.CoreDetEncOptions().EncMode()
	decMode, _ = cbor.DecOptions{
		DupMapKey:       cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels: 4,
		MaxMapPairs:     1 << 10,
		IndefLength:     cbor.IndefLengthForbidden,
		TagsMd:          cbor.TagsForbidden,
	}.DecMode()
)

// Encode gives the bytes of an edition, none for one of no number.
func (e *Edition) Encode() ([]byte, error) {
	if e.Number == 0 {
		return nil, nil
	}
	raw, err := encMode.Marshal(e)
	if err == nil && len(raw) > MaxSize {
		err = fmt.Errorf("%d bytes: an edition has at most %d", len(raw), MaxSize)
	}
	return raw, err
}

// Decode reads an edition. The error is ErrUnread.
func Decode(raw []byte) (*Edition, error) {
	e := new(Edition)
	if len(raw) == 0 {
		return e, nil
	}
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrUnread, len(raw))
	}
	if err := decMode.Unmarshal(raw, e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnread, err)
	}
	if e.Number == 0 {
		return nil, fmt.Errorf("%w: no number", ErrUnread)
	}
	return e, nil
}

// Load reads the forms and rules that hold under the edition. The error is a
// *form.Mistake.
func (e *Edition) Load() (*form.Set, *figure.Rules, error) {
	if e.Number == 0 {
		return form.Builtin(), figure.Builtin(), nil
	}
	tables, err := form.BuiltinTables().With(e.Forms)
	if err != nil {
		return nil, nil, err
	}
	forms, err := form.Load(tables)
	if err != nil {
		return nil, nil, err
	}
	rules := figure.BuiltinTables()
	maps.Copy(rules, e.Rules)
	lines, err := figure.Load(rules)
	return forms, lines, err
}

// Next gives the edition that comes after, with files laid over those of this one. The
// error is a *form.Mistake.
func (e *Edition) Next(forms form.Tables, rules figure.Tables) (*Edition, error) {
	laid, err := e.Forms.With(forms)
	if err != nil {
		return nil, err
	}
	all := figure.Tables{}
	maps.Copy(all, e.Rules)
	maps.Copy(all, rules)
	return &Edition{Number: e.Number + 1, Forms: laid, Rules: all}, nil
}
