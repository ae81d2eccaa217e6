package record

import "github.com/fxamacker/cbor/v2"

// Extra of a change is a CBOR map of numbers to anything; what a reader does not
// know he leaves alone.
const (
	extraReason = 1 // text: why somebody decided so
	extraLost   = 2 // true: another's words, as SetLost says
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
