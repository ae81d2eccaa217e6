package record

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// Village is the 12-digit code of a village: the unit of access, replication,
// ordering and sharding.
type Village string

// Type is the name of a record type: "household", "visit", …
type Type string

// Path names one register of a record: a field ("phone"), one element of a
// multiple choice under the policy union ("topics/road"), a field's proposals
// ("phone~"), or one of the system's own registers, which begin with "_".
type Path string

// The system's own registers. They are kept with every record whatever its
// form says.
const (
	// Life holds "alive", or the value that Void makes.
	Life Path = "_life"
	// Source is written once, by the save that creates the record, and holds
	// how the record came about: onsite, backfill or import. Nothing observes
	// it, so its authors are the record's authors and its first `at` is the
	// time of creation.
	Source Path = "_source"
	// Same has an element for each record of which somebody said whether this is the
	// same: its id.
	Same Path = "_same"
	// Left holds the code of the village that the record has moved to. The change that
	// writes it declares the record void here, so that whoever does not know it reads
	// that. Only the server writes it.
	Left Path = "_left"
)

// Proposal is the register in which those who do not own the field propose a
// value for it.
func (p Path) Proposal() Path { return p + "~" }

// IsProposal tells a register of proposals; Standing is the register that it
// is beside.
func (p Path) IsProposal() bool { return strings.HasSuffix(string(p), "~") }

// Standing is the register that holds the standing value of p.
func (p Path) Standing() Path { return Path(strings.TrimSuffix(string(p), "~")) }

// Asking is the register of what the office asks about p. Beside it, as its proposals,
// is what those say who decided: the answers.
func (p Path) Asking() Path { return asking + p.Standing() }

// Asked is the register that a question, or the answers beside it, is about; ok is
// false for every other register.
func (p Path) Asked() (about Path, ok bool) {
	rest, ok := strings.CutPrefix(string(p.Standing()), asking)
	return Path(rest), ok
}

const asking = "_ask/"

// Element is the register of one element of a multiple choice.
func (p Path) Element(code string) Path { return p + "/" + Path(code) }

// Field is the name of the field that the register belongs to, and the element
// where the register is one of a multiple choice.
func (p Path) Field() (name, element string) {
	name, element, _ = strings.Cut(string(p.Standing()), "/")
	return name, element
}

// System tells the system's own registers from the form's.
func (p Path) System() bool { return strings.HasPrefix(string(p), "_") }

// Links tells the registers that say whether this is the same as another record.
func (p Path) Links() bool {
	name, _ := p.Field()
	return name == string(Same)
}

// ID is a record's UUID.
type ID uuid.UUID

// ParseID reads a UUID as 36 characters, its letters large or small, and refuses
// the other ways of writing one.
func ParseID(s string) (ID, error) {
	u, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return ID{}, fmt.Errorf("%q is not a record id (8-4-4-4-12 hexadecimal digits)", s)
	}
	return ID(u), nil
}

func (id ID) String() string { return uuid.UUID(id).String() }

// IsZero tells the id that no record has.
func (id ID) IsZero() bool { return id == ID{} }

// NumberedID is the id of the record that bears an official number in a
// village: the same on every laptop, and no clue to the number without the
// key. The version is 8 (RFC 9562, vendor specific).
func NumberedID(key []byte, t Type, v Village, number string) ID {
	return keyedID(key, "zhucun numbered record 1\x00%s\x00%s\x00%s", t, v, number)
}

// RowID is the id of the record that a row makes which is imported and bears no number:
// the same on every laptop that imports it, and no clue to what it says without the key.
// nth counts, from 1, the rows of one table that say the same.
func RowID(key []byte, t Type, v Village, says []byte, nth int) ID {
	return keyedID(key, "zhucun imported record 1\x00%s\x00%s\x00%d\x00%s", t, v, nth, says)
}

func keyedID(key []byte, format string, args ...any) ID {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, format, args...)
	var id ID
	copy(id[:], mac.Sum(nil))
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// DerivedID is the id of the record that field (or element) path of record
// parent gives rise to, a UUIDv5: an issue from a visit's needs is one record
// however often and wherever it is derived.
func DerivedID(parent ID, path Path) ID {
	return ID(uuid.NewSHA1(uuid.UUID(parent), []byte(path)))
}

// Key names one record.
type Key struct {
	Village Village
	Type    Type
	ID      ID
}

// Stream names one device's changes to one village.
type Stream [16]byte

func (s Stream) String() string { return hex.EncodeToString(s[:]) }

// Dot is the name of one change: the Seq-th of its stream, counted from 1.
type Dot struct {
	Stream Stream
	Seq    uint64
}

// String gives the dot as the commands print and take it: the stream in 32
// hexadecimal digits, a colon, the number.
func (d Dot) String() string { return d.Stream.String() + ":" + strconv.FormatUint(d.Seq, 10) }

// IsZero tells the dot that no change has.
func (d Dot) IsZero() bool { return d == Dot{} }

// Compare orders dots by stream, then number.
func (d Dot) Compare(e Dot) int {
	if c := slices.Compare(d.Stream[:], e.Stream[:]); c != 0 {
		return c
	}
	return cmp.Compare(d.Seq, e.Seq)
}

// ErrDot says that a text does not name a dot.
var ErrDot = errors.New("a change is named by 32 hexadecimal digits, a colon and a number")

// ParseDot reads what Dot.String wrote.
func ParseDot(s string) (Dot, error) {
	stream, seq, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(stream)
	if err != nil || len(b) != len(Stream{}) {
		return Dot{}, fmt.Errorf("%q: %w", s, ErrDot)
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil || n == 0 {
		return Dot{}, fmt.Errorf("%q: %w", s, ErrDot)
	}
	return Dot{Stream(b), n}, nil
}

// SortDots sorts ds and drops repetitions, in place.
func SortDots(ds []Dot) []Dot {
	slices.SortFunc(ds, Dot.Compare)
	return slices.Compact(ds)
}

// Write is what a change does to one register: it sets Value and replaces the
// changes Observed, sorted, no dot twice.
type Write struct {
	Path     Path
	Value    Value
	Observed []Dot
}

// Change is what one save did to one record.
type Change struct {
	Record ID
	Type   Type
	// Time is the author's hybrid logical time (package clock).
	Time   uint64
	Author string
	// Form is the version of the record type's form the author filled in.
	Form uint64
	// Extra is what a later release says of a change, kept byte for byte.
	Extra []byte
	// Body holds the touched registers, sorted by path, none twice.
	Body []Write
}

// SortBody brings a body into the order that a Change demands.
func SortBody(body []Write) {
	slices.SortFunc(body, func(a, b Write) int { return cmp.Compare(a.Path, b.Path) })
	for i := range body {
		body[i].Observed = SortDots(body[i].Observed)
	}
}

// CheckBody tells what a body lacks of the order that a Change demands.
func CheckBody(body []Write) error {
	if len(body) == 0 {
		return errors.New("a change that touches nothing")
	}
	for i, w := range body {
		if w.Path == "" {
			return errors.New("a register without a name")
		}
		if i > 0 && body[i-1].Path >= w.Path {
			return fmt.Errorf("register %q out of order", w.Path)
		}
		for j, d := range w.Observed {
			if d.Seq == 0 || j > 0 && w.Observed[j-1].Compare(d) >= 0 {
				return fmt.Errorf("register %q: observed changes out of order", w.Path)
			}
		}
		if !w.Value.Canonical() {
			return fmt.Errorf("register %q: value not canonical", w.Path)
		}
	}
	return nil
}
