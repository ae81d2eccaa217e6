package journal

import (
	"crypto/ed25519"

	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// Verdict says what the office decided on an entry that a receipt says is quarantined.
type Verdict struct {
	_      struct{} `cbor:",toarray"`
	Stream record.Stream
	Seq    uint64
	// Accepted tells that its content was taken in after all, under the name Issued,
	// which is zero where nothing of it was left to take. Else it stays out.
	Accepted bool
	Issued   record.Dot
	At       clock.Time
	By, Why  string
	// Feed is the number that the decision has in the village's feed. What it made of the
	// record comes behind it, in the same step of the feed.
	Feed uint64
	// Sig is the server's signature over all of the above and the hash of the entry,
	// which is not in the verdict: the device knows what it wrote.
	Sig []byte
}

// Seal signs the verdict on an entry of that hash.
func (v *Verdict) Seal(key ed25519.PrivateKey, hash Hash) {
	v.Sig = identity.Sign(key, identity.VerdictOf, v.message(hash))
}

// Proves tells whether the server of that key decided so on the entry of that hash.
func (v *Verdict) Proves(key ed25519.PublicKey, hash Hash) bool {
	return v.Seq > 0 && identity.Verify(key, identity.VerdictOf, v.message(hash), v.Sig)
}

func (v *Verdict) message(hash Hash) []byte {
	d := make(digest, 0, 256)
	d = append(d, v.Stream[:]...)
	d.number(v.Seq)
	d = append(d, hash[:]...)
	accepted := uint64(0)
	if v.Accepted {
		accepted = 1
	}
	d.number(accepted)
	d = append(d, v.Issued.Stream[:]...)
	d.number(v.Issued.Seq)
	d.number(uint64(v.At))
	d.text(v.By)
	d.text(v.Why)
	d.number(v.Feed)
	return d
}
