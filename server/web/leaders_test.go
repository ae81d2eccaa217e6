package web

import (
	"bytes"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"zhucun/server/store"
	"zhucun/shared/figure"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// cells gives the cells of a village's line in the table of a page.
func cells(t *testing.T, body, village string) []string {
	t.Helper()
	_, row, ok := strings.Cut(body, ">"+village+"</a>")
	if !ok {
		t.Fatalf("%s has no line", village)
	}
	row, _, _ = strings.Cut(row, "</tr>")
	var list []string
	for _, m := range regexp.MustCompile(`(?s)<td[^>]*>(.*?)</td>`).FindAllStringSubmatch(row, -1) {
		list = append(list, strings.TrimSpace(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(m[1], "")))
	}
	return list
}

// Of the villages at a glance leaders see figures and nobody's name, a sponsor unit its
// own village; the workbook says what the page says.
func TestLeaders(t *testing.T) {
	f := filled(t)
	f.account(identity.SponsorUnit)
	leader, sponsor := f.as("leader"), f.as("sponsor_unit")
	// The file comes first, before anybody has worked a figure out: it has them all the same.
	file := sponsor.get("/leaders.xlsx?month=2024-12")
	page := leader.get("/leaders?month=2024-12")
	one := leader.get("/figures/" + string(small[0].Code) + "?month=2024-12")
	if page.status != http.StatusOK || one.status != http.StatusOK {
		t.Fatalf("a leader gets %d and %d", page.status, one.status)
	}
	row := cells(t, page.body, small[0].Name)
	if len(row) != 18 || row[1] != "18" {
		t.Errorf("the line is %q", row)
	}
	if !strings.Contains(one.body, row[6]) {
		t.Errorf("the coverage is %s in the table and not on the village's page", row[6])
	}
	for _, name := range f.teams {
		if strings.Contains(page.body+one.body, name) {
			t.Errorf("a leader sees the name %s", name)
		}
	}
	if office := f.as("office").get("/figures/" + string(small[0].Code) + "?month=2024-12"); !strings.Contains(office.body, f.teams[f.first(small[0].Code, "team_post", 0).ID.String()]) {
		t.Error("the office does not see whose attendance it is")
	}
	if own := sponsor.get("/leaders?month=2024-12"); !strings.Contains(own.body, small[0].Name) || strings.Contains(own.body, small[1].Name) {
		t.Error("a sponsor unit sees other villages than its own")
	}
	for _, path := range []string{"/figures/" + string(small[1].Code), "/figures/369999009999"} {
		if a := sponsor.get(path); a.status != http.StatusNotFound {
			t.Errorf("a sponsor unit at %s: %d", path, a.status)
		}
	}
	for _, month := range []string{"2025-02", "2024-13", "x", "2024", "0000-01"} {
		if a := leader.get("/leaders?month=" + month); a.status != http.StatusBadRequest {
			t.Errorf("the month %s: %d", month, a.status)
		}
	}

	book, err := excelize.OpenReader(bytes.NewReader([]byte(file.body)))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	rows, err := book.GetRows("Sheet1")
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 5 || rows[2][0] != small[0].Name || rows[3][0] != "合计" {
		t.Fatalf("the workbook: %q", rows)
	}
	for i, want := range row {
		if i == 14 { // how many, and not of how many
			want, _, _ = strings.Cut(want, "/")
		}
		got := ""
		if i+1 < len(rows[2]) {
			got = rows[2][i+1]
		}
		if got != want {
			t.Errorf("%s is %q on the page and %q in the workbook", rows[1][i+1], want, got)
		}
	}
	if kind, err := book.GetCellType("Sheet1", "C3"); err != nil || kind == excelize.CellTypeSharedString || kind == excelize.CellTypeInlineString {
		t.Errorf("a count is a cell of type %v, %v", kind, err)
	}
}

// Amounts are of fen, whatever a sum of many has come to.
func TestAmount(t *testing.T) {
	tenths := 0.0
	for range 10 {
		tenths += 0.1
	}
	for yuan, want := range map[float64]string{
		0: "0", 1: "1", 12800: "12,800", 0.5: "0.50", 1234567.8: "1,234,567.80", 99.05: "99.05", -12.5: "-12.50", -0.01: "-0.01", -3000: "-3,000",
		tenths: "1", 1999.9999999: "2,000", -0.999999: "-1", -0.001: "0",
	} {
		if got := amount(yuan); got != want {
			t.Errorf("%v yuan are %s, want %s", yuan, got, want)
		}
	}
}

// A month that is over can be closed, once; what comes later is taken, is shown where
// months are not closed, and changes nothing in the month.
func TestCloseMonth(t *testing.T) {
	f := filled(t)
	office, v := f.as("office"), small[0].Code
	page := office.get("/leaders?month=2024-12")
	before := cells(t, page.body, small[0].Name)
	for month, want := range map[string]int{"2025-01": http.StatusBadRequest, "2025-02": http.StatusBadRequest, "": http.StatusBadRequest, "12": http.StatusBadRequest} {
		if a := office.post("/leaders/close", page, url.Values{"month": {month}}); a.status != want {
			t.Errorf("closing %q: %d", month, a.status)
		}
	}
	if a := office.post("/leaders/close", page, url.Values{"month": {"2024-12"}}); a.status != http.StatusOK || !strings.Contains(a.body, "封存") {
		t.Fatalf("closing: %d", a.status)
	}
	if a := office.post("/leaders/close", page, url.Values{"month": {"2024-12"}}); a.status != http.StatusConflict {
		t.Errorf("closing it again: %d", a.status)
	}
	page = office.get("/leaders?month=2024-12")
	if strings.Contains(page.body, `action="/leaders/close"`) || strings.Contains(page.body, "后有") {
		t.Error("what is closed can be closed, or has later data")
	}
	live := func() float64 {
		t.Helper()
		month, err := figure.MonthOf("2024-12", "2025-01-09")
		if err != nil {
			t.Fatal(err)
		}
		tables, err := f.store.Figures(t.Context(), store.FigureQuery{Periods: []figure.Period{month}, Patience: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		return tables[0].Rows[0].Coverage.Part
	}
	was, coverage := live(), cells(t, office.get("/coverage?month=2024-12").body, small[0].Name)

	// A visit of the month to a household that had none.
	l := f.laptop("晚到的", identity.TeamMember, v)
	var late record.Change
	village, err := f.store.VillageFigures(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	due := village.Overdue("2025-01-08")
	if len(due) == 0 {
		t.Fatal("everybody was visited")
	}
	late = l.change(record.Key{Village: v, Type: "visit", ID: record.ID{1: 7, 6: 0x70, 8: 0x80}}, nil, map[string]string{
		"household": due[0].Household.String(), "visit_date": "2024-12-20", "visit_mode": "home", "visit_result": "met", "findings": "补录的走访"})
	l.send(v, late)

	page = office.get("/leaders?month=2024-12")
	after := cells(t, page.body, small[0].Name)
	for i := range after[:15] {
		if after[i] != before[i] {
			t.Errorf("after closing, column %d is %q and was %q", i, after[i], before[i])
		}
	}
	if !strings.Contains(page.body, "后有") || !strings.Contains(page.body, "有 1 个村又来了数据") {
		t.Error("nobody says that there is later data")
	}
	if now := live(); now != was+1 {
		t.Errorf("of the records as they are %v households were visited, and %v before", now, was)
	}
	if now := cells(t, office.get("/coverage?month=2024-12").body, small[0].Name); now[1] != coverage[1] {
		t.Errorf("the closed month has other figures on the page of coverage: %q, before %q", now, coverage)
	}
	if sum := f.everything(); !strings.Contains(sum, "close") {
		t.Error("closing is not in the audit")
	}
}
