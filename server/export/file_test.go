package export_test

import (
	"bytes"
	"encoding/json"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"zhucun/server/export"
	"zhucun/server/store"
	"zhucun/shared/record"
)

// A workbook is one that others read: numbers are numbers, days are days, everything else
// is text with all its digits, and nothing is a formula.
func TestWorkbookIsRead(t *testing.T) {
	o := newOffice(t)
	o.households()
	var b bytes.Buffer
	if _, err := o.export.Write(t.Context(), &b, export.Order{Format: export.XLSX, Query: store.Query{Type: "household"}, Unmask: &export.Unmask{Who: "admin", Reason: "核对"}}); err != nil {
		t.Fatal(err)
	}
	x, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if got := strings.Join(x.GetSheetList(), " "); got != "贫困户台账 代码表" {
		t.Errorf("sheets: %s", got)
	}
	rows, err := x.GetRows("贫困户台账")
	if err != nil || len(rows) != 4 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, tt := range []struct {
		row        int
		head, want string
		kind       excelize.CellType
	}{
		{1, "银行账号", bank, excelize.CellTypeInlineString},
		{1, "户编号", "3699990000010001", excelize.CellTypeInlineString},
		{1, "耕地亩", "3.5", excelize.CellTypeUnset},
		{1, "识别日期", "2016-01-01", excelize.CellTypeUnset},
		{1, "贫困户属性", "低保贫困户", excelize.CellTypeInlineString},
		{1, "其他致贫原因", "缺劳力、缺技术", excelize.CellTypeInlineString},
		{2, "组", "=cmd|' /C calc'!A0", excelize.CellTypeInlineString},
		{2, "户主", "@SUM(1,2)", excelize.CellTypeInlineString},
		{2, "帮扶责任人", "+1+2", excelize.CellTypeInlineString},
		{3, "组", "引号\"逗号,分号;\n换行", excelize.CellTypeInlineString},
	} {
		col := 0
		for i, head := range rows[0] {
			if head == tt.head {
				col = i + 1
			}
		}
		at, err := excelize.CoordinatesToCellName(col, tt.row+1)
		if err != nil {
			t.Fatalf("%s: %v", tt.head, err)
		}
		got, _ := x.GetCellValue("贫困户台账", at)
		kind, _ := x.GetCellType("贫困户台账", at)
		formula, _ := x.GetCellFormula("贫困户台账", at)
		if got != tt.want || kind != tt.kind || formula != "" {
			t.Errorf("row %d, %s: %q of type %d, formula %q; want %q of %d", tt.row, tt.head, got, kind, formula, tt.want, tt.kind)
		}
	}
	if codes, err := x.GetRows("代码表"); err != nil || len(codes) < 30 || strings.Join(codes[1], " ") != "贫困户属性 poverty_attr general 一般贫困户" {
		t.Errorf("codes: %d, %q, %v", len(codes), codes[1], err)
	}
}

// Places are where they are, or where maps made in China have them.
func TestGeoJSON(t *testing.T) {
	o := newOffice(t)
	o.households()
	read := func(gcj bool, typ record.Type) (list []struct {
		Geometry   *struct{ Coordinates []float64 }
		Properties map[string]any
	}) {
		var all struct {
			Type     string
			Features json.RawMessage
		}
		if err := json.Unmarshal([]byte(o.write(export.Order{Format: export.GeoJSON, GCJ02: gcj, Query: store.Query{Type: typ}})), &all); err != nil || all.Type != "FeatureCollection" {
			t.Fatalf("%q, %v", all.Type, err)
		}
		if err := json.Unmarshal(all.Features, &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	plain, moved := read(false, "household"), read(true, "household")
	if len(plain) != 3 || plain[0].Geometry.Coordinates[0] != 114.2128 || plain[0].Geometry.Coordinates[1] != 29.1 || plain[2].Geometry != nil {
		t.Errorf("%+v", plain)
	}
	if plain[0].Properties["bank_account"] != "****0018" || plain[0].Properties["poverty_attr_label"] != "低保贫困户" || plain[0].Properties["location"] != nil {
		t.Errorf("%+v", plain[0].Properties)
	}
	east, north := moved[0].Geometry.Coordinates[0]-114.2128, moved[0].Geometry.Coordinates[1]-29.1
	if math.Abs(east) < 0.003 || math.Abs(east) > 0.008 || math.Abs(north) < 0.001 || math.Abs(north) > 0.005 {
		t.Errorf("moved by %f, %f", east, north)
	}
	if moved[1].Geometry.Coordinates[0] != -114.2 { // not in China
		t.Errorf("%+v", moved[1].Geometry)
	}
	if got := read(false, "visit"); len(got) != 0 {
		t.Errorf("of none: %+v", got)
	}
}

// However many records there are, a file takes the same memory.
func TestFlatMemory(t *testing.T) {
	o := newOffice(t)
	fields := map[string]string{"visit_date": "2017-05-20", "visit_mode": "入户", "findings": strings.Repeat("灶台已改好。", 30)}
	var peaks [2]map[export.Format]uint64
	for round, n := range []int{500, 4500} {
		var list []map[string]string
		for range n {
			list = append(list, fields)
		}
		o.put("visit", byte(10+round), list...)
		list = nil
		peaks[round] = map[export.Format]uint64{}
		for _, f := range export.Formats {
			w := &peak{}
			runtime.GC()
			var before runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := o.export.Write(t.Context(), w, export.Order{Format: f, Query: store.Query{Type: "visit"}}); err != nil {
				t.Fatal(err)
			}
			peaks[round][f] = max(w.top, before.HeapAlloc) - before.HeapAlloc
		}
	}
	for _, f := range export.Formats {
		if few, many := peaks[0][f], peaks[1][f]; many > few+2<<20 {
			t.Errorf("%s: %d KB of 500 visits, %d KB of 5,000", f, few>>10, many>>10)
		}
	}
}

// peak notes how much is in use while something is written, after what is garbage is gone.
type peak struct {
	top uint64
	n   int
}

func (p *peak) Write(b []byte) (int, error) {
	if p.n += len(b); p.n > 256<<10 {
		p.n = 0
		runtime.GC()
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		p.top = max(p.top, now.HeapAlloc)
	}
	return len(b), nil
}
