package web

import (
	"bytes"
	"cmp"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"zhucun/agent/store"
	"zhucun/shared/blob"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// noticeView is a notice or policy document of the office's.
type noticeView struct {
	key          record.Key
	title, text  string
	kind, state  string
	sent, readBy string // days, as they are said
	holds        bool
	reason       string // why it was withdrawn
	read         string // when the village said that it has read it
	late         bool   // it should have been read by now
	files        []noticeFile
	newer        string // where the one is that took its place
	day          string // by which they are ordered
	no           string
}

type noticeFile struct {
	title string
	photo
}

// eachNotice gives the notices that are here; what has no title has not come whole.
func (w *Site) eachNotice(p *page) (list []noticeView, err error) {
	f := w.forms.Form(noticeType)
	if f == nil {
		return nil, nil
	}
	err = w.store.Each("", noticeType, func(r store.Record) bool {
		text := func(name string) string { s, _ := r.View.Fields[name].Text(); return s }
		if r.View.Void || text("title") == "" || slices.Contains(r.View.Proposed, "title") {
			return true
		}
		n := noticeView{key: r.Key, title: text("title"), text: text("text"), holds: text("notice_state") == "current", day: text("sent_on"), sent: p.day(text("sent_on")), no: text("notice_no"), newer: text("replaced_by"), reason: text("state_why")}
		n.kind, n.state = f.Field("notice_kind").Show(r.View.Fields["notice_kind"], p.lang), f.Field("notice_state").Show(r.View.Fields["notice_state"], p.lang)
		if day := text("read_by"); day != "" {
			n.readBy = p.day(day)
			n.late = day < p.today
		}
		if day := merge.ReadOn(f, r.View.Fields); day != "" {
			n.read, n.late = p.day(day), false
		}
		names := map[string]string{}
		for _, line := range strings.Split(text("file_names"), "\n") {
			name, title, _ := strings.Cut(line, " ")
			names[name] = title
		}
		for _, name := range r.View.Fields["files"].Texts() {
			n.files = append(n.files, noticeFile{cmp.Or(names[name], name), photo{name: name}})
		}
		list = append(list, n)
		return true
	})
	slices.SortStableFunc(list, func(a, b noticeView) int {
		return cmp.Or(strings.Compare(b.day, a.day), strings.Compare(b.no, a.no))
	})
	return list, err
}

// unread tells a notice that the village has still to read.
func (n *noticeView) unread() bool { return n.holds && n.read == "" }

// notices lists them, those that are still to be read first.
func (w *Site) notices(p *page) (reply, error) {
	p.title, p.at = p.T("notice.title"), "today"
	list, err := w.eachNotice(p)
	if err != nil {
		return reply{}, err
	}
	slices.SortStableFunc(list, func(a, b noticeView) int {
		switch {
		case a.unread() == b.unread():
			return 0
		case a.unread():
			return -1
		}
		return 1
	})
	return show(noticesPage(p, list))
}

// noticeKey finds the notice of the address.
func (w *Site) noticeKey(p *page) (*noticeView, error) {
	id, err := record.ParseID(p.r.PathValue("id"))
	if err != nil {
		return nil, errNowhere
	}
	list, err := w.eachNotice(p)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(list, func(n noticeView) bool { return n.key.ID == id })
	if at < 0 {
		return nil, store.ErrNotFound
	}
	n := &list[at]
	newer := n.newer
	n.newer = ""
	if i := slices.IndexFunc(list, func(o noticeView) bool { return newer != "" && o.no == newer && o.key.Village == n.key.Village }); i >= 0 {
		n.newer = "/notices/" + list[i].key.ID.String()
	}
	return n, nil
}

func (w *Site) notice(p *page) (reply, error) {
	n, err := w.noticeKey(p)
	if err != nil {
		return reply{}, err
	}
	for i := range n.files {
		x := &n.files[i]
		x.photo = w.photo(p, x.name, x.title)
		if x.open != "" {
			x.open, x.word = "/notices/"+n.key.ID.String()+"/file/"+x.name, ""
		}
	}
	p.title, p.at = n.title, "today"
	return show(noticePage(p, n))
}

// readNotice says to the office that the village has read it: on which day, and not who.
func (w *Site) readNotice(p *page) (reply, error) {
	n, err := w.noticeKey(p)
	if err != nil {
		return reply{}, err
	}
	if n.unread() {
		if err := w.store.ReadNotice(p.r.Context(), n.key, p.today); err != nil {
			return reply{}, err
		}
	}
	return goTo("/notices/" + n.key.ID.String())
}

// noticeFile gives a file of a notice by the name that it came with.
func (w *Site) noticeFile(p *page) (reply, error) {
	n, err := w.noticeKey(p)
	if err != nil {
		return reply{}, err
	}
	h, kind, err := named(p)
	if err != nil {
		return reply{}, err
	}
	at := slices.IndexFunc(n.files, func(x noticeFile) bool { return x.name == blob.Name(h, kind) })
	if at < 0 {
		return reply{}, errNowhere
	}
	f, _, err := w.store.OpenBlob(h, 0)
	if err != nil {
		return reply{}, ofFile(err)
	}
	defer f.Close()
	// Whole, before the browser is told that it is well.
	var b bytes.Buffer
	if _, err := io.Copy(&b, f); err != nil {
		return reply{}, ofFile(err)
	}
	return reply{send: func(rw http.ResponseWriter) {
		rw.Header().Set("Content-Type", "application/octet-stream")
		rw.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": n.files[at].title}))
		rw.Header().Set("Cache-Control", "no-store")
		rw.Header().Set("Content-Length", strconv.Itoa(b.Len()))
		rw.Write(b.Bytes())
	}}, nil
}
