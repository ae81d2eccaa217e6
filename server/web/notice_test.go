package web

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"zhucun/server/blob"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// notify sends the form of a new notice: fields, and files as name and content.
func (v *visitor) notify(from answer, fields url.Values, files ...string) answer {
	v.f.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	m.WriteField("_token", from.token())
	for name, values := range fields {
		for _, value := range values {
			m.WriteField(name, value)
		}
	}
	for i := 0; i < len(files); i += 2 {
		w, err := m.CreateFormFile("files", files[i])
		if err != nil {
			v.f.t.Fatal(err)
		}
		w.Write([]byte(files[i+1]))
	}
	m.Close()
	r, err := http.NewRequest(http.MethodPost, v.f.server.URL+noticesPath, &b)
	if err != nil {
		v.f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", m.FormDataContentType())
	r.Header.Set("Origin", v.f.server.URL)
	return v.do(r)
}

var noticeNo = regexp.MustCompile(`name="no" value="([^"]+)"`)

// withFiles gives a fixture a place for files.
func (f *fixture) withFiles() *fixture {
	f.t.Helper()
	files, err := blob.Open(filepath.Join(f.t.TempDir(), "blobs"))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { files.Close() })
	f.store.Files = files
	return f
}

// readIn is what a laptop writes of a notice that was read in its village: in nobody's name.
func (l *laptop) readIn(k record.Key, day string) record.Change {
	c := record.Change{Record: k.ID, Type: k.Type, Time: uint64(l.f.wall.Load()) << 16, Form: 1}
	c.Body = []record.Write{{Path: record.Path("read_on").Element(day), Value: record.True}}
	return c
}

// A notice goes to the villages that are meant, says there what it says and shows its
// files; it is withdrawn, sent further and replaced.
func TestNotice(t *testing.T) {
	f := newFixture(t, small...).withFiles()
	v := f.as("office")
	page := v.get(noticesPath + "/new")
	no := noticeNo.FindStringSubmatch(page.body)[1]
	fields := url.Values{"no": {no}, "title": {"关于做好2025年入户走访的通知"}, "kind": {"notice"}, "text": {"请各村\n按时走访。"}, "read_by": {"2025-01-15"}, "to": {"chosen"}}
	if a := v.notify(page, fields, "方案.pdf", "%PDF-1.4 方案"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "按时走访") || !strings.Contains(a.body, no) {
		t.Fatalf("for no village: %d", a.status)
	}
	fields["village"] = []string{string(small[0].Code)}
	a := v.notify(page, fields, "方案.pdf", "%PDF-1.4 方案")
	if a.status != http.StatusOK || !strings.Contains(a.path, no) || !strings.Contains(a.body, "0 / 1 个村") || !strings.Contains(a.body, "方案.pdf") {
		t.Fatalf("%d %s\n%s", a.status, a.path, a.body)
	}
	v.notify(page, fields, "方案.pdf", "%PDF-1.4 方案") // the button was pressed twice
	sent, err := f.store.Notice(t.Context(), no)
	if err != nil || sent.Villages != 1 || sent.Village != small[0].Code {
		t.Fatalf("%+v, %v", sent, err)
	}
	if n := len(f.entries(sent.Key)); n != 1 {
		t.Errorf("sent %d times", n)
	}
	file := regexp.MustCompile(`href="(/blob/[^"]+)"`).FindStringSubmatch(a.body)
	if file == nil || v.get(file[1]).body != "%PDF-1.4 方案" {
		t.Error("its file is not to be had")
	}
	f.pass(time.Minute)
	further := v.get(noticesPath + "/" + no)
	if a := v.post(noticesPath+"/"+no+"/send", further, url.Values{"village": {string(small[1].Code)}}); !strings.Contains(a.body, "0 / 2 个村") {
		t.Error("it was not sent further")
	}
	next := v.get(noticesPath + "/new?replaces=" + no)
	newer := noticeNo.FindStringSubmatch(next.body)[1]
	if !strings.Contains(next.body, "按时走访") || newer == no {
		t.Error("the old text is not there to be changed")
	}
	f.pass(time.Minute)
	v.notify(next, url.Values{"no": {newer}, "replaces": {no}, "title": {"关于入户走访的补充通知"}, "kind": {"notice"}, "text": {"改为每月两次。"}, "to": {"all"}})
	if a := v.get(noticesPath + "/" + no); !strings.Contains(a.body, "已被取代") || !strings.Contains(a.body, newer) || strings.Contains(a.body, `action="/notices/`+no+`/withdraw"`) {
		t.Error("it was not replaced")
	}
	other := f.get(record.Key{Village: small[1].Code, Type: "notice", ID: sentIn(f, newer, small[1].Code)})
	if other.View.Fields["title"] != record.Text("关于入户走访的补充通知") {
		t.Errorf("%+v", other.View.Fields)
	}
	f.pass(time.Minute)
	page = v.get(noticesPath + "/" + newer)
	if a := v.post(noticesPath+"/"+newer+"/withdraw", page, url.Values{"reason": {" "}}); !strings.Contains(a.body, "没有撤回") || strings.Contains(a.body, "is-void") {
		t.Error("withdrawn without a reason")
	}
	if a := v.post(noticesPath+"/"+newer+"/withdraw", page, url.Values{"reason": {"写错了"}}); !strings.Contains(a.body, "已撤回") {
		t.Error("not withdrawn")
	}
	if state := f.get(other.Key).View.Fields["notice_state"]; state != record.Text("withdrawn") {
		t.Error(state)
	}
	if a := v.get(noticesPath); strings.Index(a.body, "补充通知") > strings.Index(a.body, "2025年入户") || !strings.Contains(a.body, "0 / 2 个村") {
		t.Error("the newest is not first")
	}
	if n := f.verify(); n > 0 {
		t.Errorf("%d faults", n)
	}
}

func sentIn(f *fixture, no string, v record.Village) record.ID {
	rows, err := f.store.NoticeIn(f.t.Context(), no, "", 10)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, r := range rows {
		if r.Village == v {
			return r.ID
		}
	}
	return record.ID{}
}

// That a village has read a notice is known, on which day, and of nobody in it: on no page
// of the office is there a name or a laptop. Nobody of a village writes anything else there.
func TestNoticeRead(t *testing.T) {
	f := newFixture(t, small...).withFiles()
	v := f.as("office")
	page := v.get(noticesPath + "/new")
	no := noticeNo.FindStringSubmatch(page.body)[1]
	v.notify(page, url.Values{"no": {no}, "title": {"通知"}, "kind": {"notice"}, "text": {"请阅。"}, "read_by": {"2025-01-09"}, "to": {"all"}})
	k := record.Key{Village: small[0].Code, Type: "notice", ID: sentIn(f, no, small[0].Code)}
	reader, second := f.laptop("宋芬娥", identity.TeamMember, small[0].Code), f.laptop("杜旺火", identity.VillageClerk, small[0].Code)
	f.pass(25 * time.Hour)
	v = f.as("office")
	if taken := reader.send(k.Village, reader.readIn(k, "2025-01-10")); taken.Quarantined != 0 {
		t.Fatal("the receipt is quarantined")
	}
	second.send(k.Village, second.readIn(k, "2025-01-09"))
	a := v.get(noticesPath + "/" + no)
	if !strings.Contains(a.body, "1 / 2 个村") || !strings.Contains(a.body, "1月9日 已阅") || !strings.Contains(a.body, "超期 1 天") {
		t.Error("what the villages say is not told\n", a.body)
	}
	for _, path := range []string{noticesPath, noticesPath + "/" + no, "/records/notice", href(k), href(k) + "/edit", "/export/notice?format=csv", "/export/notice?format=jsonl", "/conflicts", "/quarantine"} {
		a := v.get(path)
		for _, name := range []string{"宋芬娥", "杜旺火", string(reader.device.ID), string(second.device.ID)} {
			if strings.Contains(a.body, name) {
				t.Errorf("%s names %s", path, name)
			}
		}
	}
	entries, err := f.store.History(t.Context(), k.Village, k.ID)
	if err != nil || len(entries) != 3 {
		t.Fatal(len(entries), err)
	}
	for _, e := range entries[:2] {
		if e.Device != "" || e.Change.Author != "" || !e.Dot.IsZero() {
			t.Errorf("the history names %+v", e)
		}
	}
	// What else somebody in the village writes is set aside.
	forge := []record.Change{
		{Record: k.ID, Type: k.Type, Author: "宋芬娥", Body: []record.Write{{Path: "title", Value: record.Text("改过的通知"), Observed: f.get(k).State.Observed("title")}}},
		{Record: k.ID, Type: k.Type, Author: "宋芬娥", Body: []record.Write{{Path: "title~", Value: record.Text("改过的通知")}}},
		{Record: k.ID, Type: k.Type, Body: []record.Write{{Path: record.Path("read_on").Element("宋芬娥"), Value: record.True}}},
		{Record: record.ID{6: 0x70, 8: 0x80, 15: 9}, Type: k.Type, Author: "宋芬娥", Body: []record.Write{{Path: record.Source, Value: record.Text("onsite")}, {Path: "title", Value: record.Text("假通知")}}},
	}
	for i, c := range forge {
		f.pass(time.Minute)
		c.Time, c.Form = uint64(f.wall.Load())<<16, 1
		if taken := reader.send(k.Village, c); taken.Quarantined != 1 {
			t.Errorf("%d is taken", i)
		}
	}
	if title := f.get(k).View.Fields["title"]; title != record.Text("通知") {
		t.Error(title)
	}
	if sent, err := f.store.Notice(t.Context(), no); err != nil || sent.Read != 1 {
		t.Errorf("%+v, %v", sent, err)
	}
	if n := f.verify(); n > 0 {
		t.Errorf("%d faults", n)
	}
}
