package vault

import (
	"encoding/base64"
	"errors"
	"os"
	"runtime"
	"time"

	"github.com/zalando/go-keyring"
)

// service is the name under which keys are in the keyring.
const service = "zhucun-agent"

// patience is how long a keyring may take: it may ask the person to unlock it.
const patience = 30 * time.Second

var errNoKeyring = errors.New("there is no keyring")

// reached tells whether a keyring can be asked for. On Linux without a session of
// a desktop the library would start one.
func reached() bool {
	return runtime.GOOS != "linux" || os.Getenv("DBUS_SESSION_BUS_ADDRESS") != ""
}

// ask runs do, not longer than patience.
func ask(do func() error) error {
	if !reached() {
		return errNoKeyring
	}
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		return errNoKeyring
	}
}

func keyringSet(id string, key []byte) error {
	return ask(func() error { return keyring.Set(service, id, base64.StdEncoding.EncodeToString(key)) })
}

func keyringGet(id string) (key []byte, err error) {
	err = ask(func() error {
		text, err := keyring.Get(service, id)
		if err == nil {
			key, err = base64.StdEncoding.DecodeString(text)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return key, nil
}

func keyringDelete(id string) { ask(func() error { return keyring.Delete(service, id) }) }
