package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"zhucun/shared/identity"
)

// firstLogin is the account that init makes.
const firstLogin = "admin"

func (c *call) initCommand() *cobra.Command {
	return c.command("init", "新建服务器数据：生成密钥和第一个账号", "make a server's data: keys and the first account", 0, 0, c.init)
}

func (c *call) init(ctx context.Context, _ []string) error {
	if c.data == "" {
		return c.usage("请用 --data 指定数据文件夹", "Name the data folder with --data")
	}
	if err := os.MkdirAll(c.data, 0o700); err != nil {
		return err
	}
	k, err := makeKeys(c.data)
	if err != nil {
		return err
	}
	s, err := c.openWith(ctx, k)
	if err != nil {
		return err
	}
	return errors.Join(c.firstAccount(ctx, s), s.store.Close())
}

// firstAccount makes the first account. An init that was cut off before goes on
// here; one that was not is refused.
func (c *call) firstAccount(ctx context.Context, s *server) error {
	accounts, err := s.store.Accounts(ctx)
	if err != nil {
		return err
	}
	if len(accounts) > 0 {
		return c.fail("%s 里已经有服务器数据；换一个文件夹，或直接运行 serve", "%s holds a server's data already; take another folder, or run serve", c.data)
	}
	if _, err := s.access.Numbers(ctx); err != nil {
		return err
	}
	password, err := s.access.NewPassword()
	if err != nil {
		return err
	}
	// It is said before it counts: nobody could ever ask for it again.
	if c.json {
		err = c.print(map[string]string{"login": firstLogin, "password": password})
	} else {
		_, err = fmt.Fprintf(c.out, c.say("已建好：%s\n账号 %s，密码 %s\n密码只显示这一次，请记下。下一步：zhucun-server serve --data %[1]s\n",
			"Made: %s\nAccount %s, password %s\nThe password is shown this once; note it down. Next: zhucun-server serve --data %[1]s\n"), c.data, firstLogin, password)
	}
	if err != nil {
		return c.fail("密码没有显示出来（%s），还没有建好；请再运行一次 init", "The password could not be shown (%s), and nothing is made yet; run init again", err)
	}
	return s.access.AddAccount(ctx, firstLogin, password, []identity.Role{identity.Admin, identity.Office}, "")
}
