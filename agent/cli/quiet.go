package cli

import "github.com/spf13/cobra"

// quietCmd sets whether the laptop spares its battery and links that are paid for by
// the byte, or tells that.
func (c *call) quietCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "quiet [on|off]",
		Short: c.say("省电省流量：用电池或按流量计费的网络时，每小时才同步一次", "Spare battery and metered links: sync only every hour there"),
		Args:  c.words(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] != "on" && args[0] != "off" {
				return c.usage(c.say("用法：%s", "Usage: %s", cmd.UseLine()))
			}
			return c.with(cmd.Context(), false, func(a *agent) error {
				if len(args) == 1 {
					// An agent that runs looks every few seconds.
					if err := a.store.SetQuiet(cmd.Context(), args[0] == "on"); err != nil {
						return err
					}
				}
				quiet, err := a.store.Quiet()
				if err != nil {
					return err
				}
				if c.json {
					return c.print(map[string]bool{"quiet": quiet})
				}
				c.write(c.quietly(quiet))
				return nil
			})
		},
	}
}

// quietly says what it means to be set quiet, or not.
func (c *call) quietly(quiet bool) string {
	if quiet {
		return c.say("省电省流量已打开：不等办公室的消息；用电池或按流量计费的网络时，每小时才自动同步一次（zhucun-agent sync 随时可以同步）\n",
			"Quiet: it does not wait for the office's news, and on battery or a metered link syncs by itself only every hour (zhucun-agent sync does it now)\n")
	}
	return c.say("省电省流量没有打开：存下的很快送出，办公室的改动很快收到\n", "Not quiet: what is saved goes at once, and what the office does comes at once\n")
}
