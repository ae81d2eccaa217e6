package web

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"zhucun/shared/identity"
)

// A department's sheet is uploaded on a list and comes back filled with what the list
// shows, masked unless a reason is given.
func TestFillTemplate(t *testing.T) {
	f := filled(t)
	first := f.codes()[0]
	house := f.first(first, "household", 0)
	l := f.laptop("宋芬娥", identity.FirstSecretary, first)
	l.send(first, l.change(house.Key, house.State, map[string]string{"bank_account": "6222020000000000018"}))
	v := f.as("office")
	sheet := func(headings ...string) []byte {
		book := excelize.NewFile()
		defer book.Close()
		for i, h := range headings {
			at, _ := excelize.CoordinatesToCellName(i+1, 2)
			if err := book.SetCellStr("Sheet1", at, h); err != nil {
				t.Fatal(err)
			}
		}
		var b bytes.Buffer
		if err := book.Write(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	send := func(as *visitor, query, reason string, file []byte) answer {
		t.Helper()
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		w.WriteField("_token", as.get("/me").token())
		w.WriteField("query", query)
		w.WriteField("reason", reason)
		if file != nil {
			part, err := w.CreateFormFile("file", "表样.xlsx")
			if err != nil {
				t.Fatal(err)
			}
			part.Write(file)
		}
		w.Close()
		r, err := http.NewRequest(http.MethodPost, f.server.URL+"/export/household/template", &body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", w.FormDataContentType())
		r.Header.Set("Origin", f.server.URL)
		return as.do(r)
	}
	village := string(first)
	rows := func(a answer) [][]string {
		t.Helper()
		book, err := excelize.OpenReader(strings.NewReader(a.body))
		if err != nil {
			t.Fatalf("%d %v\n%.300s", a.status, err, a.body)
		}
		defer book.Close()
		list, err := book.GetRows("Sheet1")
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	masked := rows(send(v, "village="+village, "", sheet("序号", "户主", "银行账号", "村")))
	full := rows(send(v, "village="+village, "上报民政", sheet("序号", "户主", "银行账号", "村")))
	numbers := 0
	for i := range full {
		if i < 2 || full[i][2] == "" || len(full[i]) < 4 {
			continue
		}
		numbers++
		if m := masked[i][2]; m == full[i][2] || !strings.HasSuffix(full[i][2], m[len(m)-4:]) || masked[i][1] != full[i][1] || masked[i][3] == "" {
			t.Fatalf("%q\n%q", masked[i], full[i])
		}
	}
	if numbers == 0 || len(masked) != len(full) {
		t.Errorf("%d numbers in %d rows, %d masked", numbers, len(full), len(masked))
	}
	for _, tt := range []struct {
		name  string
		a     answer
		words string
	}{
		{"no file", send(v, "", "", nil), "请先选一个 .xlsx 表样"},
		{"no sheet", send(v, "", "", []byte("%PDF-1.4")), "没有密码的 .xlsx"},
		{"no field", send(v, "", "", sheet("甲", "乙")), "没有一行认得出字段"},
	} {
		if tt.a.status != http.StatusUnprocessableEntity || !strings.Contains(tt.a.body, tt.words) {
			t.Errorf("%s: %d\n%s", tt.name, tt.a.status, tt.a.body)
		}
	}
	f.account(identity.Inspector)
	if a := send(f.as("inspector"), "", "", sheet("户主")); a.status != http.StatusForbidden {
		t.Errorf("an inspector: %d", a.status)
	}
}
