package inbox

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Waits is a table that was dropped and not taken, or not all of it.
type Waits struct {
	Name string
	At   time.Time
}

// Waiting lists the tables that lie in failed of a data folder with the reason beside
// them, the newest first.
func Waiting(data string) ([]Waits, error) {
	dir := filepath.Join(data, Name, Failed)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Waits
	for _, e := range entries {
		if !e.Type().IsRegular() || !IsTable(e.Name()) {
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, e.Name()+".txt")); err != nil {
			continue // a report, or a file that somebody put there
		}
		if info, err := e.Info(); err == nil {
			list = append(list, Waits{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(list, func(a, b Waits) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Name, b.Name)) })
	return list, nil
}

// OpenWaiting opens one that Waiting lists; fs.ErrNotExist for every other name.
func OpenWaiting(data, name string) (*os.File, error) {
	list, err := Waiting(data)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(list, func(w Waits) bool { return w.Name == name }) {
		return nil, fs.ErrNotExist
	}
	return os.Open(filepath.Join(data, Name, Failed, name))
}

// Settle puts a table of Waiting that was taken since among those that are done. The
// note that said why it was not goes.
func Settle(data, name string) error {
	from := filepath.Join(data, Name, Failed, name)
	to, err := free(filepath.Join(data, Name, Done), name)
	if err == nil {
		err = os.Rename(from, to)
	}
	if err == nil {
		err = os.Remove(from + ".txt")
	}
	return err
}
