package record

import (
	"testing"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"
)

// What is said with a change is read back, what others said beside it stays, and
// what is none of ours says nothing.
func TestExtra(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOf(rapid.Byte()).Draw(t, "raw")
		c := Change{Extra: raw}
		c.Reason()
		c.Lost()
		later, err := cbor.Marshal(map[int]any{7: "of a later release", 1: 5})
		if err != nil {
			t.Fatal(err)
		}
		c = Change{Extra: later}
		if c.Reason() != "" || c.Lost() {
			t.Errorf("%q, %v", c.Reason(), c.Lost())
		}
		reason := rapid.String().Draw(t, "reason")
		c.SetReason(reason)
		c.SetLost()
		var all map[int]any
		if err := cbor.Unmarshal(c.Extra, &all); err != nil || c.Reason() != reason || !c.Lost() || all[7] != "of a later release" {
			t.Errorf("%q, %v, %v", c.Reason(), c.Lost(), all)
		}
		was := string(c.Extra)
		c.SetOrigin(Origin{Village: "v", Dot: Dot{Seq: 1}})
		c.SetVia("v")
		if c.Native(); string(c.Extra) != was {
			t.Errorf("where it was written taken away, %x is %x", was, c.Extra)
		}
		c = Change{Extra: raw}
		c.Native()
		if _, ok := c.Origin(); ok || c.Via() != "" {
			t.Errorf("%x says where it was written", raw)
		}
	})
}
