package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/kardianos/service"
	"github.com/spf13/cobra"
)

// serviceName is what systems know the agent by that start it.
const serviceName = "zhucun-agent"

// serviceCmd makes the system start the agent, so that nobody has to think of it.
func (c *call) serviceCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "service",
		Short: c.say("开机自动启动：install 打开，remove 关闭", "Start by itself with the machine: install, or remove"),
		Args:  c.words(0, 0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var listen string
	var whole bool
	system := func(cmd *cobra.Command) {
		cmd.Flags().BoolVar(&whole, "system", false, c.say("开机就启动，不等人登录；要管理员权限", "with the machine, before anybody signs in; needs an administrator"))
	}
	install := &cobra.Command{
		Use:   "install",
		Short: c.say("登录电脑后自动启动，现在就启动", "Start whenever you sign in, and now"),
		Args:  c.words(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.loopback(listen); err != nil {
				return err
			}
			return c.installService(listen, whole)
		},
	}
	install.Flags().StringVar(&listen, "listen", defaultListen, c.say("网页地址，只能在本机", "address of the page, on this machine only"))
	system(install)
	remove := &cobra.Command{
		Use:   "remove",
		Short: c.say("不再自动启动，并停止；数据都留着", "Start no more, and stop; all data stays"),
		Args:  c.words(0, 0),
		RunE:  func(*cobra.Command, []string) error { return c.removeService(whole) },
	}
	system(remove)
	cmd.AddCommand(install, remove)
	return cmd
}

// serviced is the agent as a system's service; the system starts another program, whose
// words are args. It does nothing itself: run ends with a signal.
type serviced struct{}

func (serviced) Start(service.Service) error { return nil }
func (serviced) Stop(service.Service) error  { return nil }

// service gives the system's service that carries out these words.
func (c *call) service(whole bool, args ...string) (service.Service, error) {
	return service.New(serviced{}, &service.Config{
		Name:        serviceName,
		DisplayName: "驻村通 Zhucun",
		Description: "驻村通：在村里离线记录，有网自动同步",
		Arguments:   args,
		Option: service.KeyValue{
			"UserService":   !whole,
			"SystemdScript": unit(whole),
			"RunAtLoad":     true, // launchd, which starts it again whatever it ended with
			"KeepAlive":     true,
			// Windows
			"OnFailure":              "restart",
			"OnFailureDelayDuration": "1m",
		},
	})
}

// unit is what systemd is told. Whoever stops the agent has it stopped; else it comes
// again. A user's systemd does not know what a machine's is brought up to.
func unit(whole bool) string {
	target := "default.target"
	if whole {
		target = "multi-user.target"
	}
	return `[Unit]
Description={{Description}}
ConditionFileIsExecutable={{Path | cmdEscape}}

[Service]
ExecStart={{Path | cmdEscape}}{{range Arguments}} {{. | cmd}}{{end}}
Restart=on-failure
RestartSec=60

[Install]
WantedBy=` + target + "\n"
}

// given gives the agent into the system's hands, and has it started where it is to run
// now; one that does not start is taken back.
func given(s service.Service, now bool) (started bool, err error) {
	if err := s.Install(); err != nil {
		if strings.Contains(err.Error(), "already exists") {
			return false, errIsInstalled
		}
		return false, err
	}
	if !now {
		return false, nil
	}
	if err := s.Start(); err != nil {
		return false, errors.Join(err, s.Uninstall())
	}
	return true, nil
}

// serviceJSON is what install and remove print for programs.
type serviceJSON struct {
	Service string `json:"service"`
	System  bool   `json:"system"`
	// Started tells that it was started at once; else it starts the next time.
	Started bool `json:"started,omitempty"`
}

func (c *call) installService(listen string, whole bool) error {
	data, err := filepath.Abs(c.data)
	if err != nil {
		return err
	}
	args := []string{"run", "--data", data, "--listen", listen}
	_, runs := findRunning(c.data)
	started, err := c.autostart(whole, !runs, args)
	if err != nil {
		return c.serviceFails(err, whole)
	}
	if c.json {
		return c.print(serviceJSON{serviceName, whole, started})
	}
	switch {
	case runs:
		c.write(c.say("以后会自动启动；现在已经在运行\n", "It will start by itself; it runs already\n"))
	case started:
		c.write(c.say("已启动，以后会自动启动；用 zhucun-agent open 打开网页\n", "It runs, and will start by itself; zhucun-agent open opens the page\n"))
	default:
		c.write(c.say("下次登录时会自动启动；现在请用 zhucun-agent run 启动\n", "It starts when you sign in the next time; start it now with zhucun-agent run\n"))
	}
	return nil
}

func (c *call) removeService(whole bool) error {
	if err := c.noAutostart(whole); err != nil {
		return c.serviceFails(err, whole)
	}
	if c.json {
		return c.print(serviceJSON{Service: serviceName, System: whole})
	}
	c.write(c.say("不再自动启动。数据都在 %s\n", "It starts by itself no more. All data is in %s\n", c.data))
	return nil
}

// Errors of autostart and noAutostart.
var (
	errNoService    = errors.New("this system cannot start programs by itself that zhucun-agent knows of")
	errIsInstalled  = errors.New("it is installed already")
	errNotInstalled = errors.New("it is not installed")
)

// serviceFails says why, in a sentence.
func (c *call) serviceFails(err error, whole bool) error {
	switch {
	case errors.Is(err, errIsInstalled):
		return c.fail(c.say("已经会自动启动；要改动，请先运行 zhucun-agent service remove", "It starts by itself already; to change that, run zhucun-agent service remove first"))
	case errors.Is(err, errNotInstalled) || errors.Is(err, service.ErrNotInstalled):
		return c.fail(c.say("没有设过自动启动；如果是为整台电脑设的，请加 --system", "It does not start by itself; if that was set for the whole machine, add --system"))
	case errors.Is(err, errNoService):
		return c.fail(c.say("这个系统没有 systemd，不能自动设置；请把 zhucun-agent run 加入系统自己的启动项", "This system has no systemd; add zhucun-agent run to what it starts in its own way"))
	case errors.Is(err, os.ErrPermission) && whole:
		return c.fail(c.say("要管理员权限才能为整台电脑设置；请用管理员身份再运行，或去掉 --system", "To set it for the whole machine takes an administrator; run it as one, or leave out --system"))
	}
	return c.fail(c.say("没有设成（%s）；可以用 zhucun-agent run 手动启动", "It was not set (%s); zhucun-agent run starts it by hand", err))
}

// underSystem runs the agent under a system that has to be told that it runs, as Windows
// does to its services; elsewhere run is called as it is.
func (c *call) underSystem(ctx context.Context, run func(context.Context) error) error {
	if service.Interactive() || !toldByService {
		return run(ctx)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := &reporting{ctx: ctx, stop: stop, run: run, ended: make(chan error, 1)}
	s, err := service.New(r, &service.Config{Name: serviceName})
	if err != nil {
		return err
	}
	return s.Run()
}

// reporting is a service whose system waits for it to say that it runs.
type reporting struct {
	ctx   context.Context
	stop  context.CancelFunc
	run   func(context.Context) error
	ended chan error
}

func (r *reporting) Start(service.Service) error {
	go func() {
		err := r.run(r.ctx)
		if r.ctx.Err() == nil {
			// It ended by itself: the system learns of that by the process's end alone,
			// and starts it again.
			os.Exit(exitFailed)
		}
		r.ended <- err
	}()
	return nil
}

func (r *reporting) Stop(service.Service) error {
	r.stop()
	return <-r.ended
}
