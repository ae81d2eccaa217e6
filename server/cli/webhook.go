package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/record"
)

func (c *call) webhookCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "webhook", Short: c.say("通知：记录有变动时告诉其他程序", "webhooks: tell other programs what has changed")}
	var types, villages []string
	add := c.command("add URL [--type TYPE[,TYPE…]] [--village CODE[,CODE…]]", "添加通知地址；签名密钥只显示这一次", "add an address; its secret is shown this once", 1, 1,
		func(ctx context.Context, args []string) error {
			n := access.NewWebhook{URL: args[0]}
			for _, t := range types {
				n.Types = append(n.Types, record.Type(strings.TrimSpace(t)))
			}
			for _, v := range villages {
				n.Villages = append(n.Villages, record.Village(strings.TrimSpace(v)))
			}
			return c.with(ctx, func(s *server) error { return c.addWebhook(ctx, s, n) })
		})
	add.Flags().StringSliceVar(&types, "type", nil, c.say("只通知这些种类的记录", "only of records of these types"))
	add.Flags().StringSliceVar(&villages, "village", nil, c.say("只通知这些村", "only of these villages"))
	cmd.AddCommand(add,
		c.command("list", "列出通知地址和送达情况", "list the addresses and how sending to them stands", 0, 0, func(ctx context.Context, _ []string) error {
			return c.with(ctx, func(s *server) error { return c.listWebhooks(ctx, s) })
		}),
		c.command("resume ID", "恢复暂停的通知，从停下的地方接着送", "send to an address again, from where it ended", 1, 1, func(ctx context.Context, args []string) error {
			return c.with(ctx, func(s *server) error {
				h, err := s.access.ResumeWebhook(ctx, args[0])
				return c.toldWebhook(h, err, "已恢复 %s", "Resumed %s")
			})
		}),
		c.command("remove ID", "删除通知地址", "take an address out", 1, 1, func(ctx context.Context, args []string) error {
			return c.with(ctx, func(s *server) error {
				h, err := s.access.RemoveWebhook(ctx, args[0])
				return c.toldWebhook(h, err, "已删除 %s", "Took out %s")
			})
		}))
	return cmd
}

// webhookJSON is an address as programs read it. The secret is there once.
type webhookJSON struct {
	ID        string           `json:"id"`
	URL       string           `json:"url"`
	Secret    string           `json:"secret,omitempty"`
	Types     []record.Type    `json:"types"`
	Villages  []record.Village `json:"villages"`
	Paused    bool             `json:"paused"`
	Tries     int              `json:"tries"`
	Said      string           `json:"said,omitempty"`
	Delivered string           `json:"delivered_at,omitempty"`
}

func webhookOf(h *store.Webhook) webhookJSON {
	j := webhookJSON{ID: h.ID, URL: h.URL, Types: append([]record.Type{}, h.Types...), Villages: append([]record.Village{}, h.Villages...), Paused: !h.Paused.IsZero(), Tries: h.Tries, Said: h.Said}
	if !h.Delivered.IsZero() {
		j.Delivered = h.Delivered.UTC().Format(time.RFC3339)
	}
	return j
}

func (c *call) addWebhook(ctx context.Context, s *server, n access.NewWebhook) error {
	secret, h, err := s.access.AddWebhook(ctx, n)
	if err != nil {
		return err
	}
	if c.json {
		j := webhookOf(&h)
		j.Secret = secret
		return c.print(j)
	}
	fmt.Fprintln(c.out, secret)
	fmt.Fprintln(c.err, c.say("这是签名密钥，只显示这一次；从现在起的变动会发到该地址", "This is the secret, shown this once; what changes from now on is sent to the address"))
	return nil
}

func (c *call) listWebhooks(ctx context.Context, s *server) error {
	list, err := s.store.Webhooks(ctx)
	if err != nil {
		return err
	}
	t := table{heads: []string{c.say("编号", "id"), c.say("地址", "address"), c.say("情况", "state"), c.say("最近送达", "last taken")}}
	for i := range list {
		h := &list[i]
		if c.json {
			if err := c.print(webhookOf(h)); err != nil {
				return err
			}
			continue
		}
		state, last := c.say("正常", "well"), ""
		switch {
		case !h.Paused.IsZero():
			state = fmt.Sprintf(c.say("已暂停（%s）", "paused (%s)"), h.Said)
		case h.Tries > 0:
			state = fmt.Sprintf(c.say("没有收下（%s），已试 %d 次", "not taken (%s), tried %d times"), h.Said, h.Tries)
		}
		if !h.Delivered.IsZero() {
			last = c.time(h.Delivered)
		}
		t.add(h.ID, fit(h.URL, 50), state, last)
	}
	return c.show(&t, "还没有通知地址；用 webhook add 添加", "No addresses yet; add one with webhook add")
}

func (c *call) toldWebhook(h store.Webhook, err error, zh, en string) error {
	if errors.Is(err, store.ErrNotFound) {
		return c.fail("没有这个通知地址；用 webhook list 查看编号", "There is no such address; webhook list shows their ids")
	} else if err != nil {
		return err
	}
	if c.json {
		return c.print(map[string]string{"id": h.ID})
	}
	c.tell(zh, en, access.HostOf(&h))
	return nil
}
