package journal

import "zhucun/shared/record"

// Salt keeps a body from being guessed from its hash.
type Salt [16]byte

// Body stands, in a segment of which bodies were erased, for the seed that is
// gone: of an entry whose body is there the salt, of one that was erased the
// body's hash.
type Body struct {
	Erased bool
	Salt   Salt
	Hash   Hash
}

// Erased tells whether the body of the i-th entry was erased.
func (s *Segment) Erased(i int) bool { return len(s.Bodies) > 0 && s.Bodies[i].Erased }

// body is the hash of the body of the i-th entry.
func (s *Segment) body(i int) Hash {
	switch {
	case len(s.Bodies) == 0:
		return BodyHash(s.Seed, s.From+uint64(i), s.Changes[i].Body)
	case s.Bodies[i].Erased:
		return s.Bodies[i].Hash
	}
	return bodyHash(s.Bodies[i].Salt, s.Changes[i].Body)
}

// Erase gives the segment without the bodies of the entries that drop names by
// their place, and without the seed, from which these could be guessed. Hashes,
// signature and receipts stay good. Where drop names none it is the segment itself.
func (s *Segment) Erase(drop func(i int) bool) *Segment {
	erased := *s
	erased.Seed, erased.Bodies = Seed{}, make([]Body, len(s.Changes))
	erased.Changes = make([]record.Change, len(s.Changes))
	dropped := false
	for i, c := range s.Changes {
		b := Body{Erased: true, Hash: s.body(i)}
		switch {
		case s.Erased(i):
		case drop(i):
			dropped = true
		default:
			if b = (Body{Salt: s.Seed.salt(s.From + uint64(i))}); len(s.Bodies) > 0 {
				b = s.Bodies[i]
			}
		}
		if b.Erased {
			c.Body = nil
		}
		erased.Changes[i], erased.Bodies[i] = c, b
	}
	if !dropped {
		return s
	}
	return &erased
}

// bodies writes in columns which bodies were erased. An ordinary segment has none.
func (e *encoded) bodies(s *Segment) {
	if len(s.Bodies) == 0 {
		return
	}
	e.Seed = []byte{}
	for i, b := range s.Bodies {
		if b.Erased {
			e.Erased = append(e.Erased, uint32(i))
			e.Hashes = append(e.Hashes, b.Hash[:]...)
		} else {
			e.Salts = append(e.Salts, b.Salt[:]...)
		}
	}
}

// readBodies reads what bodies wrote. A segment has a seed or these columns, and an
// erased entry has no body. None need be erased: the part of a segment that was cut
// off may hold no such entry.
func (e *encoded) readBodies(s *Segment) error {
	n, erased := len(s.Changes), len(e.Erased)
	if len(e.Seed) == len(s.Seed) {
		if erased+len(e.Salts)+len(e.Hashes) > 0 {
			return errColumns
		}
		copy(s.Seed[:], e.Seed)
		return nil
	}
	if len(e.Seed) != 0 || erased > n || len(e.Hashes) != len(Hash{})*erased || len(e.Salts) != len(Salt{})*(n-erased) {
		return errColumns
	}
	s.Bodies = make([]Body, n)
	for k, i := range e.Erased {
		if int64(i) >= int64(n) || k > 0 && i <= e.Erased[k-1] || len(s.Changes[i].Body) > 0 {
			return errColumns
		}
		s.Bodies[i] = Body{Erased: true, Hash: Hash(e.Hashes[len(Hash{})*k:])}
		s.Changes[i].Body = nil
	}
	salts := e.Salts
	for i := range s.Bodies {
		if !s.Bodies[i].Erased {
			s.Bodies[i].Salt, salts = Salt(salts), salts[len(Salt{}):]
		}
	}
	return nil
}
