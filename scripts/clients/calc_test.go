package clients

import (
	"encoding/csv"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"zhucun/server/export"
	"zhucun/server/store"
	"zhucun/server/xlsform"
	"zhucun/shared/edition"
	"zhucun/shared/form"
)

// LibreOffice Calc opens each workbook that the office gives and reads in each cell what
// is to stand there: ID and bank numbers with all their digits, dates as dates, no text as
// a formula.
func TestCalc(t *testing.T) {
	soffice, err := exec.LookPath("soffice")
	if err != nil {
		t.Fatal("LibreOffice is missing; scripts/test installs it")
	}
	r := newRecords(t)
	r.put("visit", 9, map[string]string{"household": id + "0", "visit_date": "1949-10-01", "findings": `=HYPERLINK("http://evil.example","点")`, "needs": "+8613800000000", "promised": "-1+1", "visit_mode": "phone"})
	dir := t.TempDir()
	write := func(name string, to func(*os.File) error) {
		t.Helper()
		f, err := os.Create(filepath.Join(dir, name+".xlsx"))
		if err != nil {
			t.Fatal(err)
		}
		if err := to(f); err != nil {
			t.Fatal(name, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	e := export.New(r.store, r.access)
	for _, f := range form.Builtin().Forms() {
		write(string(f.Type), func(w *os.File) error {
			_, err := e.Write(t.Context(), w, export.Order{Format: export.XLSX, Query: store.Query{Type: f.Type}, Unmask: &export.Unmask{Who: "office", Reason: "核对"}})
			return err
		})
		write("form-"+string(f.Type), func(w *os.File) error {
			_, err := xlsform.WriteForm(w, &edition.Edition{}, f.Type)
			return err
		})
	}
	write("leaders", func(w *os.File) error {
		table := export.Leaders{Title: "各村一览", Rows: []export.LeadersRow{{Village: "清源村", Last: "2019-05-01"}}, Sum: "合计", Note: "数据截至 2019-05-31"}
		for n := range 19 {
			table.Columns = append(table.Columns, "第"+strconv.Itoa(n)+"列")
		}
		return table.Write(w)
	})
	write("template", func(w *os.File) error {
		book := excelize.NewFile()
		defer book.Close()
		if err := errors.Join(book.SetSheetRow("Sheet1", "A1", &[]string{"某厅农户情况表"}), book.SetSheetRow("Sheet1", "A2", &[]string{"户主", "银行账号", "识别日期", "耕地亩"})); err != nil {
			return err
		}
		blank, err := book.WriteToBuffer()
		if err != nil {
			return err
		}
		_, err = e.Fill(t.Context(), w, blank.Bytes(), export.Order{Query: store.Query{Type: "household"}, Unmask: &export.Unmask{Who: "office", Reason: "核对"}})
		return err
	})
	write("rules", func(w *os.File) error { return xlsform.WriteRules(w, &edition.Edition{}) })

	files, err := filepath.Glob(filepath.Join(dir, "*.xlsx"))
	if err != nil {
		t.Fatal(err)
	}
	// 44,34,76: commas, quotes, UTF-8; true: as it is shown; -1: each sheet in a file.
	cmd := exec.CommandContext(t.Context(), soffice, append([]string{"-env:UserInstallation=file://" + filepath.Join(dir, "profile"), "--headless", "--norestore", "--convert-to",
		"csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1", "--outdir", dir}, files...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cells, all := 0, map[string]bool{}
	for _, file := range files {
		book, err := excelize.OpenFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, sheet := range book.GetSheetList() {
			want, err := book.GetRows(sheet)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := os.ReadFile(strings.TrimSuffix(file, ".xlsx") + "-" + sheet + ".csv")
			if err != nil {
				t.Errorf("%s: %v", filepath.Base(file), err)
				continue
			}
			r := csv.NewReader(strings.NewReader(string(raw)))
			r.FieldsPerRecord = -1
			got, err := r.ReadAll()
			if err != nil {
				t.Errorf("%s, %s: %v", filepath.Base(file), sheet, err)
				continue
			}
			for i := range max(len(want), len(got)) {
				w, g := trimmed(want, i), trimmed(got, i)
				cells += len(w)
				for _, c := range g {
					all[filepath.Base(file)+" "+c] = true
				}
				if !slices.Equal(w, g) {
					t.Errorf("%s, %s, row %d: Calc reads\n%q\nwant\n%q", filepath.Base(file), sheet, i+1, g, w)
				}
			}
		}
		book.Close()
	}
	for _, want := range []string{"person.xlsx 11010519491231002X", "household.xlsx 6222020000000000018", "template.xlsx 6222020000000000018", "template.xlsx 2017-05-23", "household.xlsx 2017-05-23",
		"visit.xlsx 1949-10-01", `visit.xlsx =HYPERLINK("http://evil.example","点")`, "visit.xlsx +8613800000000", "visit.xlsx -1+1", "income.xlsx 12000.5", "household.xlsx 新识别", "leaders.xlsx 清源村"} {
		if !all[want] {
			t.Errorf("Calc reads no %s", want)
		}
	}
	t.Logf("%d workbooks, %d cells", len(files), cells)
}

func trimmed(rows [][]string, i int) []string {
	if i >= len(rows) {
		return nil
	}
	row := slices.Clone(rows[i])
	for len(row) > 0 && row[len(row)-1] == "" {
		row = row[:len(row)-1]
	}
	for j := range row {
		row[j] = strings.ReplaceAll(row[j], "\r\n", "\n")
	}
	return row
}
