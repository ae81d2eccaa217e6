package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"zhucun/agent/store"
	"zhucun/agent/vault"
	"zhucun/shared/escrow"
)

// passphraseCmd changes how the data is locked. It works on the vault alone, so it
// needs no running agent and hinders none: the key stays what it is.
func (c *call) passphraseCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "passphrase",
		Short: c.say("用口令锁住本机的内容", "Lock what is here by a passphrase"),
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return c.usage(c.say("用法：%s set|remove|recover", "Usage: %s set|remove|recover", cmd.CommandPath()))
			}
			return cmd.Help()
		},
	}
	var from string
	file := func(cmd *cobra.Command) *cobra.Command {
		cmd.Flags().StringVar(&from, "file", "", c.say("新口令所在的文件（第一行）；不给就在终端里问", "file whose first line is the new passphrase; asked for in the terminal without it"))
		return cmd
	}
	cmd.AddCommand(
		file(&cobra.Command{
			Use: "set [--file FILE]", Short: c.say("设置或更换口令", "set or change the passphrase"), Args: c.words(0, 0),
			RunE: func(cmd *cobra.Command, _ []string) error {
				v, key, err := c.unlocked(cmd.Context())
				if err != nil {
					return err
				}
				fresh, err := c.newPassphrase(from)
				if err != nil {
					return err
				}
				return c.locked(v, v.SetPassphrase(key, fresh))
			},
		}),
		&cobra.Command{
			Use: "remove", Short: c.say("不再用口令", "do without a passphrase"), Args: c.words(0, 0),
			RunE: func(cmd *cobra.Command, _ []string) error {
				v, key, err := c.unlocked(cmd.Context())
				if err != nil {
					return err
				}
				return c.locked(v, v.SetPassphrase(key, nil))
			},
		},
		file(&cobra.Command{
			Use: "recover CODE [--file FILE]", Short: c.say("用办公室给的恢复码重新设置口令", "set the passphrase anew with the office's recovery code"), Args: c.words(1, -1),
			RunE: func(cmd *cobra.Command, args []string) error {
				key, err := escrow.Parse(join(args))
				if err != nil {
					return err
				}
				return c.recover(cmd.Context(), key, from)
			},
		}),
	)
	return cmd
}

func join(words []string) string {
	text := ""
	for _, w := range words {
		text += w
	}
	return text
}

// unlocked gives the vault of the data folder and its key. A laptop that is locked
// for want of contact is not opened by setting a passphrase.
func (c *call) unlocked(ctx context.Context) (*vault.Vault, []byte, error) {
	if err := c.there(); err != nil {
		return nil, nil, err
	}
	if way(c.data) != vault.Passphrase {
		var out bytes.Buffer
		asked := *c
		asked.args, asked.out, asked.json = []string{"status", "--json", "--data", c.data}, &out, false
		if code := asked.run(ctx); code != 0 {
			return nil, nil, exitStatus(code)
		}
		var st statusJSON
		if err := json.Unmarshal(out.Bytes(), &st); err != nil {
			return nil, nil, err
		}
		if st.OutOfContact > 0 {
			return nil, nil, c.outOfContact(st.OutOfContact)
		}
	}
	key, err := c.dataKey()
	if err != nil {
		return nil, nil, err
	}
	v, err := vault.Open(c.data, settings())
	return v, key, err
}

// recover makes the recovered key the vault's way in: of the vault that is here, or
// of a new one where its note is gone. It must open the store.
func (c *call) recover(ctx context.Context, key []byte, from string) error {
	if err := c.there(); err != nil {
		return err
	}
	fresh, err := c.newPassphrase(from)
	if err != nil {
		return err
	}
	v, err := vault.Open(c.data, settings())
	switch {
	case err == nil && !v.Fits(key) && !store.Fits(c.data, key):
		return errOther
	case err == nil && !v.Fits(key):
		// The note is not the store's: another program made it, or a copy brought it.
		v, err = vault.Replace(c.data, settings(), key, fresh)
		return c.locked(v, err)
	case err == nil:
		return c.locked(v, v.SetPassphrase(key, fresh))
	case !errors.Is(err, vault.ErrNone) && !errors.Is(err, vault.ErrLost):
		return err
	}
	c.key = key
	s, _, err := c.obtain(ctx, heldUp)
	if errors.Is(err, store.ErrKey) {
		return errOther
	}
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	v, err = vault.Take(c.data, settings(), key, fresh)
	return c.locked(v, err)
}

// errOther says that a recovery code is another laptop's.
var errOther = errors.New("the recovery code is for another laptop")

// newPassphrase reads a new passphrase: from a file, or typed twice.
func (c *call) newPassphrase(from string) ([]byte, error) {
	if from != "" {
		return c.readPassphrase(c.path(from))
	}
	typed, err := c.askPassphrase(c.say("新口令（至少 %d 个字）：", "New passphrase (%d characters or more): ", vault.MinPassphrase))
	if err != nil {
		return nil, err
	}
	if typed == nil {
		return nil, c.usage(c.say("请在终端里运行，或用 --file 给出新口令", "Run this in a terminal, or give the new passphrase with --file"))
	}
	again, err := c.askPassphrase(c.say("再输一遍：", "Once more: "))
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(typed, again) {
		return nil, c.fail(c.say("两次输入的不一样，没有改动。请再试一次", "The two are not the same; nothing was changed. Try again"))
	}
	return typed, nil
}

// locked tells how the data is locked from now on.
func (c *call) locked(v *vault.Vault, err error) error {
	if err != nil {
		return err
	}
	if c.json {
		return c.print(map[string]any{"protection": v.Way()})
	}
	c.write(c.protection(v.Way()) + "\n")
	return nil
}

// protection says what unlocks the data.
func (c *call) protection(way vault.Way) string {
	switch way {
	case vault.Passphrase:
		return c.say("本机内容用口令锁着", "What is here is locked by a passphrase")
	case vault.Keyring:
		return c.say("本机内容用系统的密码库锁着，登录后自动打开", "What is here is locked by the system's keyring, which your login opens")
	}
	return c.say("未受保护：拿到这台电脑的人能看到全部内容。请设置口令：zhucun-agent passphrase set", "Unprotected: whoever has this computer can read everything. Set a passphrase: zhucun-agent passphrase set")
}

// way tells what unlocks the data folder.
func way(dir string) vault.Way {
	v, err := vault.Open(dir, settings())
	if err != nil {
		return ""
	}
	return v.Way()
}
