package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"zhucun/server/access"
	"zhucun/server/store"
)

func (c *call) accountCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "account", Short: c.say("账号：取消丢失的第二重验证", "accounts: reset a lost second factor")}
	var reason, by string
	reset := c.command("reset-factor LOGIN --reason R [--by ADMIN]", "手机和恢复码都丢了时，取消一个账号的第二重验证", "reset an account's second factor when phone and recovery codes are lost", 1, 1,
		func(ctx context.Context, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return c.usage("要用 --reason 写明理由", "The reason is needed, as --reason")
			}
			return c.with(ctx, func(s *server) error { return c.resetFactor(ctx, s, args[0], reason, by) })
		})
	reset.Flags().StringVar(&reason, "reason", "", c.say("理由，会留下记录", "the reason; it is noted in the audit"))
	reset.Flags().StringVar(&by, "by", firstLogin, c.say("以哪个管理员账号的名义", "in the name of which administrator's account"))
	cmd.AddCommand(reset)
	return cmd
}

func (c *call) resetFactor(ctx context.Context, s *server, login, reason, by string) error {
	a, err := s.store.Account(ctx, by)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err != nil || !access.May(a.Roles, access.SetAccounts) {
		return c.fail("“%s”不是管理员账号；用 --by 写一个管理员账号", "%q is no administrator's account; name one with --by", by)
	}
	if err := s.access.DropFactor(ctx, inName(by), login, reason); errors.Is(err, store.ErrNotFound) {
		return c.fail("没有账号“%s”；账号见办公室页面", "There is no account %q; the office's pages list them", login)
	} else if err != nil {
		return err
	}
	if c.json {
		return c.print(map[string]string{"login": login})
	}
	c.tell("已取消 %s 的第二重验证；下次登录只要密码，或要重新设置", "Reset the second factor of %s; the next sign-in takes the password alone, or sets up a new one", login)
	return nil
}
