package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// explain has the commands explained in the caller's language; cobra's own
// words are English.
func (c *call) explain(root *cobra.Command) {
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { c.write(c.helpText(cmd)) })
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		c.write(c.helpText(cmd))
		return nil
	})
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [COMMAND]",
		Short: c.say("显示一个命令的用法", "How a command is used"),
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return c.usage(c.say("没有命令 %q。运行 zhucun-agent --help 查看全部命令", "There is no command %q. Run zhucun-agent --help for all of them", strings.Join(args, " ")))
			}
			return about.Help()
		},
	})
	root.InitDefaultHelpCmd()
	c.explainAll(root)
}

func (c *call) explainAll(cmd *cobra.Command) {
	cmd.DisableFlagsInUseLine = true
	cmd.Flags().BoolP("help", "h", false, c.say("显示用法", "show how it is used"))
	for _, sub := range cmd.Commands() {
		c.explainAll(sub)
	}
}

func (c *call) helpText(cmd *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", cmd.Short)
	if cmd.HasParent() {
		b.WriteString(c.say("用法：%s\n", "Usage: %s\n", cmd.UseLine()))
	} else {
		b.WriteString(c.say("用法：zhucun-agent 命令 …\n", "Usage: zhucun-agent COMMAND …\n"))
	}
	if cmd.HasSubCommands() {
		b.WriteString(c.say("\n命令：\n", "\nCommands:\n"))
		for _, sub := range cmd.Commands() {
			fmt.Fprintf(&b, "  %s %s\n", pad(sub.Name(), 10), sub.Short)
		}
	}
	b.WriteString(c.say("\n选项：\n", "\nOptions:\n"))
	show := func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := "--" + f.Name
		if f.Value.Type() != "bool" {
			name += " …"
		}
		preset := ""
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" {
			preset = c.say("（默认 %s）", " (default %s)", f.DefValue)
		}
		fmt.Fprintf(&b, "  %s %s%s\n", pad(name, 16), f.Usage, preset)
	}
	cmd.LocalNonPersistentFlags().VisitAll(show)
	cmd.Root().PersistentFlags().VisitAll(show)
	return b.String()
}

// flagProblem says what is wrong with a command's options.
func (c *call) flagProblem(err error) string {
	var unknown *pflag.NotExistError
	var without *pflag.ValueRequiredError
	var wrong *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() == "" {
			name = "-" + name
		}
		return c.say("没有选项 -%s", "There is no option -%s", name)
	case errors.As(err, &without):
		return c.say("选项 --%s 后面要有值", "Option --%s needs a value", without.GetFlag().Name)
	case errors.As(err, &wrong) && wrong.GetFlag().Value.Type() == "duration":
		return c.say("选项 --%s 要写时长，例如 60s 或 5m，%q 不是", "Option --%s is a length of time, such as 60s or 5m, which %q is not", wrong.GetFlag().Name, wrong.GetValue())
	case errors.As(err, &wrong):
		return c.say("选项 --%s 的值 %q 不对", "Option --%s cannot be %q", wrong.GetFlag().Name, wrong.GetValue())
	}
	return c.say("选项写法不对（%s）", "The options were not understood (%s)", err.Error())
}
