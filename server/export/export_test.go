package export_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"zhucun/server/access"
	"zhucun/server/export"
	"zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

const village = record.Village("369999000001")

// office is a store that is the same at every run: keys, times and salts.
type office struct {
	t testing.TB
	*store.Store
	export *export.Export
	now    time.Time
}

func newOffice(t testing.TB) *office {
	t.Helper()
	o := &office{t: t, now: time.Date(2017, 5, 23, 9, 0, 0, 0, time.UTC)}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	var err error
	o.Store, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "zhucun.db"),
		store.Options{Key: key, Now: func() time.Time { return o.now }, Random: rand.NewChaCha8([32]byte{})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	if err := o.AddVillage(t.Context(), store.Village{Code: village, Name: "试验村"}); err != nil {
		t.Fatal(err)
	}
	o.export = export.New(o.Store, access.New(o.Store))
	return o
}

// put makes records, each of fields as typed.
func (o *office) put(typ record.Type, first byte, list ...map[string]string) (ids []record.ID) {
	o.t.Helper()
	f := form.Builtin().Form(typ)
	w := merge.Writer{Author: "办公室", Role: identity.Office}
	err := o.Desk(context.Background(), village, func(d *store.Desk) error {
		for i, fields := range list {
			values := map[string]record.Value{}
			for name, typed := range fields {
				v, err := f.Field(name).CanonText(typed)
				if err != nil {
					return err
				}
				values[name] = v
			}
			id := record.ID{0: first, 6: 0x70, 8: 0x80, 14: byte(i >> 8), 15: byte(i)}
			body, err := merge.Compose(f, nil, nil, w, values)
			if err != nil {
				return err
			}
			body = append(body, record.Write{Path: record.Source, Value: record.Text("import")})
			record.SortBody(body)
			if _, err := d.Write(record.Change{Record: id, Type: typ, Author: w.Author, Body: body}); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return ids
}

const bank = "6228480402564890018"

func (o *office) households() []record.ID {
	return o.put("household", 1,
		map[string]string{"household_no": "3699990000010001", "group_name": "东组", "head_name": "王大山", "phone": "13800138000", "location": "114.2128,29.1",
			"poverty_attr": "低保贫困户", "poverty_status": "未脱贫", "registered_date": "2016-01-01", "main_cause": "因病", "other_causes": "缺技术;缺劳力",
			"bank_account": bank, "arable_mu": "3.50", "house_risk": "C级", "water_safe": "是", "fuel": "柴草、电"},
		// What people write and a spreadsheet would run.
		map[string]string{"group_name": "=cmd|' /C calc'!A0", "head_name": "@SUM(1,2)", "helper_name": "+1+2", "location": "-114.2,29.1"},
		map[string]string{"group_name": "引号\"逗号,分号;\n换行", "head_name": "＝1+1", "helper_name": "-3", "helper_phone": "+8613800138000",
			"arable_mu": "-2"})
}

// stand writes values of a register that had not seen each other.
func (o *office) stand(typ record.Type, id record.ID, path record.Path, values ...record.Value) {
	o.t.Helper()
	for _, v := range values {
		if err := o.Desk(o.t.Context(), village, func(d *store.Desk) error {
			_, err := d.Write(record.Change{Record: id, Type: typ, Author: "王", Body: []record.Write{{Path: path, Value: v}}})
			return err
		}); err != nil {
			o.t.Fatal(err)
		}
	}
}

func (o *office) write(order export.Order) string {
	o.t.Helper()
	var b bytes.Buffer
	if _, err := o.export.Write(o.t.Context(), &b, order); err != nil {
		o.t.Fatal(err)
	}
	if order.Format != export.XLSX {
		return b.String()
	}
	// What is packed is looked at unpacked.
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		o.t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			o.t.Fatal(err)
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			o.t.Fatal(err)
		}
		fmt.Fprintf(&all, "== %s\n%s\n", f.Name, strings.ReplaceAll(string(raw), "</row>", "</row>\n"))
	}
	return all.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func TestGolden(t *testing.T) {
	o := newOffice(t)
	ids := o.households()
	o.now = o.now.Add(time.Hour)
	o.stand("household", ids[2], "head_name", record.Text("张山"), record.Text("张珊"))
	o.stand("household", ids[2], record.Path("poverty_status").Proposal(), record.Text("exited"))
	o.put("visit", 2, map[string]string{"household": ids[0].String(), "visit_date": "2017-05-20", "visit_mode": "入户", "visit_result": "见到户主",
		"visit_purpose": "经常走访、慰问", "findings": "灶台已改好", "knows_team": "是"})
	o.put("income", 3, map[string]string{"household": ids[0].String(), "year": "2016", "wage": "20000", "business": "5000", "property": "0", "dibao_income": "0",
		"pension_income": "1200", "eco_income": "300", "other_transfer": "0", "business_cost": "1500", "members": "4"})
	for _, typ := range []record.Type{"household", "visit", "income"} {
		for _, f := range export.Formats {
			name := fmt.Sprintf("%s.%s", typ, f)
			if f == export.XLSX {
				name += ".txt" // unpacked
			}
			golden(t, name, o.write(export.Order{Format: f, Query: store.Query{Type: typ}}))
		}
	}
}

// The csv is one that a reader of csv reads: every value is as it was, but for
// the mark before what would be a formula.
func TestCSVIsRead(t *testing.T) {
	o := newOffice(t)
	o.households()
	raw, found := strings.CutPrefix(o.write(export.Order{Format: export.CSV, Query: store.Query{Type: "household"}}), "\ufeff")
	// The header and three rows end with CRLF, the line breaks in the cells are
	// as they were written.
	if !found || strings.Count(raw, "\r\n") != 4 || !strings.HasSuffix(raw, "\r\n") || !strings.Contains(raw, "分号;\n换行") {
		t.Errorf("no byte order mark, or lines that do not end as they should: %q", raw)
	}
	rows, err := csv.NewReader(strings.NewReader(raw)).ReadAll()
	if err != nil || len(rows) != 4 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	cell := func(row int, name string) string {
		for i, head := range rows[0] {
			if head == name {
				return rows[row][i]
			}
		}
		t.Fatalf("no column %s in %v", name, rows[0])
		return ""
	}
	tests := []struct {
		row        int
		name, want string
	}{
		{1, "village", string(village)},
		{1, "life", "alive"},
		{1, "updated_at", "2017-05-23T09:00:00.000Z"},
		{1, "head_name", "王大山"},
		{1, "poverty_attr", "dibao"},
		{1, "poverty_attr_label", "低保贫困户"},
		{1, "other_causes", "labour;skill"},
		{1, "other_causes_label", "缺劳力、缺技术"},
		{1, "fuel", "power;wood"},
		{1, "location", "114.2128,29.1"},
		{1, "arable_mu", "3.5"},
		{1, "bank_account", "****0018"},
		{1, "forest_mu", ""},
		{2, "group_name", "'=cmd|' /C calc'!A0"},
		{2, "head_name", "'@SUM(1,2)"},
		{2, "helper_name", "'+1+2"},
		{2, "location", "'-114.2,29.1"},
		{3, "group_name", "引号\"逗号,分号;\n换行"},
		{3, "head_name", "'＝1+1"},
		{3, "helper_name", "'-3"}, // a text all the same
		{3, "helper_phone", "'+8613800138000"},
		{3, "arable_mu", "-2"},
	}
	for _, tt := range tests {
		if got := cell(tt.row, tt.name); got != tt.want {
			t.Errorf("row %d, %s: %q; want %q", tt.row, tt.name, got, tt.want)
		}
	}
	// A file of nothing has its header all the same.
	if got := o.write(export.Order{Format: export.CSV, Query: store.Query{Type: "visit"}}); !strings.HasPrefix(got, "\ufeffvillage,id,life,updated_at,household,") || strings.Count(got, "\r\n") != 1 {
		t.Errorf("a csv of no records is %q", got)
	}
}

// The last two columns say which fields of a row nobody has settled.
func TestCSVUnsettled(t *testing.T) {
	o := newOffice(t)
	ids := o.households()
	o.stand("household", ids[0], "group_name", record.Text("西组"))
	o.stand("household", ids[0], "bank_account", record.Text("1111222233334444"))
	o.stand("household", ids[0], record.Path("poverty_attr").Proposal(), record.Text("wubao")) // beside what stands
	o.stand("household", ids[1], record.Path("poverty_attr").Proposal(), record.Text("wubao"))
	o.stand("household", ids[1], record.Path("poverty_status").Proposal(), record.Text("exited"))
	o.stand("household", ids[2], record.Life, merge.State{}.Void("重复")) // beside values it had not seen
	rows, err := csv.NewReader(strings.NewReader(o.write(export.Order{Format: export.CSV, Query: store.Query{Type: "household"}}))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{{"proposed", "conflicts"}, {"", "bank_account;group_name"}, {"poverty_attr;poverty_status", ""}, {"", "life"}} {
		if got := rows[i][len(rows[i])-2:]; !slices.Equal(got, want) {
			t.Errorf("row %d: %q, want %q", i, got, want)
		}
	}
}

func TestMaskAndReason(t *testing.T) {
	o := newOffice(t)
	o.households()
	q := store.Query{Type: "household", Villages: []record.Village{village}, Where: []store.Condition{{Field: "poverty_attr", Value: "dibao"}}}
	for _, f := range export.Formats {
		if got := o.write(export.Order{Format: f, Query: q}); strings.Contains(got, bank) || !strings.Contains(got, "****0018") {
			t.Errorf("%s: not masked:\n%s", f, got)
		}
		if got := o.write(export.Order{Format: f, Query: q, Unmask: &export.Unmask{Who: "admin", Reason: "发放补助"}}); !strings.Contains(got, bank) {
			t.Errorf("%s: not in full:\n%s", f, got)
		}
	}
	if notes, err := o.Audits(t.Context(), store.AuditQuery{Act: "masked", Limit: 9}); err != nil || len(notes) != len(export.Formats) {
		t.Errorf("exports that are masked: %+v, %v", notes, err)
	}
	notes, err := o.Audits(t.Context(), store.AuditQuery{Act: "export", Limit: 9})
	if err != nil || len(notes) != len(export.Formats) || notes[0].Act != "export" || notes[0].Reason != "发放补助" || notes[0].Subject != "household 369999000001 poverty_attr=dibao" {
		t.Errorf("audit %+v, %v", notes, err)
	}
	var b bytes.Buffer
	if _, err := o.export.Write(t.Context(), &b, export.Order{Format: export.CSV, Query: q, Unmask: &export.Unmask{Who: "admin"}}); !errors.Is(err, export.ErrReason) || b.Len() > 0 {
		t.Errorf("without a reason: %v, %d bytes", err, b.Len())
	}
}

// Each row is a condition of an export in full and what the audit has of it.
func TestAuditSubject(t *testing.T) {
	o := newOffice(t)
	o.households()
	for _, tt := range []struct{ field, value, want string }{
		{"bank_account", bank, "household bank_account=****0018"},
		{"bank_acount", bank, "household bank_acount=****0018"}, // refused, and noted before
		{"bank_account", "018", "household bank_account=****"},
		{"poverty_attr", "dibao", "household poverty_attr=dibao"},
		{"life", "alive", "household life=alive"},
	} {
		q := store.Query{Type: "household", Where: []store.Condition{{Field: tt.field, Value: tt.value}}}
		o.now = o.now.Add(time.Second)
		o.export.Write(t.Context(), io.Discard, export.Order{Format: export.CSV, Query: q, Unmask: &export.Unmask{Who: "admin", Reason: "核对"}})
		notes, err := o.Audits(t.Context(), store.AuditQuery{Limit: 1})
		if err != nil || len(notes) != 1 || notes[0].Subject != tt.want {
			t.Errorf("%s=%s: %+v, %v; want %s", tt.field, tt.value, notes, err, tt.want)
		}
	}
}

// A conflict in a masked field shows four characters of each value.
func TestMaskedConflict(t *testing.T) {
	o := newOffice(t)
	ids := o.households()
	o.stand("household", ids[0], "bank_account", record.Text("1111222233334444"), record.Text("5555666677778888"))
	line, _, _ := strings.Cut(o.write(export.Order{Format: export.JSONL, Query: store.Query{Type: "household"}}), "\n")
	var j struct {
		Conflicts map[string][]struct{ Value string }
	}
	if err := json.Unmarshal([]byte(line), &j); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(j.Conflicts); got != "map[bank_account:[{****0018} {****4444} {****8888}]]" {
		t.Errorf("conflicts %s", got)
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "out.csv")
	write := func(text string, err error) error {
		return export.File(file, func(w io.Writer) error {
			if _, werr := io.WriteString(w, text); werr != nil {
				return werr
			}
			return err
		})
	}
	if err := write("one", nil); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("half way")
	if err := write("tw", failed); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
	if b, err := os.ReadFile(file); string(b) != "one" || err != nil {
		t.Errorf("after a failure the file holds %q, %v", b, err)
	}
	if err := write("three", nil); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(file); string(b) != "three" {
		t.Errorf("the file holds %q", b)
	}
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		t.Errorf("%d files are left", len(list))
	}
	// Errors name the file that was asked for, not the one that is written first.
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{folder, filepath.Join(dir, "none", "out.csv")} {
		var path *fs.PathError
		if err := export.File(name, func(io.Writer) error { return nil }); !errors.As(err, &path) || path.Path != name || strings.Contains(err.Error(), ".export-") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFormats(t *testing.T) {
	for _, name := range []string{"xls", "stata", "CSV", ""} {
		if _, err := export.ParseFormat(name); err == nil || !strings.Contains(err.Error(), "jsonl, csv") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Memory does not grow with the number of records.
func TestMemory(t *testing.T) {
	o := newOffice(t)
	peak := func() uint64 {
		var most uint64
		n := 0
		w := writerFunc(func(p []byte) (int, error) {
			if n++; n%4 == 0 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
			return len(p), nil
		})
		if _, err := o.export.Write(t.Context(), w, export.Order{Format: export.JSONL, Query: store.Query{Type: "visit"}}); err != nil {
			t.Fatal(err)
		}
		return most
	}
	fill := func(first byte, n int) {
		var list []map[string]string
		for range n {
			list = append(list, map[string]string{"visit_date": "2017-05-20", "findings": strings.Repeat("灶台已改好", 60)})
		}
		o.put("visit", first, list...)
	}
	fill(2, 600)
	few := peak()
	for first := byte(3); first < 9; first++ {
		fill(first, 1000)
	}
	if many := peak(); many > few+few/2+4<<20 {
		t.Errorf("%d KiB for 600 records, %d KiB for 6600", few>>10, many>>10)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
