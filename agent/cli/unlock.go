package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/term"

	"zhucun/agent/store"
	"zhucun/agent/vault"
)

// passphraseVar names a file with the passphrase, for agents that nobody starts.
const passphraseVar = "ZHUCUN_PASSPHRASE_FILE"

// dataKey gives the key of the store in the data folder, and draws one where there
// is neither. The errors are those of vault.Vault.Key.
func (c *call) dataKey() ([]byte, error) {
	if c.key != nil {
		return c.key, nil
	}
	given, err := c.givenPassphrase()
	if err != nil {
		return nil, err
	}
	v, err := vault.Open(c.data, settings())
	if errors.Is(err, vault.ErrNone) || errors.Is(err, vault.ErrLost) {
		if _, serr := os.Stat(filepath.Join(c.data, storeFile)); serr == nil {
			// The note is gone, and perhaps not the key.
			_, key, err := vault.Find(c.data, settings(), func(key []byte) bool { return store.Fits(c.data, key) })
			return key, err
		}
	}
	if errors.Is(err, vault.ErrNone) {
		_, key, err := vault.Make(c.data, settings(), given)
		if errors.Is(err, vault.ErrMade) {
			return c.dataKey()
		}
		return key, err
	}
	if err != nil {
		return nil, err
	}
	if v.Way() == vault.Passphrase && given == nil {
		if given, err = c.askPassphrase(c.say("口令：", "Passphrase: ")); err != nil {
			return nil, err
		}
	}
	_, key, err := opened(c.data, v, given)
	return key, err
}

// opened gives the data key by v. Where that is not the store's it is by the note that
// is: a restore that was cut off leaves the backup's beside the old store.
func opened(dir string, v *vault.Vault, given []byte) (*vault.Vault, []byte, error) {
	key, err := v.Key(given)
	former := v.Former()
	if len(former) == 0 || err == nil && store.Fits(dir, key) {
		return v, key, err
	}
	for _, f := range former {
		if k, err := f.Key(given); err == nil && store.Fits(dir, k) {
			return f, k, vault.PutBack(dir, f)
		}
	}
	return v, key, err
}

// givenPassphrase reads the passphrase from the file that the environment names;
// nil where it names none.
func (c *call) givenPassphrase() ([]byte, error) {
	name := os.Getenv(passphraseVar)
	if name == "" {
		return nil, nil
	}
	return c.readPassphrase(name)
}

// readPassphrase reads the first line of a file.
func (c *call) readPassphrase(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, 4096)).ReadBytes('\n')
	if err != nil && err != io.EOF {
		return nil, err
	}
	if line = bytes.TrimRight(bytes.TrimPrefix(line, []byte("\ufeff")), "\r\n"); len(line) == 0 {
		return nil, c.fail(c.say("口令文件 %s 是空的，请把口令写在第一行", "The passphrase file %s is empty; the passphrase goes on its first line", name))
	}
	return line, nil
}

// askPassphrase has the person type a passphrase; nil where there is no person.
func (c *call) askPassphrase(prompt string) ([]byte, error) {
	in, ok := c.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil, nil
	}
	fmt.Fprint(c.err, prompt)
	typed, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(c.err)
	return typed, err
}
