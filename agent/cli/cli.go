package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"zhucun/agent/backup"
	"zhucun/agent/inbox"
	"zhucun/agent/store"
	"zhucun/agent/syncclient"
	"zhucun/agent/vault"
	"zhucun/shared/form"
)

// Version is the agent's, told to the server.
const Version = "0.1"

// Exit statuses.
const (
	exitFailed = 1
	exitUsage  = 2
)

// call is one command being carried out: where it reads and writes, for whom,
// and on what.
type call struct {
	in       io.Reader
	out, err io.Writer
	lang     form.Lang
	json     bool
	data     string
	cwd      string
	args     []string // as given, for the running agent
	log      *slog.Logger
	makes    bool   // it makes a store where there is none
	waits    bool   // it has said that it waits for another command
	key      []byte // of the store, once it is known
	serves   bool   // it is an agent that runs, and run.json is its own
	opens    bool   // the page is to be opened once it is there
	// inspector tells that this program can be started as the inspector of a store,
	// inspects that it is to be, whatever is known of the store.
	inspector, inspects bool
	// terminal tells that the command was typed on a terminal, which shows what goes
	// to err, where another process carries it out.
	terminal bool
	// live is the running agent's own, when it carries the command out.
	live *agent
}

// agent is what commands work on.
type agent struct {
	store *store.Store // nil while what is there is locked
	dir   string
	sync  *syncclient.Client
	forms *form.Set
	link  func() string // nil when no page is served
	addr  string
	// backups are of the store.
	backups *backup.Keeper
}

// usageError is a command that was not understood.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// plainError is a failure that is a sentence already.
type plainError struct{ text string }

func (e *plainError) Error() string { return e.text }

// errFailed ends a command with status 1 after it has said why.
var errFailed = errors.New("failed")

// Main carries out a command line and gives the exit status.
func Main(ctx context.Context, args []string) int {
	noDumps()
	if len(args) == 2 && args[0] == inspectWord {
		return inspect(args[1])
	}
	if len(args) == 2 && args[0] == shrinkWord {
		return shrinkSelf(args[1], os.Stdin, os.Stdout)
	}
	cwd, err := os.Getwd()
	if err != nil {
		cwd = ""
	}
	if len(args) == 0 && doubleClicked() {
		args = []string{"run", "--open"}
	}
	c := &call{in: os.Stdin, out: os.Stdout, err: os.Stderr, lang: language(), cwd: cwd, args: args, inspector: true, log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level()}))}
	return c.run(ctx)
}

func level() slog.Level {
	if os.Getenv("ZHUCUN_DEBUG") != "" {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// language is Chinese unless the environment asks for English.
func language() form.Lang {
	for _, name := range []string{"ZHUCUN_LANG", "LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := os.Getenv(name); v != "" {
			if strings.HasPrefix(v, "en") {
				return form.En
			}
			return form.Zh
		}
	}
	return form.Zh
}

// asked looks for --lang in the words of a command. The commands are made in
// that language, and a wrong usage is told in it, so it is looked for before
// the words are understood.
func asked(args []string, otherwise form.Lang) form.Lang {
	for i, a := range args {
		v, ok := strings.CutPrefix(a, "--lang=")
		if !ok && a == "--lang" && i+1 < len(args) {
			v, ok = args[i+1], true
		}
		switch {
		case a == "--":
			return otherwise
		case ok && v == "en":
			return form.En
		case ok && v == "zh":
			return form.Zh
		}
	}
	return otherwise
}

// say gives a text in the caller's language, with args in the places of its
// verbs.
func (c *call) say(zh, en string, args ...any) string {
	text := form.Label{Zh: zh, En: en}.In(c.lang)
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// write prints a text.
func (c *call) write(text string) { io.WriteString(c.out, text) }

// output keeps the first failure to print: a command whose output is cut off has
// not done what it was asked.
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

func (c *call) run(ctx context.Context) int {
	c.lang = asked(c.args, c.lang)
	out := &output{w: c.out}
	c.out = out
	root := c.root()
	root.SetArgs(c.args)
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	err := root.ExecuteContext(ctx)
	if err != nil && c.log != nil && !mistyped(err) {
		c.log.Debug("the command failed", "error", err)
	}
	var usage *usageError
	var status exitStatus
	switch {
	case out.err != nil:
		fmt.Fprintln(c.err, c.say("结果没有写全（%s）。要保存的可能已经保存，请用 list 或 get 核对", "The output could not be written whole (%s). What was to be saved may be; check with list or get", out.err))
		return exitFailed
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	case errors.Is(err, errFailed):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintln(c.err, usage.text)
		return exitUsage
	}
	fmt.Fprintln(c.err, c.sentence(err))
	return exitFailed
}

// exitStatus is what a running agent's command ended with.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// mistyped tells an error that says to whoever typed the command what is wrong with the
// words: all of it is in the sentence, and they may be people's names, which must not
// stand in the log of the agent that carries the command out.
func mistyped(err error) bool {
	var usage *usageError
	var plain *plainError
	var row *inbox.RowError
	var value *form.ValueError
	return errors.As(err, &usage) || errors.As(err, &plain) || errors.As(err, &row) || errors.As(err, &value) ||
		errors.Is(err, store.ErrAuthor) || errors.Is(err, store.ErrType) || errors.Is(err, store.ErrVillage) || errors.Is(err, fs.ErrNotExist)
}

func (c *call) sentence(err error) string {
	var plain *plainError
	if errors.As(err, &plain) {
		return plain.text
	}
	var row *inbox.RowError
	if errors.As(err, &row) {
		return row.Label.In(c.lang)
	}
	return sentence(err, c.lang)
}

// Windows starts the agent as it does what is clicked.
func init() { cobra.MousetrapHelpText = "" }

func (c *call) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "zhucun-agent",
		Short:         c.say("驻村通：在村里离线记录，有网自动同步", "Zhucun: record in the village offline, sync by itself"),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return c.usage(c.say("没有命令 %q。运行 zhucun-agent --help 查看全部命令", "There is no command %q. Run zhucun-agent --help for all of them", args[0]))
			}
			return cmd.Help()
		},
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.PersistentFlags().StringVar(&c.data, "data", "", c.say("数据文件夹（或环境变量 ZHUCUN_DATA；都没有则用 %s）", "data folder (or ZHUCUN_DATA; without either %s)", defaultData()))
	root.PersistentFlags().BoolVar(&c.json, "json", false, c.say("输出 JSON", "print JSON"))
	lang := root.PersistentFlags().String("lang", "", c.say("语言 zh 或 en", "language, zh or en"))
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		switch *lang {
		case "", "zh", "en": // see asked
		default:
			return c.usage(c.say("--lang 只能是 zh 或 en", "--lang is zh or en"))
		}
		return c.findData()
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return c.usage(c.flagProblem(err) + c.say("。用法：%s", ". Usage: %s", cmd.UseLine()))
	})
	root.AddCommand(c.enrolCmd(), c.runCmd(), c.openCmd(), c.putCmd(), c.getCmd(), c.listCmd(), c.syncCmd(), c.quietCmd(), c.statusCmd(),
		c.conflictsCmd(), c.resolveCmd(), c.quarantineCmd(), c.noticeCmd(), c.attachCmd(), c.blobCmd(), c.importCmd(), c.bundleCmd(), c.passphraseCmd(), c.backupCmd(), c.restoreCmd(), c.verifyCmd(), c.diagnosisCmd(), c.serviceCmd())
	c.explain(root)
	return root
}

func (c *call) usage(text string) error { return &usageError{text} }

func (c *call) fail(text string) error { return &plainError{text} }

// words gives cobra a check that n to m words follow the command.
func (c *call) words(n, m int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n || m >= 0 && len(args) > m {
			return c.usage(c.say("用法：%s", "Usage: %s", cmd.UseLine()))
		}
		return nil
	}
}

// findData settles the data folder: the flag, the environment, or the user's
// own configuration folder.
func (c *call) findData() error {
	if c.live != nil {
		return nil
	}
	if c.data == "" {
		c.data = os.Getenv("ZHUCUN_DATA")
	}
	if c.data == "" {
		if c.data = defaultData(); c.data == "" {
			return c.usage(c.say("请用 --data 指定数据文件夹", "Name the data folder with --data"))
		}
	}
	abs, err := filepath.Abs(c.data)
	if err != nil {
		return err
	}
	c.data = abs
	return nil
}

// defaultData is the data folder where none is named: in the user's own folder
// of settings, empty where the system knows of no such folder.
func defaultData() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "zhucun-agent")
}

// path gives a file's path as the caller meant it, whoever carries the command
// out.
func (c *call) path(p string) string {
	if filepath.IsAbs(p) || c.cwd == "" {
		return p
	}
	return filepath.Join(c.cwd, p)
}

// with carries out do on the data folder: here, or by the agent that runs on
// it. stdin says that the command reads standard input.
func (c *call) with(ctx context.Context, stdin bool, do func(*agent) error) error {
	if c.live != nil && c.live.store == nil {
		return vault.ErrLocked
	}
	if c.live != nil {
		return do(c.live)
	}
	if r, ok := findRunning(c.data); ok {
		return c.forward(ctx, r, stdin)
	}
	if err := c.there(); err != nil {
		return err
	}
	s, r, err := c.obtain(ctx, heldUp)
	if errors.Is(err, errRuns) {
		return c.forward(ctx, r, stdin)
	}
	if err != nil {
		return err
	}
	defer s.Close()
	a := c.own(s)
	if d, err := s.Device(); err == nil && d.Wiped { // cut off before it was done
		return errors.Join(syncclient.ErrWiped, c.dispose(s))
	}
	if err := do(a); !errors.Is(err, syncclient.ErrWiped) {
		return err
	} else {
		return errors.Join(err, c.dispose(s))
	}
}

// reads is with for commands that show what is there, which a laptop that was out
// of contact for too long does to nobody who has no passphrase.
func (c *call) reads(ctx context.Context, do func(*agent) error) error {
	return c.with(ctx, false, func(a *agent) error {
		days, lapsed, err := a.store.Lapsed()
		if err != nil {
			return err
		}
		if lapsed && way(a.dir) != vault.Passphrase {
			return c.outOfContact(days)
		}
		return do(a)
	})
}

func (c *call) outOfContact(days int) error {
	return c.fail(c.say("这台电脑已有 %d 天没有和办公室联系，先锁上了；内容都还在，仍可录入。请同步一次（zhucun-agent sync），或向办公室要恢复码，运行 zhucun-agent passphrase recover 恢复码",
		"This laptop has been out of contact with the office for %d days and is locked; nothing is lost, and entries go on. Sync once (zhucun-agent sync), or ask the office for a recovery code and run zhucun-agent passphrase recover CODE", days))
}

// storeFile is the store's file in the data folder.
const storeFile = "records.db"

// there refuses a folder without a store: a misspelt --data would get one, and
// be answered as if nothing had ever been saved. Only enrol and run make one. Of one
// that was here it is said what is lost with it.
func (c *call) there() error {
	if vault.Exists(c.data) {
		if err := store.Vanished(c.data, settings()); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(c.data, storeFile)); c.makes || !errors.Is(err, fs.ErrNotExist) {
		return nil // opening it says what else is wrong
	}
	return c.fail(c.say("%s 里还没有数据。请核对 --data，或先登记这台电脑：zhucun-agent enrol 登记码", "There is no data in %s. Check --data, or enrol this laptop first: zhucun-agent enrol CODE", c.data))
}

// own is an agent of a store that this command opened itself.
func (c *call) own(s *store.Store) *agent {
	return &agent{store: s, dir: s.Dir(), sync: syncclient.New(s, Version, c.log), forms: s.Forms(), backups: keeper(s, c.log)}
}

// print writes one JSON object a line.
func (c *call) print(x any) error {
	e := json.NewEncoder(c.out)
	e.SetEscapeHTML(false)
	return e.Encode(x)
}

func (c *call) printf(format string, args ...any) { fmt.Fprintf(c.out, format, args...) }
