package identity

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/sha512"
	"errors"
	"math/big"
	"slices"
)

// An identity key is also the key that what is for its holder is encrypted to: the
// curve of Ed25519 is X25519's in other coordinates, so both sides can work it out
// from what they have known of each other since the enrolment.

// prime is 2^255 - 19.
var prime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))

var errKey = errors.New("this is no identity key")

// Receiver gives the key that what is for the holder of id is encrypted to. Nothing
// in it is secret, so it may take a time that depends on the key.
func Receiver(id ed25519.PublicKey) (hpke.PublicKey, error) {
	if len(id) != ed25519.PublicKeySize {
		return nil, errKey
	}
	// y, the lowest byte first; the highest bit is the sign of x.
	b := slices.Clone(id)
	b[31] &= 0x7f
	slices.Reverse(b)
	y := new(big.Int).SetBytes(b)
	// u = (1 + y) / (1 - y)
	one := big.NewInt(1)
	under := new(big.Int).Sub(one, y)
	if under.Mod(under, prime).Sign() == 0 {
		return nil, errKey
	}
	u := new(big.Int).Add(one, y)
	u.Mul(u, under.ModInverse(under, prime)).Mod(u, prime)
	b = u.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	k, err := ecdh.X25519().NewPublicKey(b)
	if err != nil {
		return nil, err
	}
	return hpke.NewDHKEMPublicKey(k)
}

// Opener gives the key that opens what is encrypted to Receiver.
func Opener(id ed25519.PrivateKey) (hpke.PrivateKey, error) {
	h := sha512.Sum512(id.Seed())
	k, err := ecdh.X25519().NewPrivateKey(h[:32])
	if err != nil {
		return nil, err
	}
	return hpke.NewDHKEMPrivateKey(k)
}
