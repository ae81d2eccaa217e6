package cli

import (
	"errors"
	"os"
	"os/exec"
	"syscall"

	"github.com/inconshreveable/mousetrap"
	"github.com/kardianos/service"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// toldByService tells that the system waits for a service to say that it runs.
const toldByService = true

// runKey is where Windows keeps what it starts when its user signs in; that takes no
// administrator.
const runKey = `Software\Microsoft\Windows\CurrentVersion\Run`

// autostart makes Windows start the agent with these words, as a service or when the user
// signs in, and starts it where it is to run now.
func (c *call) autostart(whole, now bool, args []string) (started bool, err error) {
	if whole {
		s, err := c.service(whole, args...)
		if err != nil {
			return false, err
		}
		return given(s, now)
	}
	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	args = append(args, "--hidden")
	k, _, err := registry.CreateKey(registry.CURRENT_USER, runKey, registry.QUERY_VALUE|registry.SET_VALUE)
	if err != nil {
		return false, err
	}
	defer k.Close()
	if _, _, err := k.GetStringValue(serviceName); err == nil {
		return false, errIsInstalled
	}
	if err := k.SetStringValue(serviceName, windows.ComposeCommandLine(append([]string{self}, args...))); err != nil || !now {
		return false, err
	}
	cmd := exec.Command(self, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.DETACHED_PROCESS}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	return true, cmd.Process.Release()
}

// doubleClicked tells whether somebody opened the program as a file, not from a console.
func doubleClicked() bool { return mousetrap.StartedByExplorer() }

// hideWindow hides the console that Windows opens for a program that is started by itself.
func hideWindow() {
	if window, _, _ := windows.NewLazySystemDLL("kernel32.dll").NewProc("GetConsoleWindow").Call(); window != 0 {
		const hide = 0
		windows.NewLazySystemDLL("user32.dll").NewProc("ShowWindow").Call(window, hide)
	}
}

// noAutostart undoes it. What the user started goes on until it is ended.
func (c *call) noAutostart(whole bool) error {
	if whole {
		s, err := c.service(whole)
		if err != nil {
			return err
		}
		if _, err := s.Status(); errors.Is(err, service.ErrNotInstalled) {
			return errNotInstalled
		}
		stopped := s.Stop()
		if err := s.Uninstall(); err != nil {
			return errors.Join(err, stopped)
		}
		return nil
	}
	k, err := registry.OpenKey(registry.CURRENT_USER, runKey, registry.SET_VALUE)
	if err != nil {
		return err
	}
	defer k.Close()
	if err := k.DeleteValue(serviceName); errors.Is(err, registry.ErrNotExist) {
		return errNotInstalled
	} else if err != nil {
		return err
	}
	return nil
}
