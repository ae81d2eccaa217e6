package record

import "github.com/fxamacker/cbor/v2"

// Extra of a change is a CBOR map of numbers to anything; what a reader does not
// know he leaves alone.
const (
	extraReason = 1 // text: why somebody decided so
	extraLost   = 2 // true: another's words, as SetLost says
	extraOrigin = 3 // array: where it was first written, as SetOrigin says
	extraVia    = 4 // text: the village from which it was brought
)

// SetReason says with a decision why it was taken.
func (c *Change) SetReason(reason string) { c.set(extraReason, reason) }

// Reason gives what SetReason said, "" where it said nothing.
func (c *Change) Reason() (reason string) {
	c.get(extraReason, &reason)
	return reason
}

// SetLost says that the change is not its writer's: it tells again what somebody
// else had written, which a server that was restored from a backup lacks.
func (c *Change) SetLost() { c.set(extraLost, true) }

// Lost tells whether SetLost said so.
func (c *Change) Lost() (lost bool) {
	c.get(extraLost, &lost)
	return lost
}

// Origin names a change by the village in which it was first written, and its name there:
// what a record that moves says goes on under other names.
type Origin struct {
	_       struct{} `cbor:",toarray"`
	Village Village
	Dot     Dot
}

// SetOrigin says that the change tells again what was written elsewhere.
func (c *Change) SetOrigin(o Origin) { c.set(extraOrigin, o) }

// Origin gives what SetOrigin said; false where it said nothing. It counts in what the
// server has signed alone.
func (c *Change) Origin() (o Origin, ok bool) {
	c.get(extraOrigin, &o)
	return o, o.Village != "" && o.Dot.Seq > 0
}

// SetVia says from which village the change was brought with a record that moved.
func (c *Change) SetVia(v Village) { c.set(extraVia, v) }

// Via gives what SetVia said, "" where it said nothing; like Origin it counts in what the
// server has signed.
func (c *Change) Via() (v Village) {
	c.get(extraVia, &v)
	return v
}

// Native takes away what SetOrigin and SetVia say: whoever signs what somebody else wrote
// does not say that for him.
func (c *Change) Native() {
	var extra map[int]cbor.RawMessage
	if cbor.Unmarshal(c.Extra, &extra) != nil || extra[extraOrigin] == nil && extra[extraVia] == nil {
		return
	}
	delete(extra, extraOrigin)
	delete(extra, extraVia)
	raw, err := extraMode.Marshal(extra)
	if err != nil {
		panic(err) // it was read from what we write now
	}
	if c.Extra = raw; len(extra) == 0 {
		c.Extra = nil
	}
}

func (c *Change) set(key int, x any) {
	var extra map[int]cbor.RawMessage
	if cbor.Unmarshal(c.Extra, &extra) != nil || extra == nil {
		extra = map[int]cbor.RawMessage{}
	}
	raw, err := cbor.Marshal(x)
	if err == nil {
		extra[key] = raw
		c.Extra, err = extraMode.Marshal(extra)
	}
	if err != nil {
		panic(err) // numbers and texts
	}
}

var extraMode, _ = cbor.CoreDetEncOptions().EncMode()

func (c *Change) get(key int, x any) {
	var extra map[int]cbor.RawMessage
	if len(c.Extra) > 0 && cbor.Unmarshal(c.Extra, &extra) == nil && extra[key] != nil {
		cbor.Unmarshal(extra[key], x) // what is none of ours says nothing
	}
}
