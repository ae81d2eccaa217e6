package table

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/sheet"
)

func find(t testing.TB, raw string, o Options) (*Layout, error) {
	t.Helper()
	b, err := sheet.Open(bytes.NewReader([]byte(raw)), int64(len(raw)))
	if err != nil {
		return nil, err
	}
	return Find(t.Context(), b, form.Builtin(), o)
}

// Each row is a heading of a type's table and where its column goes; (…) is a guess.
func TestHeadings(t *testing.T) {
	tests := []struct{ of, heading, want string }{
		{"household", "head_name", "head_name"},
		{"household", "Household head", "head_name"},
		{"household", "  户 主 姓 名* ", "head_name"},
		{"household", "户主（必填）", "head_name"},
		{"household", "耕地面积(亩)", "arable_mu"},
		{"household", "耕地（亩）", "arable_mu"},
		{"household", "住房面积（㎡）", "house_area"},
		{"household", "基本情况/姓名", "head_name"},
		{"household", "户主/姓名", "head_name"},
		{"household", "帮扶责任人/姓名", "helper_name"},
		{"household", "帮扶责任人/联系电话", "helper_phone"},
		{"household", "村干部/姓名", ""},
		{"household", "序号", "-"},
		{"household", "年龄", "-"},
		{"household", "行政村", "_village"},
		{"household", "住房危房等级情况", "(house_risk)"},
		{"household", "爱好", ""},
		{"person", "户主", "household.head_name"},
		{"person", "户主姓名", "household.head_name"},
		{"person", "组", "household.group_name"},
		{"person", "户", "household"},
		{"person", "姓名", "full_name"},
		{"person", "身份证号码（18位）", "id_number"},
		{"person", "残疾证号", "id_number"},
		{"income", "收入情况/工资性收入（元）", "wage"},
		{"income", "年人均纯收入", "-"},
		{"visit", "姓名", "household.head_name"},
		{"visit", "照片", "-"},
		{"fund", "项目名称", "project.project_name"},
		{"village", "村名", "village_name"},
	}
	for _, tt := range tests {
		x := newIndex(form.Builtin(), form.Builtin().Form(record.Type(tt.of)))
		got, _, sure := x.target(strings.Split(tt.heading, "/"))
		if got != "" && !sure {
			got = "(" + got + ")"
		}
		if got != tt.want {
			t.Errorf("%s: %q goes to %q; want %q", tt.of, tt.heading, got, tt.want)
		}
	}
}

// Every heading that the forms know leads to its field.
func TestEveryHeadingIsFound(t *testing.T) {
	for _, f := range form.Builtin().Forms() {
		x := newIndex(form.Builtin(), f)
		for _, fd := range f.Fields {
			for _, w := range append([]string{fd.Name, fd.Label.Zh, fd.Label.En}, fd.Also...) {
				want := fd.Name
				if fd.Kind == form.Calculate || fd.Kind == form.Image {
					want = LeaveOut
				}
				if got, _, sure := x.target([]string{w}); got != want || !sure {
					t.Errorf("%s: %q goes to %q, %v; want %q", f.Type, w, got, sure, want)
				}
			}
		}
	}
}

func TestUnits(t *testing.T) {
	for text, want := range map[string]string{
		"元": "1 元", "万元": "10000 元", "千元": "1000 元", "单位：万元": "10000 元", "亿元": "100000000 元", "亩": "1 亩", "公顷": "15 亩", "㎡": "1 ㎡",
		"千米": "1 公里", "米": "0.001 公里", "里": "0.5 公里", "万人": "10000 人", "必填": "", "": "", "万": "",
	} {
		got := ""
		if u, ok := unitOf(text); ok {
			got = decimal(u.times) + " " + u.base
		}
		if got != want {
			t.Errorf("%q is %q; want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{"单位：万元": "万元", "（金额单位：元）": "元", "单位：户、人、万元": "万元", "单位:李寨村": "", "2017年": "", "填报单位：某局": ""} {
		got := ""
		if u, ok := unitAbove(text); ok {
			got = u.text
		}
		if got != want {
			t.Errorf("above: %q is %q; want %q", text, got, want)
		}
	}
}

// Of any table every row is read or passed over with a reason, in order, and nothing
// that was lost is made up for: a number that a spreadsheet has cut off is not taken.
func FuzzTable(f *testing.F) {
	f.Add("户编号,组,户主,电话\n1,一组,李大山,13800000001\n合计,,,\n", "household")
	f.Add("户主,组,姓名,身份证号\n张,三组,张小,369999199001010000\n,,张大,3.69999E+17\n", "person")
	f.Add("标题\n,单位：万元\n项目编号,批复资金（万元）\nP1,3.5\nP2,1.2万\n", "project")
	f.Add("组,户主,,收入,\n,姓名,电话,工资性,财产性\n一组,李,1,2,3\n", "")
	f.Fuzz(func(t *testing.T, raw, of string) {
		l, err := find(t, raw, Options{Type: record.Type(of)})
		if err != nil {
			return
		}
		last := l.Last
		err = l.Rows(t.Context(), func(it *Item) error {
			if it.Row <= last {
				t.Fatalf("row %d after %d", it.Row, last)
			}
			last = it.Row
			if it.Skip != "" && Skips[it.Skip].Zh == "" {
				t.Fatalf("row %d is passed over for %q", it.Row, it.Skip)
			}
			for name, v := range it.Fields {
				fd := l.Form.Field(name)
				if again, err := fd.Canon([]byte(v)); err != nil || again != v {
					t.Fatalf("%s=%s is read as %s, %v", name, v, again, err)
				}
				if s, _ := v.Text(); fd.IDNumber() && form.Ruined(s) {
					t.Fatalf("a ruined number was taken: %s", s)
				}
			}
			return nil
		})
		var own *Error
		var ofSheet *sheet.Error
		if err != nil && !errors.As(err, &own) && !errors.As(err, &ofSheet) {
			t.Fatal(err)
		}
	})
}

// The headings of a table are known again in whatever order the columns stand.
func TestHeadingsAreSorted(t *testing.T) {
	a, err := find(t, "户主,组,电话\n李大山,一组,1\n", Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := find(t, "标题\n电话,户主,组\n1,李大山,一组\n", Options{})
	if err != nil || !slices.Equal(a.Headings, b.Headings) {
		t.Errorf("%v, %v, %v", a.Headings, b, err)
	}
	if fmt.Sprint(b.First, b.Last) != "2 2" {
		t.Errorf("headings in rows %d to %d", b.First, b.Last)
	}
}

// What is held of the rows in which headings are looked for does not grow with what
// stands in their cells.
func TestLongCellsAboveHeadings(t *testing.T) {
	var b strings.Builder
	for range lookFor / 2 {
		b.WriteString(strings.Repeat("说", 300_000) + "\n")
	}
	b.WriteString("户主,组,电话\n李大山,三组,13800000001\n")
	file := []byte(b.String())
	book, err := sheet.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	top, err := look(t.Context(), book.Sheets[0], Options{}, nil)
	if err != nil || len(top) != lookFor/2+2 {
		t.Fatalf("%d rows, %v", len(top), err)
	}
	held := 0
	for _, r := range top {
		for _, c := range r.Cells {
			held += len(c.Text)
		}
	}
	if held > 4*(maxHeading+1)*len(top) {
		t.Errorf("%d bytes are held", held)
	}
	if l, err := Find(t.Context(), book, form.Builtin(), Options{Type: "household"}); err != nil || l.First != lookFor/2+1 {
		t.Errorf("%+v, %v", l, err)
	}
}
