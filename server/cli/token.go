package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

func (c *call) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: c.say("令牌：让其他程序读取数据", "tokens: let other programs read")}
	var n access.NewToken
	var role string
	var villages []string
	add := c.command("add NAME --role ROLE [--village CODE[,CODE…]] [--days 365] [--unmask]", "新建令牌，只显示这一次", "make a token, which is shown this once", 1, 1,
		func(ctx context.Context, args []string) error {
			if role == "" {
				return c.usage("需要 --role，例如 --role office", "--role is needed, as in --role office")
			}
			n.Name, n.Role = args[0], identity.Role(role)
			for _, v := range villages {
				n.Villages = append(n.Villages, record.Village(strings.TrimSpace(v)))
			}
			return c.with(ctx, func(s *server) error { return c.addToken(ctx, s, n) })
		})
	f := add.Flags()
	f.StringVar(&role, "role", "", c.say("按哪个角色读取", "the role by which it reads"))
	f.StringSliceVar(&villages, "village", nil, c.say("只读这些村", "only these villages"))
	f.IntVar(&n.Days, "days", access.TokenDays, c.say("有效天数", "for how many days it is good"))
	f.BoolVar(&n.Unmask, "unmask", false, c.say("可以写明理由读取完整号码", "it may read numbers in full, for a reason"))
	cmd.AddCommand(add,
		c.command("list", "列出令牌", "list the tokens", 0, 0, func(ctx context.Context, _ []string) error {
			return c.with(ctx, func(s *server) error { return c.listTokens(ctx, s) })
		}),
		c.command("revoke NAME", "停用令牌", "revoke a token", 1, 1, func(ctx context.Context, args []string) error {
			return c.with(ctx, func(s *server) error { return c.revokeToken(ctx, s, args[0]) })
		}))
	return cmd
}

// tokenJSON is a token as programs read it. Token itself is there once.
type tokenJSON struct {
	ID       string           `json:"id"`
	Name     string           `json:"name"`
	Token    string           `json:"token,omitempty"`
	Role     identity.Role    `json:"role"`
	Villages []record.Village `json:"villages"`
	Unmask   bool             `json:"unmask"`
	Expires  string           `json:"expires"`
	Revoked  bool             `json:"revoked"`
	Used     string           `json:"last_used,omitempty"`
}

func tokenOf(k *store.Token) tokenJSON {
	return tokenJSON{ID: k.ID, Name: k.Name, Role: k.Role, Villages: append([]record.Village{}, k.Villages...), Unmask: k.Unmask,
		Expires: k.Expires.UTC().Format(time.RFC3339), Revoked: !k.Revoked.IsZero(), Used: k.Used}
}

func (c *call) addToken(ctx context.Context, s *server, n access.NewToken) error {
	token, k, err := s.access.AddToken(ctx, n)
	if errors.Is(err, store.ErrTaken) {
		return c.fail("已经有名为“%s”的令牌；先停用它，或换一个名称", "There is a token called %q already; revoke it first, or choose another name", n.Name)
	} else if err != nil {
		return err
	}
	if c.json {
		j := tokenOf(&k)
		j.Token = token
		return c.print(j)
	}
	fmt.Fprintln(c.out, token)
	fmt.Fprintf(c.err, c.say("只显示这一次；%s 前有效。Excel 和 Power BI 里用户名填 %s，密码填令牌\n", "It is shown this once and good until %s. In Excel and Power BI the user is %s, the password the token\n"),
		c.time(k.Expires), k.Name)
	return nil
}

func (c *call) listTokens(ctx context.Context, s *server) error {
	list, err := s.store.Tokens(ctx)
	if err != nil {
		return err
	}
	t := table{heads: []string{c.say("名称", "name"), c.say("角色", "role"), c.say("村", "villages"), c.say("完整号码", "in full"), c.say("有效至", "until"), c.say("最近使用", "last used"), ""}}
	for i := range list {
		k := &list[i]
		if c.json {
			if err := c.print(tokenOf(k)); err != nil {
				return err
			}
			continue
		}
		villages, state, full := c.say("全部", "all"), "", c.say("否", "no")
		if len(k.Villages) == 1 {
			villages = string(k.Villages[0])
		} else if len(k.Villages) > 1 {
			villages = strconv.Itoa(len(k.Villages))
		}
		if k.Unmask {
			full = c.say("可以", "yes")
		}
		if !k.Revoked.IsZero() {
			state = c.say("已停用", "revoked")
		} else if !k.Works(c.now()) {
			state = c.say("已过期", "too old")
		}
		t.add(k.Name, string(k.Role), villages, full, c.time(k.Expires), k.Used, state)
	}
	return c.show(&t, "还没有令牌；用 token add 新建", "No tokens yet; make one with token add")
}

func (c *call) revokeToken(ctx context.Context, s *server, name string) error {
	k, err := s.access.RevokeToken(ctx, name)
	switch {
	case errors.Is(err, store.ErrEnded):
		return c.fail("令牌“%s”已经停用", "The token %q is revoked already", name)
	case errors.Is(err, store.ErrNotFound):
		return c.fail("没有令牌“%s”；用 token list 查看", "There is no token %q; token list shows them", name)
	case err != nil:
		return err
	}
	if c.json {
		return c.print(tokenOf(&k))
	}
	c.tell("已停用令牌 %s", "Revoked the token %s", k.Name)
	return nil
}
