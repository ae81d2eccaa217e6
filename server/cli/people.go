package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

func (c *call) villageCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "village", Short: c.say("村：添加、列表", "villages: add, list")}
	var township string
	force := false
	add := c.command("add CODE NAME [--township TOWNSHIP] [--force]", "添加一个村", "add a village", 2, 2, func(ctx context.Context, args []string) error {
		if code := args[0]; !force && (len(code) != 12 || strings.Trim(code, "0123456789") != "") {
			return c.usage("村代码应为12位数字（统计用区划代码），“%s”不是；添加后不能删除，确实要用请加 --force", "A village code has 12 digits (the statistical code), which %q has not; a village cannot be taken back, so add --force if it is meant", code)
		}
		return c.with(ctx, func(s *server) error { return c.addVillage(ctx, s, args[0], args[1], township) })
	})
	add.Flags().StringVar(&township, "township", "", c.say("所属乡镇", "the township"))
	add.Flags().BoolVar(&force, "force", false, c.say("村代码不是12位数字也添加", "add it though its code is not 12 digits"))
	cmd.AddCommand(add, c.command("list", "列出各村", "list the villages", 0, 0, func(ctx context.Context, _ []string) error {
		return c.with(ctx, func(s *server) error { return c.listVillages(ctx, s) })
	}))
	return cmd
}

type villageJSON struct {
	Code     record.Village `json:"code"`
	Name     string         `json:"name"`
	Township string         `json:"township"`
}

func (c *call) addVillage(ctx context.Context, s *server, code, name, township string) error {
	err := s.access.AddVillage(ctx, store.Village{Code: record.Village(code), Name: name, Township: township})
	if errors.Is(err, store.ErrTaken) {
		return c.fail("已经有代码为 %s 的村；用 village list 查看", "There is a village %s already; village list shows it", code)
	} else if err != nil {
		return err
	}
	if c.json {
		return c.print(villageJSON{record.Village(code), name, township})
	}
	c.tell("已添加 %s %s", "Added %s %s", code, name)
	return nil
}

func (c *call) listVillages(ctx context.Context, s *server) error {
	villages, err := s.store.Villages(ctx)
	if err != nil {
		return err
	}
	t := table{heads: []string{c.say("代码", "code"), c.say("村", "village"), c.say("乡镇", "township")}}
	for _, v := range villages {
		if c.json {
			if err := c.print(villageJSON{v.Code, v.Name, v.Township}); err != nil {
				return err
			}
			continue
		}
		t.add(string(v.Code), v.Name, v.Township)
	}
	return c.show(&t, "还没有村；用 village add 添加", "No villages yet; add one with village add")
}

func (c *call) enrolCommand() *cobra.Command {
	var villages []string
	var role, name string
	ttl := access.TTL
	cmd := c.command(`enrol --village CODE[,CODE…] --role ROLE --name NAME [--ttl 72h]`, "发放登记码，让一台电脑加入", "issue a code that brings a laptop in", 0, 0,
		func(ctx context.Context, _ []string) error {
			if len(villages) == 0 || role == "" || name == "" {
				return c.usage(`需要 --village、--role 和 --name，例如 enrol --village 369999000001 --role team_member --name "王队员"`,
					`--village, --role and --name are needed, as in enrol --village 369999000001 --role team_member --name "王队员"`)
			}
			return c.with(ctx, func(s *server) error { return c.enrol(ctx, s, villages, role, name, ttl) })
		})
	f := cmd.Flags()
	f.StringSliceVar(&villages, "village", nil, c.say("村代码，可写多个", "village codes"))
	f.StringVar(&role, "role", "", c.say("角色", "role"))
	f.StringVar(&name, "name", "", c.say("使用人姓名", "the name of whoever will use it"))
	f.DurationVar(&ttl, "ttl", access.TTL, c.say("有效期", "how long the code works"))
	return cmd
}

func (c *call) enrol(ctx context.Context, s *server, villages []string, role, name string, ttl time.Duration) error {
	url, err := s.store.Meta(ctx, metaURL)
	if err != nil {
		return err
	}
	guessed := url == nil
	if guessed {
		url = []byte("https://" + defaultListen)
	}
	l := access.Laptop{Role: identity.Role(role), Name: name, TTL: ttl, URL: string(url), Pin: identity.PinOf(s.keys.public())}
	for _, v := range villages {
		l.Villages = append(l.Villages, record.Village(strings.TrimSpace(v)))
	}
	code, err := s.access.NewCode(ctx, l)
	if err != nil {
		return err
	}
	if guessed {
		fmt.Fprintf(c.err, c.say("提示：服务器还没有运行过，登记码里写的地址是 %s\n", "Note: the server has not run yet; the code names the address %s\n"), url)
	}
	if c.json {
		return c.print(map[string]string{"code": code.String()})
	}
	fmt.Fprintln(c.out, code)
	fmt.Fprintf(c.err, c.say("在电脑上运行 zhucun-agent enrol 加上面的登记码；%s 前有效，只能用一次\n", "On the laptop run zhucun-agent enrol with this code; it works once, until %s\n"),
		c.now().Add(ttl).Format("2006-01-02 15:04"))
	return nil
}

func (c *call) deviceCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "device", Short: c.say("电脑：列表、停用、恢复、改派、登记使用人", "laptops: list, revoke, take in again, assign, register people")}
	cmd.AddCommand(
		c.command("list", "列出已登记的电脑", "list the enrolled laptops", 0, 0, func(ctx context.Context, _ []string) error {
			return c.with(ctx, func(s *server) error { return c.listDevices(ctx, s) })
		}),
		c.command("revoke ID", "停用一台电脑", "revoke a laptop", 1, 1, func(ctx context.Context, args []string) error {
			return c.with(ctx, func(s *server) error {
				d, err := s.access.Revoke(ctx, identity.Device(args[0]))
				if errors.Is(err, access.ErrRevoked) {
					return c.fail("这台电脑已经停用", "This laptop is revoked already")
				}
				return c.changed(d, err, "已停用 %s（%s）；它未上传的内容以后送到时会放进隔离区", "Revoked %s (%s); what it still sends goes into quarantine")
			})
		}),
		c.command("regrant ID", "恢复一台停用的电脑", "take a revoked laptop in again", 1, 1, func(ctx context.Context, args []string) error {
			return c.with(ctx, func(s *server) error {
				d, err := s.access.Regrant(ctx, identity.Device(args[0]))
				if errors.Is(err, access.ErrGranted) {
					return c.fail("这台电脑没有停用", "This laptop is not revoked")
				}
				return c.changed(d, err, "已恢复 %s（%s）；停用期间送来的仍在隔离区，等人处理", "Taken in again %s (%s); what it sent meanwhile stays in quarantine until somebody decides")
			})
		}),
		c.command("profile ID NAME", "在一台电脑上再登记一个使用人", "register one more person on a laptop", 2, 2, func(ctx context.Context, args []string) error {
			return c.with(ctx, func(s *server) error {
				d, err := s.access.AddProfile(ctx, identity.Device(args[0]), args[1])
				return c.changed(d, err, "已登记；%s 的使用人：%s", "Registered; on %s there are %s")
			})
		}),
		c.command("assign ID CODE[,CODE…]", "改派一台电脑到这些村", "give a laptop these villages instead", 2, 2, func(ctx context.Context, args []string) error {
			return c.with(ctx, func(s *server) error {
				var villages []record.Village
				for v := range strings.SplitSeq(args[1], ",") {
					villages = append(villages, record.Village(strings.TrimSpace(v)))
				}
				d, err := s.access.Assign(ctx, identity.Device(args[0]), villages)
				return c.changed(d, err, "已改派 %s（%s）", "Assigned %s (%s)")
			})
		}),
		c.recoverCommand(),
		c.command("offline-days [N]", "多少天没有联系就自动锁上电脑（0 为不锁）", "after how many days without contact laptops lock themselves (0 is never)", 0, 1, func(ctx context.Context, args []string) error {
			return c.with(ctx, func(s *server) error { return c.offlineDays(ctx, s, args) })
		}),
		c.photosCommand())
	return cmd
}

func (c *call) photosCommand() *cobra.Command {
	var side, quality int
	var originals bool
	var cmd *cobra.Command
	cmd = c.command("photos [--side POINTS] [--quality Q] [--originals]", "电脑把照片缩到多大、存成什么质量（0 为默认 1600、80），要不要原图", "how large laptops keep photos, and how good (0 is the default, 1600 and 80), and whether the originals too", 0, 0, func(ctx context.Context, _ []string) error {
		return c.with(ctx, func(s *server) error {
			p, err := s.access.Photos(ctx)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("side") {
				p.Side = side
			}
			if cmd.Flags().Changed("quality") {
				p.Quality = quality
			}
			if cmd.Flags().Changed("originals") {
				p.Originals = originals
			}
			if cmd.Flags().Changed("side") || cmd.Flags().Changed("quality") || cmd.Flags().Changed("originals") {
				if err := s.access.SetPhotos(ctx, store.CommandLine, p); err != nil {
					return err
				}
			}
			if c.json {
				return c.print(p)
			}
			c.tell("照片长边 %d 点，质量 %d", "Photos: longer side %d points, quality %d", cmp.Or(p.Side, 1600), cmp.Or(p.Quality, 80))
			if p.Originals {
				c.tell("原图也留：在电脑上占几倍的地方，最后才传，办公室的记录页上可以打开", "Originals are kept too: they take several times the room on the laptops, come last, and open from the records' pages here")
			}
			return nil
		})
	})
	cmd.Flags().IntVar(&side, "side", 0, c.say("长边的点数", "points on the longer side"))
	cmd.Flags().IntVar(&quality, "quality", 0, c.say("质量，30 到 100", "quality, 30 to 100"))
	cmd.Flags().BoolVar(&originals, "originals", false, c.say("原图也留、也传（--originals=false 取消）", "keep and bring the originals too (--originals=false ends it)"))
	return cmd
}

func (c *call) offlineDays(ctx context.Context, s *server, args []string) error {
	if len(args) > 0 {
		n, err := strconv.Atoi(args[0])
		if err != nil {
			n = -1
		}
		if err := s.access.SetOfflineDays(ctx, store.CommandLine, n); err != nil {
			return err
		}
	}
	n, err := s.access.OfflineDays(ctx)
	switch {
	case err != nil:
		return err
	case c.json:
		return c.print(map[string]int{"days": n})
	case n == 0:
		c.tell("电脑不因长时间没有联系而锁上", "Laptops do not lock for want of contact")
	default:
		c.tell("电脑 %d 天没有联系就自动锁上，再联系上就打开；也可凭恢复码打开", "Laptops lock after %d days without contact, and open with the next one or a recovery code", n)
	}
	return nil
}

func (c *call) recoverCommand() *cobra.Command {
	var reason string
	cmd := c.command("recover ID --reason R", "口令忘了时，给出一台电脑的恢复码", "give the recovery code of a laptop whose passphrase was forgotten", 1, 1, func(ctx context.Context, args []string) error {
		if strings.TrimSpace(reason) == "" {
			return c.usage("要用 --reason 写明理由", "The reason is needed, as --reason")
		}
		return c.with(ctx, func(s *server) error {
			code, err := s.access.Recover(ctx, store.CommandLine, identity.Device(args[0]), strings.TrimSpace(reason))
			switch {
			case errors.Is(err, access.ErrNoEscrow):
				return c.fail("这台电脑还没有交来它的钥匙；它下次同步时会自己交来", "This laptop has not handed in its key yet; it does so by itself with its next sync")
			case errors.Is(err, store.ErrNotFound):
				return c.fail("没有这个编号的电脑；用 device list 查看", "There is no laptop of that id; device list shows them")
			case err != nil:
				return err
			case c.json:
				return c.print(map[string]string{"id": args[0], "code": code})
			}
			c.tell("恢复码：%s", "Recovery code: %s", code)
			c.tell("先确认对方是谁，再念给他听；他在锁定的网页上点“忘了口令”，或运行 zhucun-agent passphrase recover 恢复码。谁有这个码，谁就能打开那台电脑里的内容", "Make sure of who asks before you read it out. It goes into the locked page under \"Forgotten?\", or after zhucun-agent passphrase recover. Whoever has it can open what is on that laptop")
			return nil
		})
	})
	cmd.Flags().StringVar(&reason, "reason", "", c.say("理由，会留下记录", "the reason; it is noted in the audit"))
	return cmd
}

// changed reports a changed device: its id and who is on it.
func (c *call) changed(d store.Device, err error, zh, en string) error {
	if errors.Is(err, store.ErrNotFound) {
		return c.fail("没有这个编号的电脑；用 device list 查看", "There is no laptop of that id; device list shows them")
	} else if err != nil {
		return err
	}
	if c.json {
		return c.print(deviceOf(&d, nil))
	}
	c.tell(zh, en, d.ID, strings.Join(d.Profiles, c.say("、", ", ")))
	return nil
}

type deviceJSON struct {
	ID       identity.Device  `json:"id"`
	Name     string           `json:"name"`
	Role     identity.Role    `json:"role"`
	Profiles []string         `json:"profiles"`
	Villages []record.Village `json:"villages"`
	Enrolled time.Time        `json:"enrolled_at"`
	Revoked  bool             `json:"revoked"`
	Seen     *time.Time       `json:"seen_at,omitempty"`
	Pending  uint64           `json:"pending"`
	Room     uint64           `json:"disk_free,omitempty"` // bytes, about
	Agent    string           `json:"agent"`
}

// deviceOf gives a device as it is printed, with what its last contacts said.
func deviceOf(d *store.Device, contacts []store.Contact) deviceJSON {
	j := deviceJSON{ID: d.ID, Name: d.Name, Role: d.Role, Profiles: d.Profiles, Villages: d.Villages, Enrolled: d.EnrolledAt.UTC(), Revoked: d.Revoked(), Agent: d.Agent}
	for _, c := range contacts {
		if seen := c.Seen.UTC(); c.Device == d.ID && (j.Seen == nil || seen.After(*j.Seen)) {
			j.Seen, j.Pending, j.Agent, j.Room = &seen, c.Pending, c.Agent, c.Room
		}
	}
	return j
}

func (c *call) listDevices(ctx context.Context, s *server) error {
	devices, err := s.store.Devices(ctx)
	if err != nil {
		return err
	}
	contacts, err := s.store.Contacts(ctx)
	if err != nil {
		return err
	}
	t := table{heads: []string{c.say("编号", "id"), c.say("使用人", "people"), c.say("角色", "role"), c.say("村", "villages"), c.say("最近联系", "last contact"), c.say("状态", "state")}}
	for i := range devices {
		j := deviceOf(&devices[i], contacts)
		if c.json {
			if err := c.print(j); err != nil {
				return err
			}
			continue
		}
		// A laptop that has sent nothing yet was here when it enrolled.
		seen, state := c.time(j.Enrolled)+c.say("（登记）", " (enrolled)"), ""
		if j.Seen != nil {
			seen = c.time(*j.Seen)
		}
		if j.Revoked {
			state = c.say("已停用", "revoked")
		}
		villages := make([]string, len(j.Villages))
		for i, v := range j.Villages {
			villages[i] = string(v)
		}
		slices.Sort(villages)
		t.add(string(j.ID), strings.Join(j.Profiles, c.say("、", ", ")), s.store.Forms().RoleLabel(j.Role).In(c.lang), strings.Join(villages, ","), seen, state)
	}
	if err := c.show(&t, "还没有电脑；用 enrol 发放登记码", "No laptops yet; issue a code with enrol"); err != nil {
		return err
	}
	r, err := s.store.Restored(ctx)
	if err == nil && r != nil {
		fmt.Fprintf(c.err, c.say("服务器在 %[2]s 从 %[1]s 的备份恢复过：这之间停用过的电脑要再停用一次，登记码都已作废；核对后在办公室页面“电脑”里确认\n",
			"This server was restored on %[2]s from a backup of %[1]s: laptops revoked in between must be revoked again, and codes are void; confirm it on the office's page of laptops\n"), c.time(r.Made), c.time(r.At))
	}
	return err
}
