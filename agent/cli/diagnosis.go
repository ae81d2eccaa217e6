package cli

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"zhucun/agent/diagnosis"
)

// diagnosisCmd makes the file that goes to the office when something is wrong.
func (c *call) diagnosisCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "diagnosis [FILE]",
		Short: c.say("诊断文件：版本、数量、大小、同步经过、检查结果，没有任何人的信息；不写 FILE 就显示出来", "Diagnosis file: versions, counts, sizes, syncs, what a check finds, nothing about anybody; shown without FILE"),
		Args:  c.words(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), false, func(a *agent) error {
				r, err := diagnosis.Of(cmd.Context(), a.store, way(a.dir), Version, true)
				if err != nil {
					return err
				}
				raw, err := r.Bytes()
				if err != nil {
					return err
				}
				if len(args) == 0 {
					c.write(string(raw))
					return nil
				}
				path := c.path(args[0])
				if isDir(path) {
					path = filepath.Join(path, r.Name())
				}
				f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
				if os.IsExist(err) {
					return c.fail(c.say("%s 已经存在，没有改动它。请换一个文件名", "%s is there already and was left as it is; choose another name", path))
				}
				if err != nil {
					return err
				}
				if _, err := f.Write(raw); err != nil {
					f.Close()
					return err
				}
				if err := f.Close(); err != nil {
					return err
				}
				if c.json {
					return c.print(map[string]any{"file": path, "bytes": len(raw)})
				}
				c.write(c.say("已存到 %s：里面没有任何人的信息，可以发给办公室\n", "Wrote %s: there is nothing about anybody in it, and it can go to the office\n", path))
				return nil
			})
		},
	}
}
