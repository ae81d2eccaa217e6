package inbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fsnotify/fsnotify"

	"zhucun/agent/store"
	"zhucun/agent/table"
	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/sheet"
)

// The folders of a drop folder.
const (
	Name   = "inbox"
	Done   = "done"
	Failed = "failed"
	// inHand is where a table is while it is read. One that ends the agent, by whatever
	// is in it, would be taken again at every start if it lay where it was dropped.
	inHand = ".taking"
)

const (
	// settled is how long a file must not have changed before it is taken.
	settled = 2 * time.Second
	// lookAround is how often the folder is looked at unasked.
	lookAround = 5 * time.Second
	// rest is how long a file that could not be taken or moved is left alone.
	rest = 30 * time.Second
)

// Box is a drop folder.
type Box struct {
	shrink  Shrinker
	store   *store.Store
	forms   *form.Set
	dir     string
	lang    func() form.Lang
	log     *slog.Logger
	settled time.Duration
	look    time.Duration
	rest    time.Duration
	seen    map[string]look
	told    map[string]bool // folders of which it has been said that they are not taken
}

// look is a file as it was when last looked at.
type look struct {
	size int64
	time time.Time // of its last change, as the file system says
	at   time.Time // when it was first seen so; later where it has to rest
}

// New makes the drop folder in the store's data folder.
func New(s *store.Store, forms *form.Set, lang func() form.Lang, shrink Shrinker, log *slog.Logger) (*Box, error) {
	b := &Box{store: s, shrink: shrink, forms: forms, dir: filepath.Join(s.Dir(), Name), lang: lang, log: log, settled: settled, look: lookAround, rest: rest, seen: map[string]look{}, told: map[string]bool{}}
	for _, d := range []string{b.dir, filepath.Join(b.dir, Done), filepath.Join(b.dir, Failed), filepath.Join(b.dir, inHand)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("make drop folder: %w", err)
		}
	}
	// What an earlier run was writing when it was cut off.
	left, _ := filepath.Glob(filepath.Join(b.dir, ".report-*.xlsx"))
	for _, name := range left {
		os.Remove(name)
	}
	b.interrupted()
	return b, nil
}

// interrupted puts into failed what an earlier run was reading when it ended without a
// word. It is not tried again unasked: it may be why.
func (b *Box) interrupted() {
	entries, err := os.ReadDir(filepath.Join(b.dir, inHand))
	for _, e := range entries {
		_, err1 := b.move(filepath.Join(inHand, e.Name()), Failed, form.Label{
			Zh: "读这个文件时程序中断了，可能只收了一部分。请再放入一次，已收的行不会重复；如果又中断，请不要再放，把文件交给管理员",
			En: "The program was cut off while it read this file, and may have taken a part of it. Drop it again, rows that were taken are not taken twice; if it is cut off again, do not, and give the file to your administrator",
		}.In(b.lang()))
		err = errors.Join(err, err1)
	}
	if err != nil {
		b.log.Error("what was being read when the program was cut off stays where it is", "folder", inHand, "error", err)
	}
}

// Run takes files until ctx ends. Notifications are a hint only: they get lost
// on network folders and when many come at once, so it also looks around.
func (b *Box) Run(ctx context.Context) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		b.log.Info("drop folder is looked at every few seconds only", "error", err)
		w = &fsnotify.Watcher{}
	} else {
		defer w.Close()
		if err := w.Add(b.dir); err != nil {
			b.log.Info("drop folder is looked at every few seconds only", "error", err)
		}
	}
	tick := time.NewTimer(0)
	defer tick.Stop()
	next := time.Now()
	// sooner brings the next look forward and never puts it off: a file that is
	// written to all day must not keep the others waiting.
	sooner := func(wait time.Duration) {
		if at := time.Now().Add(wait); at.Before(next) {
			next = at
			tick.Reset(wait)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-w.Events:
			if !ok {
				w.Events = nil
			}
			sooner(min(b.settled/2, b.look))
			continue
		case err, ok := <-w.Errors:
			if !ok {
				w.Errors = nil
			}
			b.log.Info("drop folder notification", "error", err)
			sooner(0)
			continue
		case <-tick.C:
		}
		growing, err := b.pass(ctx)
		if err != nil && ctx.Err() == nil {
			b.log.Error("drop folder", "error", err)
		}
		wait := b.look
		if growing {
			wait = min(b.settled/2, b.look)
		}
		next = time.Now().Add(wait)
		tick.Reset(wait)
	}
}

// pass takes every file that has settled; growing says that others have not.
func (b *Box) pass(ctx context.Context) (growing bool, err error) {
	d, err := b.store.Device()
	if err != nil {
		return false, err
	}
	if !d.Enrolled() {
		// What is dropped before the enrolment waits for it.
		return false, nil
	}
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return false, err
	}
	here := map[string]bool{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || strings.HasPrefix(e.Name(), "~$") || e.IsDir() && (e.Name() == Done || e.Name() == Failed) {
			continue
		}
		if e.IsDir() {
			b.folder(e.Name())
			continue
		}
		here[e.Name()] = true
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && !b.stands(e.Name(), info) {
			growing = true
			continue
		}
		if err == nil {
			err = b.take(ctx, e.Name(), info)
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err != nil {
			// It stays, and the others are taken all the same.
			b.log.Error("dropped file not taken, to be tried again", "file", e.Name(), "error", err)
			l := b.seen[e.Name()]
			l.at = time.Now().Add(b.rest)
			b.seen[e.Name()] = l
			continue
		}
		delete(b.seen, e.Name())
	}
	for name := range b.seen {
		if !here[name] {
			delete(b.seen, name)
		}
	}
	return growing, nil
}

// folder says once, in a text in failed, that a dropped folder is not taken: what
// belongs together in it, and whether all of it is there yet, nobody can tell.
func (b *Box) folder(name string) {
	if b.told[name] {
		return
	}
	b.told[name] = true
	text := form.Label{
		Zh: "这是文件夹，里面的文件没有收。请把文件本身放进来，不要放文件夹；文件夹仍在原处。",
		En: "This is a folder, and nothing in it was taken. Drop the files themselves, not the folder; it is still where it was.",
	}.In(b.lang())
	f, err := os.OpenFile(filepath.Join(b.dir, Failed, cut(name, maxName-len(".txt"))+".txt"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return // an earlier run has said it
	}
	if err == nil {
		_, err = f.WriteString("\ufeff" + text + "\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		b.log.Error("folder not taken, and not said so", "folder", name, "error", err)
		return
	}
	b.log.Warn("folder not taken", "folder", name)
}

// stands tells whether a file has been the same for long enough.
func (b *Box) stands(name string, info fs.FileInfo) bool {
	l, known := b.seen[name]
	now := time.Now()
	if !known || l.size != info.Size() || !l.time.Equal(info.ModTime()) {
		b.seen[name] = look{info.Size(), info.ModTime(), now}
		return false
	}
	return now.Sub(l.at) >= b.settled
}

// take imports one file and moves it.
func (b *Box) take(ctx context.Context, name string, info fs.FileInfo) error {
	lang := b.lang()
	if !info.Mode().IsRegular() {
		return b.finish(name, Failed, form.Label{Zh: "这不是普通文件", En: "This is not a regular file"}.In(lang))
	}
	switch ext := strings.ToLower(filepath.Ext(name)); {
	case ext == ".jsonl":
	case IsTable(name):
		return b.table(ctx, name, lang)
	case photos[ext]:
		return b.photo(ctx, name, lang)
	default:
		return b.finish(name, Failed, form.Label{
			Zh: "这里只收 Excel 表格（.xlsx、.csv）、.jsonl 文件（每行一条记录）、照片和 PDF。请另存后再放入",
			En: "Only workbooks (.xlsx, .csv), .jsonl files (one record a line), photos and PDFs are taken here. Save it as one and drop it again",
		}.In(lang))
	}
	f, err := os.Open(filepath.Join(b.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return b.finish(name, Failed, store.Sentence(err, lang))
	}
	rep, err := JSONL(ctx, b.store, b.forms, LineOptions{Lang: lang}, f)
	f.Close()
	if ctx.Err() != nil {
		// The agent stops: what was taken is taken, the rest comes next time.
		return ctx.Err()
	}
	var not *RowError
	switch {
	case errors.As(err, &not):
		return b.finish(name, Failed, not.Label.In(lang))
	case err != nil:
		// A store that cannot write now may tomorrow: the file stays.
		return fmt.Errorf("take %s: %w", name, err)
	case rep.NotTaken > 0:
		return b.finish(name, Failed, rep.Words(lang))
	}
	b.log.Info("file taken", "file", name, "rows", rep.Rows, "new", rep.New, "changed", rep.Changed)
	return b.finish(name, Done, "")
}

// tables are the names' ends of what may be a table. What it is, and whether it can be
// read, is told by what is in it.
var tables = map[string]bool{".xlsx": true, ".xlsm": true, ".csv": true, ".tsv": true, ".xls": true, ".et": true, ".ods": true, ".xlsb": true, ".xltx": true}

// IsTable tells the name of a file that may be a table.
func IsTable(name string) bool { return tables[strings.ToLower(filepath.Ext(name))] }

// table takes a workbook or a .csv, and puts a report of its rows beside it.
func (b *Box) table(ctx context.Context, name string, lang form.Lang) error {
	at, err := free(filepath.Join(b.dir, inHand), name)
	if err == nil {
		err = os.Rename(filepath.Join(b.dir, name), at)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("take %s: %w", name, err)
	}
	// One that is to be taken later goes back.
	moved := false
	defer func() {
		if moved {
			return
		}
		back, err := free(b.dir, name)
		if err == nil {
			err = os.Rename(at, back)
		}
		if err != nil {
			b.log.Error("table not put back, to be found in failed after the next start", "file", name, "error", err)
		}
	}()
	f, err := os.Open(at)
	if err != nil {
		_, err := b.move(filepath.Join(inHand, filepath.Base(at)), Failed, store.Sentence(err, lang))
		moved = err == nil
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	told, err := NewToldFile(b.dir, lang)
	if err != nil {
		return fmt.Errorf("take %s: %w", name, err)
	}
	defer told.Drop()
	rep, err := Table(ctx, b.store, b.forms, f, info.Size(), TableOptions{Options: table.Options{File: name}, Lang: lang, Told: told.Told})
	f.Close() // some systems move nothing that is open
	if ctx.Err() != nil {
		return ctx.Err()
	}
	folder, text := Done, ""
	var row *RowError
	var noTable *table.Error
	var noSheet *sheet.Error
	switch {
	case errors.Is(err, ErrColumns):
		folder, text = Failed, rep.Words(lang)
	case errors.As(err, &row), errors.As(err, &noTable), errors.As(err, &noSheet), errors.Is(err, store.ErrVillage):
		folder, text = Failed, Say(err, lang)
	case err != nil:
		return fmt.Errorf("take %s: %w", name, err)
	case rep.NotTaken > 0:
		folder, text = Failed, rep.Words(lang)
	}
	to, err := b.move(filepath.Join(inHand, filepath.Base(at)), folder, text)
	if err != nil {
		return err
	}
	moved = true
	if _, err := told.Keep(to); err != nil {
		b.log.Error("report of a table not written", "file", name, "error", err)
	}
	if folder == Done {
		b.log.Info("table taken", "file", name, "rows", rep.Rows, "new", rep.New, "changed", rep.Changed)
	}
	return nil
}

// photos are the names' ends of what is kept as a file.
var photos = map[string]bool{".jpg": true, ".jpeg": true, ".png": true, ".gif": true, ".webp": true, ".heic": true, ".heif": true, ".bmp": true, ".tif": true, ".tiff": true, ".pdf": true}

// photo keeps a photo. One whose name begins with a record's id goes to that record; the
// others are offered by the forms.
func (b *Box) photo(ctx context.Context, name string, lang form.Lang) error {
	f, err := os.Open(filepath.Join(b.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return b.finish(name, Failed, store.Sentence(err, lang))
	}
	defer f.Close()
	d, err := b.store.Device()
	if err != nil || len(d.Assigned.Villages) == 0 {
		return errors.Join(err, store.ErrNotEnrolled)
	}
	village := d.Assigned.Villages[0].Code
	var of *store.Record
	var field *form.Field
	if id, err := record.ParseID(name[:min(len(name), 36)]); err == nil {
		r, err := b.store.Get("", id)
		if errors.Is(err, store.ErrNotFound) {
			return b.finish(name, Failed, form.Label{Zh: "本机没有编号为 " + id.String() + " 的记录。请核对文件名，或先同步一次", En: "There is no record " + id.String() + " here. Check the file's name, or sync first"}.In(lang))
		}
		if err != nil {
			return err
		}
		of, village = &r, r.Key.Village
		if fm := b.forms.Form(r.Key.Type); fm != nil {
			if i := slices.IndexFunc(fm.Fields, func(fd *form.Field) bool { return fd.Kind == form.Image }); i >= 0 {
				field = fm.Fields[i]
			}
		}
		if field == nil {
			return b.finish(name, Failed, form.Label{Zh: "这种记录不能加照片", En: "Such a record takes no files"}.In(lang))
		}
	}
	kept, _, err := Keep(ctx, b.store, b.shrink, village, field, name, f)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch {
	case errors.Is(err, ErrEmpty), errors.Is(err, store.ErrTooLarge):
		return b.finish(name, Failed, Say(err, lang))
	case err != nil:
		return fmt.Errorf("take %s: %w", name, err)
	}
	if of != nil {
		if _, err := Attach(ctx, b.store, of.Key, field.Name, "", kept.FileName()); err != nil {
			return b.finish(name, Failed, Say(err, lang))
		}
	}
	b.log.Info("photo taken", "file", name)
	f.Close() // some systems move nothing that is open
	return b.finish(name, Done, "")
}

// Words gives the report as a person reads it, the bad rows one a line.
func (r Report) Words(lang form.Lang) string {
	var b strings.Builder
	fmt.Fprintf(&b, form.Label{
		Zh: "共 %d 行：新增 %d，修改 %d，没有变化 %d，未收 %d。\n",
		En: "%d rows: %d new, %d changed, %d unchanged, %d not taken.\n",
	}.In(lang), r.Rows, r.New, r.Changed, r.Same, r.NotTaken)
	if r.Since > 0 {
		fmt.Fprintf(&b, form.Label{
			Zh: "另有 %d 行以前收过，记录后来改过，没有再收，记录不动。\n",
			En: "%d more rows were taken before and their records changed since: they were not taken again, and the records stay.\n",
		}.In(lang), r.Since)
	}
	if r.NotTaken > 0 {
		b.WriteString(form.Label{Zh: "改正下列各行后可再次导入整个文件，已收的行不会重复：\n", En: "Mend these lines and import the whole file again; rows that were taken are not taken twice:\n"}.In(lang))
	}
	for _, bad := range r.Bad {
		fmt.Fprintf(&b, form.Label{Zh: "第 %d 行：%s\n", En: "line %d: %s\n"}.In(lang), bad.Line, bad.Text)
	}
	if n := r.NotTaken - len(r.Bad); n > 0 {
		fmt.Fprintf(&b, form.Label{Zh: "另有 %d 行未收，没有一一列出。\n", En: "%d more rows were not taken; they are not listed.\n"}.In(lang), n)
	}
	return b.String()
}

// finish moves a file to done or failed, under a name that is free there, with
// a text beside it when there is something to say. The text comes first: a
// file in failed never stands there without its reason.
func (b *Box) finish(name, folder, text string) error {
	_, err := b.move(name, folder, text)
	return err
}

// move is finish, and tells where the file is then. The name may be that of one in a
// folder of the drop folder.
func (b *Box) move(name, folder, text string) (to string, err error) {
	dir := filepath.Join(b.dir, folder)
	if to, err = free(dir, filepath.Base(name)); err != nil {
		return "", err
	}
	if text != "" {
		b.log.Info("file not taken", "file", name)
		err = os.WriteFile(to+".txt", []byte("\ufeff"+text+"\n"), 0o600)
	}
	if err == nil {
		err = os.Rename(filepath.Join(b.dir, name), to)
	}
	if err != nil && text != "" {
		// Or every try would leave one.
		os.Remove(to + ".txt")
	}
	return to, err
}

const (
	// maxName is how many bytes a name may have on the file systems in use.
	maxName = 255
	// maxExt is from how many bytes on what follows the last dot is no extension.
	maxExt = 32
)

// free gives a path in dir for a file of that name such that neither it nor the
// text beside it is there. A name too long for the text's is cut before its
// extension.
func free(dir, name string) (string, error) {
	ext := filepath.Ext(name)
	if len(ext) > maxExt {
		ext = ""
	}
	stem := strings.TrimSuffix(name, ext)
	for i := 1; ; i++ {
		tail := ext
		if i > 1 {
			tail = fmt.Sprintf("-%d%s", i, ext)
		}
		to := filepath.Join(dir, cut(stem, maxName-len(tail+".txt"))+tail)
		_, err := os.Lstat(to)
		if errors.Is(err, fs.ErrNotExist) {
			if _, err = os.Lstat(to + ".txt"); errors.Is(err, fs.ErrNotExist) {
				return to, nil
			}
		}
		if err != nil {
			return "", err
		}
	}
}

// cut gives at most the first n bytes of s, and no part of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
