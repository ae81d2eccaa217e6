//go:build !windows

package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kardianos/service"
)

// toldByService tells that the system waits for a service to say that it runs.
const toldByService = false

// autostart makes systemd or launchd start the agent with these words, and starts it
// where it is to run now.
func (c *call) autostart(whole, now bool, args []string) (started bool, err error) {
	s, err := c.service(whole, args...)
	if err != nil {
		return false, err
	}
	if !known(s) {
		return false, errNoService
	}
	return given(s, now)
}

// noAutostart undoes it.
func (c *call) noAutostart(whole bool) error {
	s, err := c.service(whole)
	if err != nil {
		return err
	}
	if !known(s) {
		return errNoService
	}
	if there, err := installed(whole); err != nil || !there {
		return errors.Join(err, errNotInstalled)
	}
	// It may be stopped already.
	stopped := s.Stop()
	if err := s.Uninstall(); err != nil {
		return errors.Join(err, stopped)
	}
	return nil
}

// doubleClicked is for Windows alone, where a program is started so.
func doubleClicked() bool { return false }

// hideWindow does nothing: nobody starts it in a window of its own.
func hideWindow() {}

// known tells whether the system is one of those in whose hands the agent is given.
func known(s service.Service) bool {
	return s.Platform() == "linux-systemd" || s.Platform() == "darwin-launchd"
}

// installed tells whether the system has a file on the agent.
func installed(whole bool) (bool, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return false, err
	}
	for _, place := range []struct {
		whole bool
		file  string
	}{
		{true, "/etc/systemd/system/" + serviceName + ".service"},
		{false, filepath.Join(home, ".config/systemd/user", serviceName+".service")},
		{true, "/Library/LaunchDaemons/" + serviceName + ".plist"},
		{false, filepath.Join(home, "Library/LaunchAgents", serviceName+".plist")},
	} {
		if place.whole != whole {
			continue
		}
		if _, err := os.Stat(place.file); err == nil {
			return true, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, nil
}
