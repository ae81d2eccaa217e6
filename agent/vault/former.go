package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Former gives the vaults of other keys that Adopt kept aside in v's folder.
func (v *Vault) Former() (former []*Vault) {
	names, err := filepath.Glob(filepath.Join(v.dir, noteFile+".replaced-*"))
	if err != nil {
		return nil
	}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		var n note
		if err == nil && json.Unmarshal(raw, &n) == nil && bytes.Equal(n.Sum, n.sum()) && fine(&n) && !bytes.Equal(n.Check, v.note.Check) {
			former = append(former, &Vault{dir: v.dir, settings: v.settings, note: n})
		}
	}
	return former
}

// PutBack undoes Adopt: v, which was the vault of the folder dir before, is that again;
// nil where there was none.
func PutBack(dir string, v *Vault) error {
	if v != nil {
		return v.write(v.note)
	}
	for _, name := range []string{noteFile, spareFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
