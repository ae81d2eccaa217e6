package web

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/blob"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// Notices and policy documents go down to the laptops as records of each village. Who read
// them is nowhere: a village says on which day.

const (
	noticesPath = "/notices"
	noticeRows  = 20
	// noticeVillages is how many villages the page of a notice lists at a time.
	noticeVillages = 100
	maxNoticeFiles = 5
	maxNoticeFile  = 20 << 20 // bytes: what a laptop on a bad link can still fetch
	maxNoticeText  = 20_000   // characters
	maxNoticeTitle = 100
)

type noticesView struct {
	list []store.Sent
	next string
}

// draftNotice is a notice as it is written, and on its form again where it cannot be sent.
type draftNotice struct {
	no, title, kind, text, readBy string
	all                           string // "all", "township" or "chosen"
	township                      string
	villages                      []record.Village
	replaces                      string
	replaced                      string // its title
	said                          string
	townships                     []string
}

type noticeView struct {
	sent   store.Sent
	title  string
	rows   []noticeLine
	next   string
	lacks  []store.Village // where it was not sent
	files  []noticeFile
	newer  string // the number of the one that took its place
	said   string
	state  string
	holds  bool
	readBy string
	report store.Report
}

type noticeLine struct {
	store.Row
	read, late string
}

type noticeFile struct{ name, href string }

func (w *Site) notices(p *page) (reply, error) {
	p.title, p.at = p.T("nav.notices"), noticeArea
	list, next, err := w.store.Notices(p.ctx, p.r.URL.Query().Get("before"), noticeRows)
	if err != nil {
		return reply{}, err
	}
	v := &noticesView{list: list}
	if next != "" {
		v.next = address(noticesPath, "before", next)
	}
	return show(noticesPage(p, v))
}

func (w *Site) newNotice(p *page) (reply, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return reply{}, err
	}
	v := &draftNotice{no: id.String(), kind: "notice", all: "all"}
	if old := p.r.URL.Query().Get("replaces"); old != "" {
		n, err := w.store.Notice(p.ctx, old)
		if err != nil {
			return reply{}, err
		}
		text := func(name string) string { s, _ := n.Fields[name].Text(); return s }
		v.replaces, v.title, v.kind, v.text = old, text("title"), text("notice_kind"), text("text")
	}
	return w.showNoticeForm(p, v)
}

func (w *Site) showNoticeForm(p *page, v *draftNotice) (reply, error) {
	p.title, p.at, p.still = p.T("notice.new"), noticeArea, true
	for _, known := range p.known {
		if known.Township != "" && !slices.Contains(v.townships, known.Township) {
			v.townships = append(v.townships, known.Township)
		}
	}
	slices.Sort(v.townships)
	if v.replaces != "" {
		n, err := w.store.Notice(p.ctx, v.replaces)
		if err != nil {
			return reply{}, err
		}
		v.replaced, _ = n.Fields["title"].Text()
	}
	a := reply{body: noticeForm(p, v)}
	if v.said != "" {
		a.status = http.StatusUnprocessableEntity
	}
	return a, nil
}

// sendNotice reads the form and its files as they come, and sends the notice.
func (w *Site) sendNotice(p *page) (reply, error) {
	said, files, names, err := w.noticeParts(p)
	if err != nil {
		io.Copy(io.Discard, p.r.Body)
		return reply{}, err
	}
	get := func(name string) string { return strings.TrimSpace(said.Get(name)) }
	v := &draftNotice{no: get("no"), title: get("title"), kind: get("kind"), text: strings.ReplaceAll(get("text"), "\r\n", "\n"), readBy: get("read_by"), all: get("to"), township: get("township"), replaces: get("replaces")}
	for _, code := range said["village"] {
		v.villages = append(v.villages, record.Village(code))
	}
	no, err := record.ParseID(v.no)
	if err != nil {
		return reply{}, errAsked
	}
	n := review.Notice{No: no, Files: files, By: p.writer()}
	if v.replaces != "" {
		if n.Replaces, err = record.ParseID(v.replaces); err != nil {
			return reply{}, errAsked
		}
	}
	to := v.to(p)
	switch {
	case v.title == "" || v.text == "":
		v.said = p.T("notice.empty")
	case len([]rune(v.title)) > maxNoticeTitle || len([]rune(v.text)) > maxNoticeText:
		v.said = p.T("notice.long", maxNoticeTitle, maxNoticeText)
	case len(to) == 0:
		v.said = p.T("notice.nowhere")
	case v.readBy != "" && v.readBy < p.today():
		v.said = p.T("notice.past")
	}
	if v.said != "" {
		return w.showNoticeForm(p, v)
	}
	if n.Fields, err = noticeFields(w.forms.Form("notice"), v, names, p.today()); err != nil {
		return reply{}, errAsked
	}
	if _, err := w.review.Send(p.ctx, n, to); err != nil {
		return reply{}, err
	}
	return goTo(address(noticesPath+"/"+v.no, "said", "sent"))
}

// to gives the villages that it is for.
func (v *draftNotice) to(p *page) (list []record.Village) {
	for _, known := range p.known {
		if v.all == "all" || v.all == "township" && known.Township == v.township || v.all == "chosen" && slices.Contains(v.villages, known.Code) {
			list = append(list, known.Code)
		}
	}
	return list
}

// noticeFields gives what a notice says, canonical.
func noticeFields(f *form.Form, v *draftNotice, names []string, today string) (map[string]record.Value, error) {
	if f == nil {
		return nil, errNowhere
	}
	fields := map[string]record.Value{}
	var files []string
	for _, line := range names {
		name, _, _ := strings.Cut(line, " ")
		files = append(files, name)
	}
	for name, typed := range map[string]string{"title": v.title, "notice_kind": v.kind, "text": v.text, "sent_on": today, "read_by": v.readBy, "file_names": strings.Join(names, "\n")} {
		if typed == "" {
			continue
		}
		value, err := f.Field(name).CanonText(typed)
		if err != nil {
			return nil, err
		}
		fields[name] = value
	}
	if len(files) > 0 {
		fields["files"] = record.Set(files)
	}
	return fields, nil
}

// noticeParts reads the parts of the form in their order. Files are kept by their content;
// names gives for each what records call it, and what it was called.
func (w *Site) noticeParts(p *page) (said url.Values, files []store.Blob, names []string, err error) {
	said = url.Values{}
	for {
		part, err := p.parts.NextPart()
		if err == io.EOF {
			return said, files, names, nil
		}
		if err != nil {
			return nil, nil, nil, errors.Join(errAsked, err)
		}
		if part.FormName() != "files" {
			value, err := io.ReadAll(io.LimitReader(part, 4*maxNoticeText))
			if err != nil {
				return nil, nil, nil, errAsked
			}
			said.Add(part.FormName(), string(value))
			continue
		}
		if part.FileName() == "" {
			continue
		}
		if w.store.Files == nil || len(files) == maxNoticeFiles {
			return nil, nil, nil, errNoticeFile
		}
		b, err := w.keepFile(part)
		if err != nil {
			return nil, nil, nil, err
		}
		files, names = append(files, b), append(names, blob.Name(b.Hash, b.Kind)+" "+strings.Join(strings.Fields(clip(part.FileName(), 80)), " "))
	}
}

var errNoticeFile = &fault{http.StatusUnprocessableEntity, "notice.file.bad", "notice.file.bad.next"}

// keepFile keeps a file of a form among those that records show.
func (w *Site) keepFile(part *multipart.Part) (b store.Blob, err error) {
	f, err := w.newSpool(0)
	if err != nil {
		return b, err
	}
	defer f.Close()
	sum := sha256.New()
	if b.Size, err = io.Copy(io.MultiWriter(f, sum), io.LimitReader(part, maxNoticeFile+1)); err != nil {
		return b, err
	}
	if b.Size > maxNoticeFile || b.Size == 0 {
		return b, errNoticeFile
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return b, err
	}
	b.Hash, b.Kind = blob.Hash(sum.Sum(nil)), blob.Kind(part.FileName())
	return b, w.store.Files.Put(b.Hash, f)
}

func (w *Site) notice(p *page) (reply, error) {
	q := p.r.URL.Query()
	no, err := record.ParseID(p.r.PathValue("no"))
	if err != nil {
		return reply{}, errNowhere
	}
	v := &noticeView{}
	if v.sent, err = w.store.Notice(p.ctx, no.String()); err != nil {
		return reply{}, err
	}
	f := w.forms.Form("notice")
	text := func(name string) string { s, _ := v.sent.Fields[name].Text(); return s }
	v.title, v.readBy, v.newer = text("title"), text("read_by"), text("replaced_by")
	v.holds = text("notice_state") == review.NoticeCurrent
	v.state = f.Field("notice_state").Show(v.sent.Fields["notice_state"], p.lang)
	v.files = filesOf(v.sent.Row)
	rows, err := w.store.NoticeIn(p.ctx, no.String(), record.Village(q.Get("after")), noticeVillages+1)
	if err != nil {
		return reply{}, err
	}
	if len(rows) > noticeVillages {
		rows = rows[:noticeVillages]
		v.next = address(noticesPath+"/"+no.String(), "after", string(rows[len(rows)-1].Village))
	}
	for _, r := range rows {
		v.rows = append(v.rows, p.noticeLine(f, r, v.readBy))
	}
	if v.holds && v.sent.Villages < len(p.known) && len(p.known) <= noticeVillages {
		for _, known := range p.known {
			if !slices.ContainsFunc(rows, func(r store.Row) bool { return r.Village == known.Code }) && q.Get("after") == "" {
				v.lacks = append(v.lacks, known)
			}
		}
	}
	switch said := q.Get("said"); said {
	case "sent", "withdrawn", "reason":
		v.said = p.T("notice.said." + said)
	}
	p.title, p.at = v.title, noticeArea
	v.report, err = w.store.Reported(p.ctx, "")
	if err != nil {
		return reply{}, err
	}
	return show(noticePage(p, v))
}

// noticeLine says whether a village has read it, and on which day.
func (p *page) noticeLine(f *form.Form, r store.Row, readBy string) noticeLine {
	l := noticeLine{Row: r}
	var days []string
	for _, day := range r.Fields["read_on"].Texts() {
		if _, err := time.Parse(time.DateOnly, day); err == nil {
			days = append(days, day)
		}
	}
	if len(days) > 0 {
		l.read = p.T("notice.read", p.day(slices.Min(days)))
		return l
	}
	if n := daysLate(readBy, p.today()); n > 0 {
		l.late = p.T("ledger.late", fmt.Sprint(n))
	}
	return l
}

// filesOf gives the files of a notice by the names that they came with.
func filesOf(r store.Row) (list []noticeFile) {
	said, _ := r.Fields["file_names"].Text()
	for _, line := range strings.Split(said, "\n") {
		name, title, ok := strings.Cut(line, " ")
		if ok && slices.Contains(r.Fields["files"].Texts(), name) {
			list = append(list, noticeFile{title, "/blob/" + escape(string(r.Village)) + "/" + name})
		}
	}
	return list
}

// sendFurther sends a notice to villages that do not have it yet.
func (w *Site) sendFurther(p *page) (reply, error) {
	no, err := record.ParseID(p.r.PathValue("no"))
	if err != nil {
		return reply{}, errNowhere
	}
	sent, err := w.store.Notice(p.ctx, no.String())
	if err != nil {
		return reply{}, err
	}
	n := review.Notice{No: no, By: p.writer(), Fields: map[string]record.Value{}}
	for _, name := range []string{"title", "notice_kind", "text", "sent_on", "read_by", "file_names", "files"} {
		if value := sent.Fields[name]; value != "" {
			n.Fields[name] = value
		}
	}
	for _, name := range sent.Fields["files"].Texts() {
		if h, _, ok := blob.ParseName(name); ok {
			b, err := w.store.Blob(p.ctx, sent.Village, h)
			if err != nil {
				return reply{}, err
			}
			n.Files = append(n.Files, store.Blob{Hash: b.Hash, Kind: b.Kind, Size: b.Size})
		}
	}
	v := &draftNotice{all: "chosen"}
	for _, code := range p.r.PostForm["village"] {
		v.villages = append(v.villages, record.Village(code))
	}
	if state, _ := sent.Fields["notice_state"].Text(); state != review.NoticeCurrent {
		return reply{}, errAsked
	}
	if _, err := w.review.Send(p.ctx, n, v.to(p)); err != nil {
		return reply{}, err
	}
	return goTo(address(noticesPath+"/"+no.String(), "said", "sent"))
}

// withdrawNotice takes a notice back.
func (w *Site) withdrawNotice(p *page) (reply, error) {
	no, err := record.ParseID(p.r.PathValue("no"))
	if err != nil {
		return reply{}, errNowhere
	}
	said := "withdrawn"
	switch err := w.review.Withdraw(p.ctx, no, strings.TrimSpace(p.r.PostForm.Get("reason")), p.writer()); {
	case errors.Is(err, review.ErrReason), errors.Is(err, review.ErrLong):
		said = "reason"
	case err != nil:
		return reply{}, err
	}
	return goTo(address(noticesPath+"/"+no.String(), "said", said))
}

// noticeText shows a field of a notice.
func (p *page) noticeText(n *store.Sent, name string) string {
	fd := p.site.forms.Form("notice").Field(name)
	if fd == nil || n.Fields[name] == "" {
		return ""
	}
	if s, ok := n.Fields[name].Text(); ok && len(fd.Choices) == 0 {
		return s
	}
	return fd.Show(n.Fields[name], p.lang)
}

func (p *page) noticeDay(n *store.Sent, name string) string {
	if day := p.noticeText(n, name); day != "" {
		return p.day(day)
	}
	return "—"
}
