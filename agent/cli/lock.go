package cli

import (
	"zhucun/agent/vault"
	"zhucun/shared/escrow"
)

// lock is a data folder's lock as the pages see it.
type lock struct {
	dir string
	// key takes the data key when somebody unlocks, for an agent that waits for it.
	key chan []byte
	// one is held by whoever tries a passphrase, which takes memory: one at a time.
	one chan struct{}
}

func newLock(dir string) *lock {
	return &lock{dir: dir, key: make(chan []byte, 1), one: make(chan struct{}, 1)}
}

func (l *lock) Way() vault.Way { return way(l.dir) }

func (l *lock) Unlock(passphrase []byte) error {
	_, key, err := l.open(passphrase)
	if err == nil {
		l.give(key)
	}
	return err
}

func (l *lock) Set(old, fresh []byte) error {
	v, key, err := l.open(old)
	if err != nil {
		return err
	}
	return v.SetPassphrase(key, fresh)
}

func (l *lock) Recover(code string, fresh []byte) error {
	key, err := escrow.Parse(code)
	if err != nil {
		return err
	}
	v, err := vault.Open(l.dir, settings())
	if err != nil {
		return err
	}
	if err := v.SetPassphrase(key, fresh); err != nil {
		return err
	}
	l.give(key)
	return nil
}

func (l *lock) Owns(word []byte) error {
	if key, err := escrow.Parse(string(word)); err == nil {
		v, err := vault.Open(l.dir, settings())
		if err == nil && !v.Fits(key) {
			err = vault.ErrWrong
		}
		return err
	}
	if l.Way() != vault.Passphrase {
		return escrow.ErrCode // any word would do otherwise
	}
	_, _, err := l.open(word)
	return err
}

func (l *lock) open(passphrase []byte) (*vault.Vault, []byte, error) {
	l.one <- struct{}{}
	defer func() { <-l.one }()
	v, err := vault.Open(l.dir, settings())
	if err != nil {
		return nil, nil, err
	}
	return opened(l.dir, v, passphrase)
}

func (l *lock) give(key []byte) {
	select {
	case l.key <- key:
	default: // nobody waits for it any more
	}
}
