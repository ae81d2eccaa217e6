package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zhucun/server/access"
	"zhucun/server/blob"
	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/shared/form"
)

// Version is the server's.
const Version = "0.1"

// Exit statuses.
const (
	exitFailed = 1
	exitUsage  = 2
)

// call is one command being carried out: where it reads and writes, in which
// language, and on what data.
type call struct {
	out, err io.Writer
	lang     form.Lang
	json     bool
	data     string
	now      func() time.Time
	log      *slog.Logger
}

// usageError is a command that was not understood.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// plainError is a failure that is a sentence already.
type plainError struct{ text string }

func (e *plainError) Error() string { return e.text }

// Main carries out a command line and gives the exit status.
func Main(ctx context.Context, args []string) int {
	level := slog.LevelWarn
	if os.Getenv("ZHUCUN_DEBUG") != "" {
		level = slog.LevelDebug
	}
	c := &call{out: os.Stdout, err: os.Stderr, lang: language(args), now: time.Now}
	c.log = c.logger(level)
	return c.run(ctx, args)
}

// logger writes the log, in English, on standard error. Whoever reads it there
// when the disk has failed is told as after a command what to do.
func (c *call) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{Level: level, ReplaceAttr: c.plainer}))
}

// jsonLogger writes the log as JSON, a line each, with the requests.
func (c *call) jsonLogger() *slog.Logger {
	level := slog.LevelInfo
	if os.Getenv("ZHUCUN_DEBUG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewJSONHandler(c.err, &slog.HandlerOptions{Level: level, ReplaceAttr: c.plainer}))
}

func (c *call) plainer(_ []string, a slog.Attr) slog.Attr {
	if err, ok := a.Value.Any().(error); ok {
		if text := c.disk(err); text != "" {
			return slog.String(a.Key, text+c.say("（", " (")+err.Error()+c.say("）", ")"))
		}
	}
	return a
}

// language is Chinese unless the command or the environment asks for English.
// The commands are made in it, so it is looked for before they are.
func language(args []string) form.Lang {
	var asked []string
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, "--lang="); ok {
			asked = append(asked, v)
		} else if a == "--lang" && i+1 < len(args) {
			asked = append(asked, args[i+1])
		}
	}
	for _, name := range []string{"ZHUCUN_LANG", "LC_ALL", "LC_MESSAGES", "LANG"} {
		asked = append(asked, os.Getenv(name))
	}
	for _, v := range asked {
		if v != "" {
			if strings.HasPrefix(v, "en") {
				return form.En
			}
			return form.Zh
		}
	}
	return form.Zh
}

// say picks the text in the caller's language.
func (c *call) say(zh, en string) string { return form.Label{Zh: zh, En: en}.In(c.lang) }

func (c *call) usage(zh, en string, args ...any) error {
	return &usageError{fmt.Sprintf(c.say(zh, en), args...)}
}

func (c *call) fail(zh, en string, args ...any) error {
	return &plainError{fmt.Sprintf(c.say(zh, en), args...)}
}

// output keeps the first failure to print: a command whose output is cut off has not
// done what it was asked.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

func (c *call) run(ctx context.Context, args []string) int {
	out := &output{w: c.out}
	c.out = out
	root := c.root()
	root.SetArgs(args)
	root.SetOut(c.out)
	root.SetErr(c.err)
	err := root.ExecuteContext(store.By(ctx, store.CommandLine))
	if err == nil && out.err != nil {
		err = c.fail("结果没有写全（%s）；要做的可能已经做了，请核对，要紧的（如登记码）请重新取", "The output could not be written whole (%s); what was to be done may be: check, and ask again for what matters, such as a code", out.err)
	}
	if err == nil {
		return 0
	}
	fmt.Fprintln(c.err, c.sentence(err))
	if !mistyped(err) {
		c.log.Debug("the command failed", "error", err)
	}
	// A name is one of the command's own words as well.
	var usage *usageError
	var name *access.NameError
	if errors.As(err, &usage) || errors.As(err, &name) {
		return exitUsage
	}
	return exitFailed
}

// mistyped tells an error that says to whoever typed the command what is wrong with the
// words: all of it is in the sentence, and they may be people's names, which must not
// stand in a log.
func mistyped(err error) bool {
	var plain *plainError
	var usage *usageError
	var name *access.NameError
	var condition *store.ConditionError
	var value *form.ValueError
	return errors.As(err, &plain) || errors.As(err, &usage) || errors.As(err, &name) || errors.As(err, &condition) || errors.As(err, &value) ||
		errors.Is(err, fs.ErrNotExist)
}

// sentence says an error in one sentence and the next step.
func (c *call) sentence(err error) string {
	var plain *plainError
	var usage *usageError
	var name *access.NameError
	var condition *store.ConditionError
	var value *form.ValueError
	switch {
	case errors.As(err, &plain):
		return plain.text
	case errors.As(err, &usage):
		return usage.text
	case errors.As(err, &name):
		return form.Label{Zh: name.Zh, En: name.En}.In(c.lang)
	case errors.As(err, &value):
		return value.Field + c.say("：", ": ") + value.Reason.In(c.lang)
	case errors.As(err, &condition):
		if condition.Near != "" {
			return fmt.Sprintf(c.say("没有字段“%s”，是不是“%s”？", "There is no field %q; did you mean %q?"), condition.Field, condition.Near)
		}
		return fmt.Sprintf(c.say("没有字段“%s”，字段名见表单", "There is no field %q; the form has their names"), condition.Field)
	case errors.Is(err, review.ErrDecided):
		return c.say("已经有人处理过了；用 conflicts 或 quarantine list 查看现在的情况", "Somebody has decided on it already; conflicts and quarantine list show what waits now")
	case errors.Is(err, store.ErrErased):
		return c.say("这条记录的内容已依法擦除，不能再改", "The record was erased by law and cannot be changed any more")
	case errors.Is(err, review.ErrNothing):
		return c.say("那里没有需要处理的内容；用 conflicts 查看待处理的", "Nothing waits for a decision there; conflicts lists what does")
	case errors.Is(err, store.ErrNotFound):
		return c.say("没有找到；请核对编号", "There is no such thing; check the id")
	}
	if text := c.disk(err); text != "" {
		return text
	}
	return fmt.Sprintf(c.say("没有成功：%s", "It failed: %s"), err)
}

// The kinds of SQLite's errors that are the disk's or the folder's.
const (
	sqliteReadOnly = 8
	sqliteIO       = 10
	sqliteFull     = 13
	sqliteCantOpen = 14

	sqliteRead      = sqliteIO | 1<<8
	sqliteShortRead = sqliteIO | 2<<8
)

// disk says an error of the disk; "" for any other. The database's errors come
// with their number, of which the low byte is the kind.
func (c *call) disk(err error) string {
	place, why := c.data, err
	var path *fs.PathError
	if errors.As(err, &path) {
		place, why = path.Path, path.Err
	}
	kind := 0
	var numbered interface {
		error
		Code() int
	}
	if errors.As(err, &numbered) {
		kind, why = numbered.Code()&0xff, numbered
	}
	switch {
	case kind == sqliteFull, errors.Is(err, syscall.ENOSPC):
		return fmt.Sprintf(c.say("磁盘已满，无法写入 %s；请腾出空间后再试", "The disk is full and %s cannot be written; free some space and try again"), place)
	case kind == sqliteReadOnly, kind == sqliteCantOpen, errors.Is(err, syscall.EROFS):
		return fmt.Sprintf(c.say("%s 是只读的，无法写入；请检查它的权限和所在的磁盘", "%s is read-only; check its permissions and the disk it is on"), place)
	case kind == sqliteIO:
		return fmt.Sprintf(c.say("读写 %s 时磁盘出错（%s）；请检查磁盘是否已满或损坏，然后再试", "The disk failed at %s (%s); see whether it is full or damaged, then try again"), place, why)
	case path != nil && errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf(c.say("没有这个文件或文件夹：%s；请核对名称", "There is no such file or folder: %s; check its name"), place)
	case path != nil:
		return fmt.Sprintf(c.say("无法读写 %s（%s）；请检查文件夹和权限", "Cannot read or write %s (%s); check the folder and its permissions"), place, why)
	}
	return ""
}

func (c *call) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "zhucun-server",
		Short:         c.say("驻村通服务器：汇总各村数据，供办公室查看和处理", "Zhucun's server: brings the villages' records together for the office"),
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       Version,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		var bad *pflag.InvalidValueError
		var unknown *pflag.NotExistError
		var without *pflag.ValueRequiredError
		switch {
		case errors.As(err, &bad):
			switch name, value := bad.GetFlag().Name, bad.GetValue(); bad.GetFlag().Value.Type() {
			case "int":
				return c.usage("--%s 要写整数，“%s”不是", "--%s is a whole number, which %q is not", name, value)
			case "duration":
				return c.usage("--%s 要写时长，例如 48h 或 30m，“%s”不是", "--%s is a length of time, such as 48h or 30m, which %q is not", name, value)
			}
		case errors.As(err, &without):
			return c.usage("--%s 后面要有值", "--%s needs a value", without.GetFlag().Name)
		case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
			return c.usage("没有选项 --%s；运行 %s --help 查看用法", "There is no option --%s; see %s --help", unknown.GetSpecifiedName(), cmd.CommandPath())
		}
		return c.usage("命令写法不对（%s）；运行 %s --help 查看用法", "The command was not understood (%s); see %s --help", err, cmd.CommandPath())
	})
	f := root.PersistentFlags()
	f.StringVar(&c.data, "data", os.Getenv("ZHUCUN_DATA"), c.say("数据文件夹（或环境变量 ZHUCUN_DATA）", "the data folder (or ZHUCUN_DATA)"))
	f.BoolVar(&c.json, "json", false, c.say("输出 JSON，供程序读取", "print JSON, for programs"))
	lang := f.String("lang", "", c.say("语言：zh 或 en", "language: zh or en"))
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		switch *lang {
		case "", "zh", "en": // language has seen to it
			return nil
		}
		return c.usage("--lang 只能是 zh 或 en", "--lang is zh or en")
	}
	f.BoolP("help", "h", false, c.say("显示用法", "show how it is used"))
	f.Lookup("help").Hidden = true
	root.AddCommand(c.initCommand(), c.serveCommand(), c.villageCommand(), c.enrolCommand(), c.deviceCommand(), c.accountCommand(), c.tokenCommand(), c.webhookCommand(),
		c.getCommand(), c.listCommand(), c.conflictsCommand(), c.resolveCommand(), c.askCommand(), c.questionsCommand(), c.noticeCommand(), c.quarantineCommand(), c.transferCommand(), c.eraseCommand(), c.writeOffCommand(), c.exportCommand(), c.formCommand(), c.bundleCommand(), c.backupCommand(), c.restoreCommand(), c.verifyCommand())
	root.SetHelpCommand(&cobra.Command{Hidden: true})
	root.SetUsageFunc(c.usageOf)
	c.groups(root)
	return root
}

// usageOf writes how a command is used, in the caller's language.
func (c *call) usageOf(cmd *cobra.Command) error {
	var b strings.Builder
	use := cmd.UseLine()
	if cmd.HasSubCommands() {
		use = cmd.CommandPath() + c.say(" 命令 [选项]", " COMMAND [OPTIONS]")
	}
	fmt.Fprintf(&b, c.say("用法：%s", "Usage: %s"), use)
	b.WriteString("\n")
	t := table{}
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			t.add("  "+sub.Name(), sub.Short)
		}
	}
	if len(t.rows) > 0 {
		fmt.Fprintf(&b, "\n%s\n%s", c.say("命令：", "Commands:"), t.text())
	}
	t = table{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "version" {
			name := "  --" + f.Name
			if f.Value.Type() != "bool" {
				name += " " + strings.ToUpper(f.Name)
			}
			t.add(name, f.Usage)
		}
	})
	if len(t.rows) > 0 {
		fmt.Fprintf(&b, "\n%s\n%s", c.say("选项：", "Options:"), t.text())
	}
	_, err := io.WriteString(cmd.OutOrStderr(), b.String())
	return err
}

// groups makes every command that only holds others say what it holds, and
// whatever it does not know a wrong usage.
func (c *call) groups(cmd *cobra.Command) {
	if !cmd.Runnable() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return c.usage("没有命令“%s”；运行 %s --help 查看全部命令", "There is no command %q; see %s --help", args[0], cmd.CommandPath())
			}
			return cmd.Help()
		}
	}
	for _, sub := range cmd.Commands() {
		c.groups(sub)
	}
}

// command makes a command that takes min to max arguments (max < 0: any number).
func (c *call) command(use, zh, en string, min, max int, run func(context.Context, []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: c.say(zh, en), DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < min || max >= 0 && len(args) > max {
				return c.usage("命令写法不对；用法：%s", "The command was not understood; usage: %s", cmd.Parent().CommandPath()+" "+use)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), args) },
	}
}

// server is what commands work on.
type server struct {
	store  *store.Store
	access *access.Access
	review *review.Review
	keys   *keys
}

// open opens the data folder, which init has made.
func (c *call) open(ctx context.Context) (*server, error) {
	if c.data == "" {
		return nil, c.usage("请用 --data 指定数据文件夹，或设置环境变量 ZHUCUN_DATA", "Name the data folder with --data, or set ZHUCUN_DATA")
	}
	k, err := readKeys(c.data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, c.fail("%s 里还没有数据；先运行 zhucun-server init --data %s", "There is no data in %s yet; run zhucun-server init --data %s first", c.data, c.data)
	} else if err != nil {
		return nil, err
	}
	return c.openWith(ctx, k)
}

func (c *call) openWith(ctx context.Context, k *keys) (*server, error) {
	return c.openIn(ctx, c.data, k)
}

func (c *call) openIn(ctx context.Context, folder string, k *keys) (*server, error) {
	files, err := blob.Open(filepath.Join(folder, blobsFolder))
	if err != nil {
		return nil, err
	}
	s, err := sqlite.Open(ctx, filepath.Join(folder, databaseFile), store.Options{Key: k.identity, Now: c.now, Random: rand.Reader, Log: c.log, Files: files})
	if err != nil {
		return nil, errors.Join(err, files.Close())
	}
	a := access.New(s)
	return &server{s, a, review.New(s), k}, nil
}

// inName names in the audit the account in whose name somebody at the command line
// acts. That it was that person nobody has checked.
func inName(login string) string { return store.CommandLine + " (" + login + ")" }

// with opens the data folder for the length of do.
func (c *call) with(ctx context.Context, do func(*server) error) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(s), s.store.Close())
}

// print writes v as one line of JSON.
func (c *call) print(v any) error {
	e := json.NewEncoder(c.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// tell writes a line for people.
func (c *call) tell(zh, en string, args ...any) { fmt.Fprintf(c.out, c.say(zh, en)+"\n", args...) }
