package inbox

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"

	"zhucun/agent/store"
	"zhucun/agent/table"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// desk is a laptop with what the tables refer to: households and a team.
func desk(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.TempDir(), store.Options{Key: make([]byte, store.KeySize), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.SetDevice(t.Context(), func(d *store.Device) {
		d.ID, d.Token, d.Numbers = "device", "token", make([]byte, 32)
		d.Assigned = wire.Assignment{Villages: []wire.Village{{Code: "369999000001", Name: "李寨村"}}, Role: identity.Office, Profiles: []string{"王"}}
	}); err != nil {
		t.Fatal(err)
	}
	add := func(typ record.Type, fields ...string) {
		e, err := Pairs(form.Builtin(), typ, fields)
		if err == nil {
			_, err = s.Save(t.Context(), e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	add("household", "household_no=1001", "head_name=张三丰", "group_name=三组")
	add("household", "head_name=王小明", "group_name=一组")
	add("household", "head_name=王小明", "group_name=二组")
	add("team_post", "person_name=王书记", "team_role=first_secretary", "start_date=2016-01-01")
	add("team_post", "person_name=李队员", "team_role=member", "start_date=2016-01-01")
	add("project", "project_no=P1", "project_name=通村公路")
	return s
}

// idNo makes an identity number with the right last sign.
func idNo(birth, order string) string {
	s := "369999" + birth + order
	sum := 0
	for i, w := range []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += w * int(s[i]-'0')
	}
	return s + string("10X98765432"[sum%11])
}

var (
	idA = idNo("19620305", "011")
	idB = idNo("19650716", "024")
)

// book is a workbook in the making.
type book struct {
	t testing.TB
	*excelize.File
	sheet string
}

func newBook(t testing.TB) *book { return &book{t, excelize.NewFile(), "Sheet1"} }

func (b *book) do(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// styled is a value in a number format.
type styled struct {
	value  any
	format string
}

// formula is one with what it came to last; nil where that is not in the file.
type formula struct {
	text  string
	value any
}

// rows puts rows from a row on; nil is an empty cell.
func (b *book) rows(first int, rows ...[]any) *book {
	b.t.Helper()
	for i, r := range rows {
		for j, v := range r {
			at, err := excelize.CoordinatesToCellName(j+1, first+i)
			b.do(err)
			switch v := v.(type) {
			case nil:
			case styled:
				b.do(b.SetCellValue(b.sheet, at, v.value))
				id, err := b.NewStyle(&excelize.Style{CustomNumFmt: &v.format})
				b.do(err)
				b.do(b.SetCellStyle(b.sheet, at, at, id))
			case formula:
				if v.value != nil {
					b.do(b.SetCellValue(b.sheet, at, v.value))
				}
				b.do(b.SetCellFormula(b.sheet, at, v.text))
			default:
				b.do(b.SetCellValue(b.sheet, at, v))
			}
		}
	}
	return b
}

func (b *book) merge(from, to string) *book {
	b.t.Helper()
	b.do(b.MergeCell(b.sheet, from, to))
	return b
}

// on goes on with another sheet.
func (b *book) on(name string) *book {
	b.t.Helper()
	if i, err := b.GetSheetIndex(name); err != nil || i < 0 {
		_, err := b.NewSheet(name)
		b.do(err)
	}
	b.sheet = name
	return b
}

func (b *book) bytes() []byte {
	b.t.Helper()
	buf, err := b.WriteToBuffer()
	b.do(err)
	b.do(b.Close())
	return buf.Bytes()
}

func row(cells ...any) []any { return cells }

// fresh gives the records of a type that are not among those before, each in one line:
// its fields in the order of the form.
func fresh(t testing.TB, s *store.Store, typ record.Type, before map[record.ID]bool) []string {
	t.Helper()
	var recs []store.Record
	if err := s.Each("", typ, func(r store.Record) bool {
		if !before[r.Key.ID] {
			recs = append(recs, r)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(recs, func(a, b store.Record) int { return cmp.Compare(a.View.Created, b.View.Created) })
	var lines []string
	for _, r := range recs {
		var parts []string
		for _, fd := range form.Builtin().Form(typ).Fields {
			v := r.View.Fields[fd.Name]
			if v == "" {
				continue
			}
			text := string(v)
			if s, ok := v.Text(); ok {
				text = s
			}
			if fd.Kind == form.RefOne || fd.Kind == form.RefMultiple {
				var names []string
				for _, id := range v.Texts() {
					id, _ := record.ParseID(id)
					to, err := s.Get(fd.Refers, id)
					if err != nil {
						t.Fatal(err)
					}
					titles := form.Builtin().Form(fd.Refers).Titles
					name, _ := to.View.Fields[titles[0]].Text()
					if len(titles) > 1 {
						more, _ := to.View.Fields[titles[1]].Text()
						name += "/" + more
					}
					names = append(names, name)
				}
				slices.Sort(names)
				text = strings.Join(names, "+")
			}
			parts = append(parts, fd.Name+"="+text)
		}
		lines = append(lines, strings.Join(parts, " "))
	}
	return lines
}

func ids(t testing.TB, s *store.Store, typ record.Type) map[record.ID]bool {
	t.Helper()
	m := map[record.ID]bool{}
	if err := s.Each("", typ, func(r store.Record) bool { m[r.Key.ID] = true; return true }); err != nil {
		t.Fatal(err)
	}
	return m
}

// ugly is a file as offices have them, and what is to come of it.
type ugly struct {
	name string
	file string // what it is called; empty: a.xlsx
	make func(t testing.TB) []byte
	opt  TableOptions

	fails string   // why nothing is taken, in part
	open  []string // columns of which nobody has said where they go
	want  string   // "TYPE new changed same not_taken"
	recs  []string // the records that are new
	bad   map[int]string
	noted map[int]string
	pass  map[int]string
}

func takeTable(t testing.TB, s *store.Store, raw []byte, o TableOptions) (TableReport, error) {
	t.Helper()
	return Table(t.Context(), s, form.Builtin(), bytes.NewReader(raw), int64(len(raw)), o)
}

func (u *ugly) run(t *testing.T) {
	s := desk(t)
	raw := u.make(t)
	o := u.opt
	o.File = cmp.Or(u.file, "a.xlsx")
	before := map[record.Type]map[record.ID]bool{}
	for _, f := range form.Builtin().Forms() {
		before[f.Type] = ids(t, s, f.Type)
	}
	// What is looked at first must come, and must change nothing.
	look := o
	look.Preview = true
	seen, perr := takeTable(t, s, raw, look)
	status, err := s.Status()
	if err != nil {
		t.Fatal(err)
	}
	rep, err := takeTable(t, s, raw, o)
	if u.fails != "" || u.open != nil {
		var open []string
		for _, c := range rep.Columns {
			if c.Filled && (c.How == table.Unknown || c.How == table.Guessed || c.How == table.Doubled || c.How == table.WrongUnit) {
				open = append(open, c.Heading)
			}
		}
		switch {
		case err == nil:
			t.Fatalf("taken: %+v", rep.Report)
		case u.open != nil && !errors.Is(err, ErrColumns), !slices.Equal(open, u.open):
			t.Fatalf("open are %q, %v; want %q", open, err, u.open)
		case !strings.Contains(Say(err, form.Zh), u.fails):
			t.Fatalf("it says %q; want %q", Say(err, form.Zh), u.fails)
		}
		if now, err := s.Status(); err != nil || now.Pending != status.Pending {
			t.Errorf("something was taken all the same: %d, %v", now.Pending, err)
		}
		return
	}
	if err != nil || perr != nil {
		t.Fatalf("%s; before: %v", Say(err, form.Zh), perr)
	}
	if got := fmt.Sprint(rep.Type, " ", rep.New, rep.Changed, rep.Same, rep.NotTaken); got != u.want {
		t.Errorf("came to %s; want %s\n%s", got, u.want, rep.Words(form.Zh))
	}
	if seen.New != rep.New || seen.Changed != rep.Changed || seen.Same != rep.Same || seen.NotTaken != rep.NotTaken {
		t.Errorf("before it was to be %+v, and is %+v", seen.Report, rep.Report)
	}
	if got := fresh(t, s, rep.Type, before[rep.Type]); !slices.Equal(got, u.recs) {
		t.Errorf("records:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(u.recs, "\n"))
	}
	told := func(what string, got []Bad, want map[int]string) {
		if len(got) != len(want) {
			t.Errorf("%s: %+v; want %v", what, got, want)
		}
		for _, b := range got {
			if w, ok := want[b.Line]; !ok || !strings.Contains(b.Text, w) {
				t.Errorf("%s: row %d: %q; want %q", what, b.Line, b.Text, w)
			}
		}
	}
	told("bad", rep.Bad, u.bad)
	told("noted", rep.Noted, u.noted)
	told("passed", rep.Passed, u.pass)
	// Again: the same rows change nothing.
	again, err := takeTable(t, s, raw, o)
	if err != nil || again.New+again.Changed != 0 || again.Same != rep.New+rep.Changed+rep.Same || again.NotTaken != rep.NotTaken {
		t.Errorf("again: %+v, %v", again.Report, err)
	}
}

// csvOf makes rows of a .csv.
func csvOf(lines ...string) func(testing.TB) []byte {
	return func(testing.TB) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n") }
}

func TestUglyTables(t *testing.T) {
	for _, u := range uglyTables {
		t.Run(u.name, u.run)
	}
	if len(uglyTables) < 30 {
		t.Errorf("%d tables", len(uglyTables))
	}
}

var houseHead = row("户编号", "组", "户主", "电话")

var uglyTables = []ugly{
	{
		name: "a plain table",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, houseHead, row("2001", "一组", "李大山", "13800000001"), row("2002", "二组", "赵二", "13800000002")).bytes()
		},
		want: "household 2 0 0 0",
		recs: []string{"household_no=2001 group_name=一组 head_name=李大山 phone=13800000001", "household_no=2002 group_name=二组 head_name=赵二 phone=13800000002"},
	},
	{
		name: "titles above the headings, and a blank row",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("红尖溪乡2017年贫困户台账"), row("填报单位：李寨村　　填报日期：2017年5月"), nil, row("序号", "户编号", "组别", "户主姓名", "联系电话", "备注"),
				row(1, "2001", "一组", "李大山", "13800000001", "外出")).merge("A1", "F1").merge("A2", "F2").bytes()
		},
		want: "household 1 0 0 0",
		recs: []string{"household_no=2001 group_name=一组 head_name=李大山 phone=13800000001"},
	},
	{
		name: "headings in two rows, merged",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("家庭收入登记表"), row("户主", "组", "年度", "收入情况", nil, nil, "支出"), row(nil, nil, nil, "工资性收入", "生产经营性收入", "财产性收入", "生产经营性支出"),
				row("张三丰", "三组", 2017, 12000, 3000, 100, 500)).merge("A1", "G1").merge("A2", "A3").merge("B2", "B3").merge("C2", "C3").merge("D2", "F2").bytes()
		},
		want: "income 1 0 0 0",
		recs: []string{"household=张三丰/三组 year=2017 wage=12000 business=3000 property=100 business_cost=500"},
	},
	{
		name: "a name and a telephone twice, told apart by what stands above",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("组", "户主信息", nil, "帮扶责任人", nil), row(nil, "姓名", "电话", "姓名", "电话"),
				row("一组", "李大山", "13800000001", "王队员", "13900000001")).merge("A1", "A2").merge("B1", "C1").merge("D1", "E1").bytes()
		},
		want: "household 1 0 0 0",
		recs: []string{"group_name=一组 head_name=李大山 phone=13800000001 helper_name=王队员 helper_phone=13900000001"},
	},
	{
		name: "headings in three rows",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户主", "生产生活条件", nil, nil), row(nil, "住房", nil, "饮水"), row(nil, "住房面积（平方米）", "危房等级", "饮水是否安全"),
				row("李大山", 80.5, "C级", "是")).merge("A1", "A3").merge("B1", "D1").merge("B2", "C2").bytes()
		},
		want: "household 1 0 0 0",
		recs: []string{"head_name=李大山 house_area=80.5 house_risk=c water_safe=yes"},
	},
	{
		name: "numbers under the headings, and the headings again on the second page",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, houseHead, row("甲", "乙", 1, 2), row("2001", "一组", "李大山", "13800000001"), houseHead, row("2002", "二组", "赵二", "13800000002")).bytes()
		},
		want: "household 2 0 0 0",
		recs: []string{"household_no=2001 group_name=一组 head_name=李大山 phone=13800000001", "household_no=2002 group_name=二组 head_name=赵二 phone=13800000002"},
		pass: map[int]string{2: "栏号", 4: "重复的表头"},
	},
	{
		name: "wide digits, and names stretched with space",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户　编　号", " 组 别", "户主\n姓名", "电话", "耕地面积（亩）"), row("２００１", "一组", "李　山", "１３８００００００００", "３．５"), row(" 2002 ", "二组 ", " 赵 大 伟", "138-0000-0002", "2,000.5亩")).bytes()
		},
		want: "household 2 0 0 0",
		recs: []string{"household_no=2001 group_name=一组 head_name=李山 phone=13800000000 arable_mu=3.5", "household_no=2002 group_name=二组 head_name=赵大伟 phone=13800000002 arable_mu=2000.5"},
	},
	{
		name: "dates as people write them",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户主", "组", "识别时间"), row("甲一", "一组", "2017.5.23"), row("甲二", "一组", "2017年5月"), row("甲三", "一组", "2017/5/23"), row("甲四", "一组", 42878),
				row("甲五", "一组", styled{42878, "yyyy/m/d"}), row("甲六", "一组", "２０１７－５－３"), row("甲七", "一组", "2017-05-23 14:30:00"), row("甲八", "一组", 20170523), row("甲九", "一组", "2017.05"),
				row("乙一", "一组", "17.5.23"), row("乙二", "一组", "5月23日"), row("乙三", "一组", "2017.2.30"), row("乙四", "一组", "42878"), row("乙五", "一组", styled{42878.75, `yyyy"年"m"月"d"日"`})).bytes()
		},
		want: "household 11 0 0 3",
		recs: []string{
			"group_name=一组 head_name=甲一 registered_date=2017-05-23", "group_name=一组 head_name=甲二 registered_date=2017-05-01", "group_name=一组 head_name=甲三 registered_date=2017-05-23",
			"group_name=一组 head_name=甲四 registered_date=2017-05-23", "group_name=一组 head_name=甲五 registered_date=2017-05-23", "group_name=一组 head_name=甲六 registered_date=2017-05-03",
			"group_name=一组 head_name=甲七 registered_date=2017-05-23", "group_name=一组 head_name=甲八 registered_date=2017-05-23", "group_name=一组 head_name=甲九 registered_date=2017-05-01",
			"group_name=一组 head_name=乙四 registered_date=2017-05-23", "group_name=一组 head_name=乙五 registered_date=2017-05-23",
		},
		bad:   map[int]string{11: "不是日期", 12: "不是日期", 13: "不是日期"},
		noted: map[int]string{3: "按 2017-05-01 收", 10: "按 2017-05-01 收", 14: "按 2017-05-23 收"},
	},
	{
		name: "days counted from 1904 on",
		make: func(t testing.TB) []byte {
			b := newBook(t).rows(1, row("户主", "组", "识别日期"), row("甲一", "一组", styled{41416, "yyyy-mm-dd"}))
			yes := true
			b.do(b.SetWorkbookProps(&excelize.WorkbookPropsOptions{Date1904: &yes}))
			return b.bytes()
		},
		want: "household 1 0 0 0",
		recs: []string{"group_name=一组 head_name=甲一 registered_date=2017-05-23"},
	},
	{
		name: "ID numbers that Excel has ruined",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户主", "组", "姓名", "身份证号码", "与户主关系"), row("张三丰", "三组", "张三丰", idA, "户主"), row("张三丰", "三组", "刘妹", 369999196507160240.0, "配偶"),
				row("张三丰", "三组", "张小", "369999199001010000", "之子"), row("张三丰", "三组", "张大", "3.69999E+17", "之子"), row("张三丰", "三组", "张中", strings.ToLower(idNo("19900307", "007")[:17])+" ", "之子"),
				row("张三丰", "三组", "张妹", "'"+idB, "之女")).bytes()
		},
		want:  "person 3 0 0 3",
		recs:  []string{"household=张三丰/三组 full_name=张三丰 id_number=" + idA + " relation=head", "household=张三丰/三组 full_name=张中 id_number=" + idNo("19900307", "007")[:17] + " relation=son", "household=张三丰/三组 full_name=张妹 id_number=" + idB + " relation=daughter"},
		bad:   map[int]string{3: "被 Excel 破坏", 4: "被 Excel 破坏", 5: "被 Excel 破坏"},
		noted: map[int]string{6: "应为18位"},
	},
	{
		name: "bank accounts in scientific notation",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户主", "组", "银行账号"), row("李大山", "一组", "6222000011112222333"), row("赵二", "二组", 6222000011112222333.0), row("钱三", "二组", "6.222E+18")).bytes()
		},
		want: "household 1 0 0 2",
		recs: []string{"group_name=一组 head_name=李大山 bank_account=6222000011112222333"},
		bad:  map[int]string{3: "只留下前 15 位", 4: "科学计数法"},
	},
	{
		name: "yuan in some columns and ten thousand yuan in others",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("项目编号", "项目名称", "批复资金（万元）", "已完成投资（元）"), row("P2", "水渠", 3.5, "12,000"), row("P3", "村部", "120万元", "3.2万"), row("P4", "桥", "约10", 0)).bytes()
		},
		want: "project 2 0 0 1",
		recs: []string{"project_no=P2 project_name=水渠 approved=35000 invested=12000", "project_no=P3 project_name=村部 approved=1200000 invested=32000"},
		bad:  map[int]string{4: "不是数字"},
	},
	{
		name: "the unit stands above the table",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("2017年项目台账"), row(nil, nil, nil, "单位：万元"), row("项目编号", "项目名称", "批复资金", "完成投资", "形象进度"), row("P2", "水渠", 3.5, 0.1, styled{0.8, "0%"})).bytes()
		},
		want: "project 1 0 0 0",
		recs: []string{"project_no=P2 project_name=水渠 approved=35000 invested=1000 percent=80"},
	},
	{
		name: "a number shown divided, in a column of ten thousands",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("项目编号", "项目名称", "批复资金（万元）"), row("P2", "水渠", styled{35000, "0!.0000"}), row("P3", "路", 1.5)).bytes()
		},
		want: "project 1 0 0 1",
		recs: []string{"project_no=P3 project_name=路 approved=15000"},
		bad:  map[int]string{2: "有缩放"},
	},
	{
		name: "hectares, and a unit that is none of the field's",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户主", "组", "耕地面积（公顷）", "距主干路距离（米）"), row("李大山", "一组", 0.5, 350)).bytes()
		},
		want: "household 1 0 0 0",
		recs: []string{"group_name=一组 head_name=李大山 arable_mu=7.5 road_km=0.35"},
	},
	{
		name: "square metres of fields",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户主", "组", "耕地面积（平方米）"), row("李大山", "一组", 500)).bytes()
		},
		open: []string{"耕地面积（平方米）"},
	},
	{
		name: "codes by label, with numbers before and remarks behind",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户主", "组", "主要致贫原因", "其他致贫原因", "燃料", "饮水安全", "危房等级", "贫困户属性"), row("甲一", "一组", "1.因病", "因学、缺技术", "柴草/电", "√", "C级（2016年鉴定）", "低保户"),
				row("甲二", "一组", "缺劳动力", "②因残", "液化气 电", true, "D级", "一般贫困户"), row("甲三", "一组", "因并", nil, nil, "×", "E级", nil)).bytes()
		},
		want: "household 2 0 0 1",
		recs: []string{
			`group_name=一组 head_name=甲一 poverty_attr=dibao main_cause=illness other_causes=["schooling","skill"] house_risk=c water_safe=yes fuel=["power","wood"]`,
			`group_name=一组 head_name=甲二 poverty_attr=general main_cause=labour other_causes=["disability"] house_risk=d water_safe=yes fuel=["lpg","power"]`,
		},
		bad: map[int]string{4: "没有“因并”这一项，可填：因病、因残"},
	},
	{
		name: "sums and notes",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("序号", "户主", "组", "耕地面积", "林地面积"), row(1, "甲一", "一组", 3, 1), row(2, "甲二", "一组", 2, 1), row(nil, "小 计", nil, 5, 2), row(3, "甲三", "二组", 1, 0), row("二组小计", nil, nil, 1, 0), row("合计", nil, nil, 6, 2),
				row("注：以上数据截至2017年5月。"), row("填表人：李四", nil, nil, "审核人：王五")).bytes()
		},
		want: "household 3 0 0 0",
		recs: []string{"group_name=一组 head_name=甲一 arable_mu=3 forest_mu=1", "group_name=一组 head_name=甲二 arable_mu=2 forest_mu=1", "group_name=二组 head_name=甲三 arable_mu=1 forest_mu=0"},
		pass: map[int]string{4: "合计行", 6: "合计行", 7: "合计行", 8: "说明", 9: "说明"},
	},
	{
		name: "hidden rows, columns and sheets",
		make: func(t testing.TB) []byte {
			b := newBook(t).rows(1, row("户主", "组", "电话", "内部口径"), row("甲一", "一组", "13800000001", "x"), row("甲二", "一组", "13800000002", "y"))
			b.do(b.SetRowVisible("Sheet1", 3, false))
			b.do(b.SetColVisible("Sheet1", "C:D", false))
			b.on("旧表").rows(1, houseHead, row("9", "九组", "旧户", "13800000009"))
			b.do(b.SetSheetVisible("旧表", false))
			return b.bytes()
		},
		want: "household 1 0 0 0",
		recs: []string{"group_name=一组 head_name=甲一"},
		pass: map[int]string{3: "隐藏的行"},
	},
	{
		name: "hidden ones that somebody asks for",
		make: func(t testing.TB) []byte {
			b := newBook(t).rows(1, row("户主", "组", "电话"), row("甲一", "一组", "13800000001"), row("甲二", "一组", "13800000002"))
			b.do(b.SetRowVisible("Sheet1", 3, false))
			b.do(b.SetColVisible("Sheet1", "C", false))
			return b.bytes()
		},
		opt:  TableOptions{Options: table.Options{Hidden: true}},
		want: "household 2 0 0 0",
		recs: []string{"group_name=一组 head_name=甲一 phone=13800000001", "group_name=一组 head_name=甲二 phone=13800000002"},
	},
	{
		name: "cells that stand for several rows",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("序号", "户主", "组", "家庭成员姓名", "身份证号", "与户主关系"), row(1, "张三丰", "三组", "张三丰", idA, "户主"), row(nil, nil, nil, "刘妹", idB, "配偶"), row(2, "王小明", "二组", "王小明", idNo("19700101", "012"), "户主")).
				merge("A2", "A3").merge("B2", "B3").merge("C2", "C3").bytes()
		},
		want: "person 3 0 0 0",
		recs: []string{"household=张三丰/三组 full_name=张三丰 id_number=" + idA + " relation=head", "household=张三丰/三组 full_name=刘妹 id_number=" + idB + " relation=spouse", "household=王小明/二组 full_name=王小明 id_number=" + idNo("19700101", "012") + " relation=head"},
	},
	{
		name: "households out of a list of their members",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户编号", "户主", "组", "成员"), row("2001", "李大山", "一组", "李大山"), row(nil, nil, nil, "李小山"), row("2002", "赵二", "二组", "赵二")).
				merge("A2", "A3").merge("B2", "B3").merge("C2", "C3").bytes()
		},
		opt:  TableOptions{Options: table.Options{Type: "household", Map: map[string]string{"成员": "-"}}},
		want: "household 2 0 0 0",
		recs: []string{"household_no=2001 group_name=一组 head_name=李大山", "household_no=2002 group_name=二组 head_name=赵二"},
		pass: map[int]string{3: "与上一行合并"},
	},
	{
		name: "marks for the same as above",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户主", "组", "走访日期", "走访情况"), row("张三丰", "三组", "2017.5.3", "屋顶漏水已报村里"), row("王小明", "一组", "同上", "药费已报销，老人好转")).bytes()
		},
		want: "visit 2 0 0 0",
		recs: []string{"household=张三丰/三组 visit_date=2017-05-03 findings=屋顶漏水已报村里", "household=王小明/一组 visit_date=2017-05-03 findings=药费已报销，老人好转"},
	},
	{
		name: "formulas: the value that they came to, an error, and none",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户主", "组", "耕地面积", "林地面积"), row("甲一", "一组", formula{"1+2", 3}, formula{"0.1+0.2", 0.30000000000000004}), row("甲二", "一组", formula{"SUM(C2)", nil}, 1), row("甲三", "一组", "#REF!", 1)).bytes()
		},
		want: "household 1 0 0 2",
		recs: []string{"group_name=一组 head_name=甲一 arable_mu=3 forest_mu=0.3"},
		bad:  map[int]string{3: "公式没有算出的结果", 4: "不是数字"},
	},
	{
		name: "two tables, one below the other",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, houseHead, row("2001", "一组", "李大山", "13800000001"), nil, nil, row("项目编号", "项目名称", "批复资金", "完成投资"), row("P2", "水渠", 1, 1)).bytes()
		},
		fails: "两张表：第 1 行和第 5 行",
	},
	{
		name: "the same, where the type is said",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, houseHead, row("2001", "一组", "李大山", "13800000001"), nil, row("姓名", "身份证号", "与户主关系", "民族"), row("李大山", idA, "户主", "汉")).bytes()
		},
		opt:   TableOptions{Options: table.Options{Type: "household"}},
		fails: "两张表：第 1 行和第 4 行",
	},
	{
		name: "two tables, side by side",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户主", "组", "电话", nil, "户主", "组", "电话"), row("甲一", "一组", "13800000001", nil, "甲二", "二组", "13800000002")).bytes()
		},
		fails: "左右并排有两张表（第二张从 E 列开始）",
	},
	{
		name: "tables in two sheets",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, houseHead, row("2001", "一组", "李大山", "13800000001")).on("二组").rows(1, houseHead, row("2002", "二组", "赵二", "13800000002")).bytes()
		},
		fails: "有 2 张表（Sheet1、二组）",
	},
	{
		name: "one of two sheets, and one with how to fill it in",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, houseHead, row("2001", "一组", "李大山", "13800000001")).on("二组").rows(1, houseHead, row("2002", "二组", "赵二", "13800000002")).on("填表说明").rows(1, row("请如实填写。")).bytes()
		},
		opt:  TableOptions{Options: table.Options{Sheet: "二组"}},
		want: "household 1 0 0 0",
		recs: []string{"household_no=2002 group_name=二组 head_name=赵二 phone=13800000002"},
	},
	{
		name: "a column that nobody knows",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户主", "组", "电话", "家中有无大病", "空着的"), row("李大山", "一组", "13800000001", "有")).bytes()
		},
		open: []string{"家中有无大病"},
	},
	{
		name: "the same, left out by somebody",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户主", "组", "电话", "家中有无大病"), row("李大山", "一组", "13800000001", "有")).bytes()
		},
		opt:  TableOptions{Options: table.Options{Map: map[string]string{"家中有无大病": "-"}}},
		want: "household 1 0 0 0",
		recs: []string{"group_name=一组 head_name=李大山 phone=13800000001"},
	},
	{
		name: "two columns that are the same field",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户主", "组", "电话", "手机号码"), row("李大山", "一组", "13800000001", "13800000002")).bytes()
		},
		open: []string{"电话", "手机号码"},
	},
	{
		name: "which household, by number and by name",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户编号", "户主姓名", "年度", "工资性收入"), row("1001", "张三丰", 2016, 100), row("1001", "张无忌", 2017, 100), row(nil, "王小明", 2016, 100), row("1009", nil, 2016, 100), row(nil, "张三丰", "2017年", 200)).bytes()
		},
		want: "income 2 0 0 3",
		recs: []string{"household=张三丰/三组 year=2016 wage=100", "household=张三丰/三组 year=2017 wage=200"},
		bad:  map[int]string{3: "没有 户编号 1001，户主 张无忌", 4: "有 2 条都是 户主 王小明", 5: "没有 户编号 1009"},
	},
	{
		name: "amounts below zero, in another unit too",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户编号", "年度", "工资性收入（万元）"), row("1001", 2016, -0.5), row("1001", 2017, "-300元"), row("1001", 2018, 0)).bytes()
		},
		want:  "income 3 0 0 0",
		recs:  []string{"household=张三丰/三组 year=2016 wage=-5000", "household=张三丰/三组 year=2017 wage=-300", "household=张三丰/三组 year=2018 wage=0"},
		noted: map[int]string{2: "不能小于0", 3: "不能小于0"},
	},
	{
		name: "people of the team, several in a cell",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户", "走访时间", "走访干部", "走访情况", "存在困难"), row("张三丰", "2017.5.3", "王书记、李队员", "屋顶漏水已报村里", "无"), row("1001", "2017.5.9", "李队员", "送去药品", "想学养蜂"), row("张三丰", "2017.5.10", "赵某", "没有此人", nil)).bytes()
		},
		want:  "visit 2 0 0 1",
		recs:  []string{"household=张三丰/三组 visit_date=2017-05-03 visitors=李队员/member+王书记/first_secretary findings=屋顶漏水已报村里", "household=张三丰/三组 visit_date=2017-05-09 visitors=李队员/member findings=送去药品 needs=想学养蜂"},
		bad:   map[int]string{4: "没有 赵某"},
		noted: map[int]string{3: "5到1000字"},
	},
	{
		name: "what is here already: by number, by name and group, and the same row twice",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, houseHead, row("1001", "三组", "张三丰", "13800000001"), row(nil, "二组", "王小明", "13800000002"), row("2001", "一组", "李大山", nil), row("2001", "一组", "李大山", nil), row("2001", "一组", "李大山", "13800000003")).bytes()
		},
		want: "household 1 2 1 1",
		recs: []string{"household_no=2001 group_name=一组 head_name=李大山"},
		bad:  map[int]string{6: "与第 4 行是同一条记录"},
	},
	{
		name: "rows of another village",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("乡镇", "行政村", "组", "户主"), row("红尖溪乡", "李寨村委会", "一组", "李大山"), row("红尖溪乡", "张寨村", "一组", "赵二")).bytes()
		},
		want: "household 1 0 0 1",
		recs: []string{"group_name=一组 head_name=李大山"},
		bad:  map[int]string{3: "没有“张寨村”的权限"},
	},
	{
		name: "headings of groups between the rows, and rows that are empty but for their numbers",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("序号", "户主", "组", "电话"), row("第一村民小组"), row(1, "甲一", "一组", "13800000001"), row("第二村民小组"), row(2, "甲二", "二组", nil), row(3), row(4), row(nil, "只有名字")).merge("A2", "D2").merge("A4", "D4").bytes()
		},
		want: "household 3 0 0 0",
		recs: []string{"group_name=一组 head_name=甲一 phone=13800000001", "group_name=二组 head_name=甲二", "head_name=只有名字"},
		pass: map[int]string{2: "分段标题", 4: "分段标题", 6: "没有可收的内容", 7: "没有可收的内容"},
	},
	{
		name: "no headings",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("李大山", "一组", "13800000001")).bytes()
		},
		fails: "没有找到表头",
	},
	{
		name:  "nothing in it",
		make:  func(t testing.TB) []byte { return newBook(t).bytes() },
		fails: "没有内容",
	},
	{
		name: "of which type it is cannot be told, but for its name",
		file: "2017年度任务.xlsx",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("年度", "责任人", "完成时限", "目标任务"), row(2017, "王书记", "2017-12-31", "修路")).bytes()
		},
		want: "task 1 0 0 0",
		recs: []string{"year=2017 target=修路 owner=王书记 due=2017-12-31"},
	},
	{
		name: "a number of zeros before it, and a number in a text",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("户主", "组", "姓名", "民族", "户编号"), row(nil, nil, "张三丰", styled{1, "00"}, styled{1001, "0000"})).bytes()
		},
		want: "person 1 0 0 0",
		recs: []string{"household=张三丰/三组 full_name=张三丰 ethnicity=01"},
	},
	{
		name: "what Excel has made a date of",
		make: func(t testing.TB) []byte {
			return newBook(t).rows(1, row("项目", "资金来源", "金额", "文号"), row("通村公路", "县", 500, styled{42796, "m/d"})).bytes()
		},
		opt:   TableOptions{Options: table.Options{Type: "fund"}},
		want:  "fund 1 0 0 0",
		recs:  []string{"project=通村公路 fund_source=county amount=500 doc_no=2017-03-02"},
		noted: map[int]string{2: "把它变成了日期"},
	},
	{
		name: "texts of several looks, and of several lines",
		make: func(t testing.TB) []byte {
			b := newBook(t).rows(1, row("户", "走访日期", "走访情况"), row("张三丰", "2017-05-03", nil))
			b.do(b.SetCellRichText("Sheet1", "C2", []excelize.RichTextRun{{Text: "屋顶"}, {Text: "漏水", Font: &excelize.Font{Bold: true}}, {Text: "\n已报村里"}}))
			return b.bytes()
		},
		want: "visit 1 0 0 0",
		recs: []string{"household=张三丰/三组 visit_date=2017-05-03 findings=屋顶漏水\n已报村里"},
	},
	{
		name: "a .csv in UTF-8",
		file: "a.csv",
		make: csvOf("户编号,组,户主,电话", "2001,一组,李大山,13800000001"),
		want: "household 1 0 0 0",
		recs: []string{"household_no=2001 group_name=一组 head_name=李大山 phone=13800000001"},
	},
	{
		name: "a .csv in UTF-8 with its mark, with semicolons, and cells of several lines",
		file: "a.csv",
		make: csvOf("\ufeff贫困户台账;;;", "户编号;组;户主;\"联系\n电话\"", "2001;一组;\"李\"\"大\"\"山\";13800000001", ";;;", "合计;;1;"),
		want: "household 1 0 0 0",
		recs: []string{`household_no=2001 group_name=一组 head_name=李"大"山 phone=13800000001`},
		pass: map[int]string{6: "合计行"},
	},
	{
		name: "a .csv in GB18030 with a rare name, and headings in two rows",
		file: "a.csv",
		make: func(t testing.TB) []byte {
			raw, err := simplifiedchinese.GB18030.NewEncoder().Bytes(csvOf("组,户主,,帮扶责任人,", ",姓名,电话,姓名,电话", "一组,李㛃,13800000001,王队员,13900000001")(t))
			if err != nil {
				t.Fatal(err)
			}
			return raw
		},
		want: "household 1 0 0 0",
		recs: []string{"group_name=一组 head_name=李㛃 phone=13800000001 helper_name=王队员 helper_phone=13900000001"},
	},
	{
		name: "a .csv as Excel writes it as Unicode text",
		file: "a.csv",
		make: func(testing.TB) []byte {
			out := []byte("\xff\xfe")
			for _, r := range "户主\t组\t电话\r\n李大山\t一组\t13800000001\r\n" {
				out = append(out, byte(r), byte(r>>8))
			}
			return out
		},
		want: "household 1 0 0 0",
		recs: []string{"group_name=一组 head_name=李大山 phone=13800000001"},
	},
	{
		name: "a .csv with characters lost, a quotation mark too many, and another that has no end",
		file: "a.csv",
		make: csvOf("户主,组,电话", "李\ufffd山,一组,13800000001", `赵"二,一组,13800000002`, "钱三,一组,1.38E+10", "孙四,二组,13800000004", `"周五,二组,13800000005`, "吴六,二组,13800000006"),
		want: "household 1 0 0 4",
		recs: []string{"group_name=二组 head_name=孙四 phone=13800000004"},
		bad:  map[int]string{2: "乱码", 3: "不配对", 4: "科学计数法", 6: "引号（\"）没有配对"},
	},
	{
		name: "a workbook of the old kind",
		file: "a.xls",
		make: func(testing.TB) []byte {
			return append([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), make([]byte, 2000)...)
		},
		fails: "另存为",
	},
	{
		name: "a workbook with a password",
		make: func(t testing.TB) []byte {
			b := newBook(t).rows(1, houseHead)
			buf, err := b.WriteToBuffer()
			b.do(err)
			raw, err := excelize.Encrypt(buf.Bytes(), &excelize.Options{Password: "x"})
			b.do(err)
			return raw
		},
		fails: "打开密码",
	},
	{
		name:  "a web page that calls itself .xls",
		file:  "a.xls",
		make:  func(testing.TB) []byte { return []byte("<html><table><tr><td>户主</td></tr></table></html>") },
		fails: "不是 .xlsx 或 .csv",
	},
	{
		name: "a workbook that was not copied whole",
		make: func(t testing.TB) []byte {
			raw := newBook(t).rows(1, houseHead, row("2001", "一组", "李大山", "13800000001")).bytes()
			return raw[:len(raw)/2]
		},
		fails: "没有拷贝完整",
	},
}

// Cells that would be formulas, and numbers of people, in the report of the rows.
func TestToldIsText(t *testing.T) {
	s := desk(t)
	raw := newBook(t).rows(1, row("户主", "组", "姓名", "身份证号", "与户主关系"), row("张三丰", "三组", "=cmd|'/C calc'!A0", "369999199001010000", "之子"), row("张三丰", "三组", "@张三", idA, "-1+1"), row("张三丰", "三组", "+刘妹", idB, "配偶")).bytes()
	dir := t.TempDir()
	told, err := NewToldFile(dir, form.Zh)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := takeTable(t, s, raw, TableOptions{Told: told.Told}); err != nil {
		t.Fatal(err)
	}
	name, err := told.Keep(dir + "/成员.xlsx")
	if err != nil || !strings.HasSuffix(name, "/成员-导入结果.xlsx") {
		t.Fatalf("%s, %v", name, err)
	}
	f, err := excelize.OpenFile(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := f.GetRows("导入结果")
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"行号", "结果", "说明", "户主", "组", "姓名", "身份证号", "与户主关系"},
		{"2", "未收", "D 列“身份证号”：证件号被 Excel 破坏（末位变成 000 或写成 E+），这一行没有收。请把这一列设为“文本”，按原件重新填写", "张三丰", "三组", "=cmd|'/C calc'!A0", "****0000", "之子"},
		{"3", "未收", "E 列“与户主关系”：", "张三丰", "三组", "@张三", "****" + idA[14:], "-1+1"},
		{"4", "新增", "", "张三丰", "三组", "+刘妹", "****" + idB[14:], "配偶"},
	}
	for i, w := range want {
		for j, cell := range w {
			if i >= len(rows) || j >= len(rows[i]) || !strings.HasPrefix(rows[i][j], cell) {
				t.Errorf("row %d has %q; want %q", i+1, rows, w)
				break
			}
		}
	}
	for _, at := range []string{"F2", "F3", "H3", "F4"} {
		if fx, err := f.GetCellFormula("导入结果", at); err != nil || fx != "" {
			t.Errorf("%s is a formula: %q, %v", at, fx, err)
		}
		id, err := f.GetCellStyle("导入结果", at)
		if err != nil {
			t.Fatal(err)
		}
		if xf := f.Styles.CellXfs.Xf[id]; xf.QuotePrefix == nil || !*xf.QuotePrefix {
			t.Errorf("%s becomes a formula when somebody edits it", at)
		}
	}
}

// What somebody chose is remembered for tables with these headings, and for no others.
func TestColumnsAreRemembered(t *testing.T) {
	s := desk(t)
	head := row("名儿", "几组", "电话", "爱好")
	first := newBook(t).rows(1, head, row("李大山", "一组", "13800000001", "钓鱼")).bytes()
	if _, err := takeTable(t, s, first, TableOptions{}); err == nil {
		t.Fatal("a table with one known column was taken")
	}
	choice := TableOptions{Options: table.Options{Type: "household", Map: map[string]string{"名儿": "head_name", "几组": "group_name", "爱好": "-"}}}
	// A table of one known column alone is no table yet: it is chosen from a preview.
	second := newBook(t).rows(1, row("户主", "几组", "电话", "爱好"), row("李大山", "一组", "13800000001", "钓鱼")).bytes()
	choice.Map = map[string]string{"几组": "group_name", "爱好": "-"}
	if rep, err := takeTable(t, s, second, choice); err != nil || rep.New != 1 {
		t.Fatalf("%+v, %v", rep.Report, err)
	}
	// The columns in another order, other rows, no type.
	third := newBook(t).rows(1, row("2017年"), row("电话", "户主", "爱好", "几组"), row("13800000002", "赵二", "下棋", "二组")).bytes()
	rep, err := takeTable(t, s, third, TableOptions{})
	if err != nil || rep.New != 1 || rep.Type != "household" {
		t.Fatalf("%+v, %v", rep.Report, err)
	}
	for _, c := range rep.Columns {
		if c.How != table.Recalled {
			t.Errorf("%s is known by %s", c.Heading, c.How)
		}
	}
	other := newBook(t).rows(1, row("电话", "户主", "爱好", "几组", "特长"), row("13800000002", "赵二", "下棋", "二组", "无")).bytes()
	if _, err := takeTable(t, s, other, TableOptions{}); !errors.Is(err, ErrColumns) {
		t.Errorf("other headings: %v", err)
	}
}

// A row that says something new of a record changes it; one that says what stands there
// does not, whoever wrote that.
func TestTableChangesRecords(t *testing.T) {
	s := desk(t)
	table1 := func(phone string) []byte {
		return newBook(t).rows(1, houseHead, row(nil, "四组", "李大山", phone)).bytes()
	}
	for i, want := range []string{"1 0 0", "0 0 1", "0 1 0", "0 0 1"} {
		phone := []string{"13800000001", "13800000001", "13800000002", "13800000002"}[i]
		look, err := takeTable(t, s, table1(phone), TableOptions{Preview: true})
		if err != nil || i == 2 && (len(look.Changes) != 1 || look.Changes[0] != (Bad{2, "电话 13800000001 → 13800000002"})) || i != 2 && len(look.Changes) > 0 {
			t.Errorf("%d: would change %v, %v", i, look.Changes, err)
		}
		rep, err := takeTable(t, s, table1(phone), TableOptions{})
		if got := fmt.Sprint(rep.New, rep.Changed, rep.Same); err != nil || got != want {
			t.Errorf("%d: %s, %v; want %s", i, got, err, want)
		}
	}
	// With its number it is still the same household.
	raw := newBook(t).rows(1, houseHead, row("3001", "四组", "李大山", "13800000002")).bytes()
	if rep, err := takeTable(t, s, raw, TableOptions{}); err != nil || rep.Changed != 1 {
		t.Errorf("%+v, %v", rep.Report, err)
	}
	// Another number is another household, though all else is the same.
	raw = newBook(t).rows(1, houseHead, row("3002", "四组", "李大山", "13800000002")).bytes()
	if rep, err := takeTable(t, s, raw, TableOptions{}); err != nil || rep.New != 1 {
		t.Errorf("%+v, %v", rep.Report, err)
	}
	d, err := s.Device()
	if err != nil {
		t.Fatal(err)
	}
	if !s.Exists("household", record.NumberedID(d.Numbers, "household", "369999000001", "3002")) {
		t.Error("a household with a number does not have the id that every laptop gives it")
	}
}

// A table that is cut off between two commits goes on where it was.
func TestTableCutOff(t *testing.T) {
	s := desk(t)
	b := newBook(t).rows(1, houseHead)
	for i := range 3 * batch {
		b.rows(i+2, row(fmt.Sprint(50_000+i), "一组", fmt.Sprintf("户%d", i), nil))
	}
	raw := b.bytes()
	ctx, cancel := context.WithCancel(t.Context())
	rep, err := Table(ctx, s, form.Builtin(), bytes.NewReader(raw), int64(len(raw)), TableOptions{Progress: func(int) { cancel() }})
	if !errors.Is(err, context.Canceled) || rep.New == 0 || rep.New == 3*batch {
		t.Fatalf("%+v, %v", rep.Report, err)
	}
	again, err := takeTable(t, s, raw, TableOptions{})
	if err != nil || again.New != 3*batch-rep.New || again.Same != rep.New {
		t.Errorf("%+v after %+v, %v", again.Report, rep.Report, err)
	}
}

// A row is about a record of its own village, whatever another village's are called.
func TestTableOfSeveralVillages(t *testing.T) {
	s := desk(t)
	if _, err := s.SetDevice(t.Context(), func(d *store.Device) {
		d.Assigned.Villages = append(d.Assigned.Villages, wire.Village{Code: "369999000002", Name: "张寨村"})
	}); err != nil {
		t.Fatal(err)
	}
	raw := newBook(t).rows(1, row("行政村", "户编号", "组", "户主"), row("张寨村", "1001", "三组", "张三丰"), row("369999000001", "1001", "三组", "张三丰")).bytes()
	rep, err := takeTable(t, s, raw, TableOptions{})
	if got := fmt.Sprint(rep.New, rep.Changed, rep.Same, rep.NotTaken); err != nil || got != "1 0 1 0" {
		t.Errorf("%s, %v, %+v", got, err, rep.Bad)
	}
	raw = newBook(t).rows(1, row("行政村", "户编号", "电话"), row("张寨村", "1001", "13800000001")).bytes()
	if rep, err := takeTable(t, s, raw, TableOptions{}); err != nil || rep.Changed != 1 {
		t.Errorf("%+v, %v", rep.Report, err)
	}
	// Which village it is must be said.
	raw = newBook(t).rows(1, row("户编号", "组", "户主"), row("1002", "三组", "李四")).bytes()
	if rep, err := takeTable(t, s, raw, TableOptions{}); err != nil || rep.NotTaken != 1 || !strings.Contains(rep.Bad[0].Text, "369999000002") {
		t.Errorf("%+v, %v", rep.Report, err)
	}
	if rep, err := takeTable(t, s, raw, TableOptions{Village: "369999000002"}); err != nil || rep.New != 1 {
		t.Errorf("%+v, %v", rep.Report, err)
	}
}

// One table is one set of records, wherever and how often it is imported; and its rows that
// say the same are as many records as rows. Of a record that was mended or declared void
// since, a laptop that imports the row that made it undoes nothing.
func TestOneTableOnTwoLaptops(t *testing.T) {
	head := row("走访日期", "走访情况", "诉求困难")
	raw := newBook(t).rows(1, head, row("2017-05-03", "屋顶漏水已报村里", nil), row("2017-05-03", "送去药品一盒", "想学养蜂"), row("2017-05-03", "屋顶漏水已报村里", nil)).bytes()
	turned := newBook(t).rows(1, row("五月走访"), row("诉求困难", "走访日期", "走访情况"), row("想学养蜂", "2017.5.3", "送去药品一盒"), row(nil, "2017.5.3", "屋顶漏水已报村里"), row(nil, "2017年5月3日", "屋顶漏水已报村里")).bytes()
	houses := newBook(t).rows(1, houseHead, row(nil, "四组", "李大山", "13800000001")).bytes()
	choice := TableOptions{Options: table.Options{Type: "visit"}}
	take := func(s *store.Store, raw []byte, o TableOptions, want string) TableReport {
		t.Helper()
		rep, err := takeTable(t, s, raw, o)
		if got := fmt.Sprint(rep.New, rep.Changed, rep.Same, rep.NotTaken); err != nil || got != want {
			t.Fatalf("%s, %v, %v; want %s", got, err, rep.Bad, want)
		}
		return rep
	}
	a, b := desk(t), desk(t)
	look := choice
	look.Preview = true
	take(a, raw, look, "3 0 0 0")
	take(a, raw, choice, "3 0 0 0")
	take(b, turned, choice, "3 0 0 0")
	take(b, raw, choice, "0 0 3 0")
	if of := ids(t, a, "visit"); len(of) != 3 || !maps.Equal(of, ids(t, b, "visit")) {
		t.Errorf("two laptops made %v and %v", of, ids(t, b, "visit"))
	}
	for _, s := range []*store.Store{a, b} {
		take(s, houses, TableOptions{}, "1 0 0 0")
	}
	for id := range ids(t, a, "household") {
		h, err := a.Get("household", id)
		if err != nil {
			t.Fatal(err)
		}
		if h.View.Fields["head_name"] == `"李大山"` && !b.Exists("household", id) {
			t.Error("a household without a number is two")
		}
	}

	// A third laptop has had the records by a sync: it knows none of the rows.
	c := desk(t)
	var mended record.ID
	for id := range ids(t, a, "visit") {
		v, err := a.Get("visit", id)
		if err != nil {
			t.Fatal(err)
		}
		e := store.Edit{Type: "visit", ID: id, Fields: v.View.Fields, Source: store.Import}
		if _, err := c.Save(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		e = store.Edit{Type: "visit", ID: id}
		if v.View.Fields["needs"] != "" {
			mended, e.Fields = id, map[string]record.Value{"needs": record.Text("想学养鱼")}
		} else {
			e.Void = "没有去"
		}
		if _, err := c.Save(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	// What was mended is told as that, not as unchanged, however often it is asked.
	for range 2 {
		rep := take(c, raw, choice, "0 0 2 0")
		said := ""
		for _, n := range rep.Noted {
			said += n.Text
		}
		if rep.Since != 1 || strings.Count(said, "已作废") != 2 || strings.Count(said, "后来改过") != 1 || !strings.Contains(rep.Words(form.Zh), "另有 1 行以前收过") {
			t.Errorf("of records that were changed since it says %+v, %s", rep.Noted, rep.Words(form.Zh))
		}
	}
	if v, err := c.Get("visit", mended); err != nil || v.View.Fields["needs"] != `"想学养鱼"` || len(v.View.Others)+len(v.View.Conflicts) > 0 {
		t.Errorf("what was mended since: %v, %v", v.View, err)
	}
}

// Lines are known by what they say as well, and by whom where they say that.
func TestOneFileOfLinesOnTwoLaptops(t *testing.T) {
	lines := `{"type":"visit","fields":{"findings":"屋顶漏水已报村里","visit_date":"2017-05-03"}}
{"type":"visit","author":"王","fields":{"findings":"屋顶漏水已报村里","visit_date":"2017-05-03"}}
{"type":"household","fields":{"household_no":"1002","head_name":"李大山"}}
{"type":"visit","fields":{"visit_date":"2017-05-03","findings":"屋顶漏水已报村里"}}
`
	var made []map[record.ID]bool
	for range 2 {
		s := desk(t)
		rep, err := JSONL(t.Context(), s, form.Builtin(), LineOptions{}, strings.NewReader(lines))
		if err != nil || rep.New != 3 || rep.Same != 1 {
			t.Fatalf("%+v, %v", rep, err)
		}
		made = append(made, ids(t, s, "visit"))
		d, err := s.Device()
		if err != nil || !s.Exists("household", record.NumberedID(d.Numbers, "household", "369999000001", "1002")) {
			t.Errorf("a household with a number does not have the id that every laptop gives it: %v", err)
		}
	}
	if !maps.Equal(made[0], made[1]) {
		t.Errorf("two laptops made %v", made)
	}
	// A line whose record was changed since is told as such; it is found by its number.
	s := desk(t)
	if _, err := JSONL(t.Context(), s, form.Builtin(), LineOptions{}, strings.NewReader(lines)); err != nil {
		t.Fatal(err)
	}
	d, err := s.Device()
	if err != nil {
		t.Fatal(err)
	}
	house := record.NumberedID(d.Numbers, "household", "369999000001", "1002")
	if _, err := s.Save(t.Context(), store.Edit{Type: "household", ID: house, Fields: map[string]record.Value{"head_name": record.Text("李二山")}}); err != nil {
		t.Fatal(err)
	}
	if rep, err := JSONL(t.Context(), s, form.Builtin(), LineOptions{}, strings.NewReader(lines)); err != nil || rep.Since != 1 || rep.Same != 3 || rep.New+rep.Changed != 0 {
		t.Errorf("one of four changed since: %+v, %v", rep, err)
	}
	if h, err := s.Get("household", house); err != nil || h.View.Fields["head_name"] != record.Text("李二山") {
		t.Errorf("what was changed since: %v, %v", h.View.Fields, err)
	}
}
