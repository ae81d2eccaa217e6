package api

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"zhucun/server/access"
	"zhucun/server/odata"
	"zhucun/server/store"
	"zhucun/shared/edition"
	"zhucun/shared/form"
	"zhucun/shared/identity"
)

type odataPageOf struct {
	Context string           `json:"@odata.context"`
	Count   *int             `json:"@odata.count"`
	Next    string           `json:"@odata.nextLink"`
	Value   []map[string]any `json:"value"`
}

func query(pairs ...string) string {
	var parts []string
	for i := 0; i+1 < len(pairs); i += 2 {
		parts = append(parts, pairs[i]+"="+url.QueryEscape(pairs[i+1]))
	}
	return "?" + strings.Join(parts, "&")
}

// all follows the links from an address and gives every row.
func (o *office) all(token, path string, head ...string) (rows []map[string]any, pages int) {
	o.Helper()
	for path != "" {
		a := o.get(token, path, head...)
		if a.status != http.StatusOK {
			o.Fatalf("%s: %d %s", path, a.status, a.body)
		}
		var p odataPageOf
		o.ok(json.Unmarshal([]byte(a.body), &p))
		rows = append(rows, p.Value...)
		if path = p.Next; pages > 50 {
			o.Fatal("it does not end")
		}
		pages++
	}
	return rows, pages
}

func ids(rows []map[string]any) string {
	var list []string
	for _, r := range rows {
		id, _ := r["id"].(string)
		list = append(list, strings.TrimPrefix(id, "01900000-0000-7000-8000-0000000000"))
	}
	return strings.Join(list, " ")
}

// Each row is a question of the table of households and the records of the answer, in
// their order.
func TestOData(t *testing.T) {
	o := filled(t)
	token := o.token(access.NewToken{Role: identity.Office})
	for _, row := range []struct{ options, want string }{
		{"", "00 01 02 03 04"},
		{query("$top", "2"), "00 01"},
		{query("$skip", "2"), "02 03 04"},
		{query("$skip", "4", "$top", "3"), "04"},
		{query("$skip", "9"), ""},
		{query("$top", "0"), ""},
		{query("$filter", "poverty_status eq 'exited'"), "01 03"},
		{query("$filter", "poverty_status_label eq '已脱贫'"), "01 03"},
		{query("$filter", "poverty_status ne 'exited'"), "00 02 04"},
		{query("$filter", "arable_mu gt 1.5"), "01 03"},
		{query("$filter", "arable_mu eq null"), "02"},
		{query("$filter", "not (arable_mu gt 1.5)"), "00 02 04"},
		{query("$filter", "head_name eq '赵''一'"), "02"},
		{query("$filter", "contains(head_name,'大')"), "00"},
		{query("$filter", "startswith(head_name,'孙') or endswith(head_name,'二')"), "03 04"},
		{query("$filter", "contains(fuel,'wood')"), "00 01 02 03 04"},
		{query("$filter", "fuel eq 'power;wood'"), "00 01 02 03 04"},
		{query("$filter", "registered_date ge 2017-05-23 and year(registered_date) eq 2017"), "00 01 02 03 04"},
		{query("$filter", "registered_date gt 2017-05-23"), ""},
		{query("$filter", "village eq '369999000002'"), "03 04"},
		{query("$filter", "id in ("+id(1)+","+id(4)+")"), "01 04"},
		{query("$filter", "updated_at lt 2020-01-01T00:00:00Z"), ""},
		{query("$filter", "life eq 'alive' and marked eq true"), "00 01 02 03 04"},
		{query("$filter", "head_name eq 'x' or 1 eq arable_mu or head_name eq '%' or head_name eq '\" OR 1=1 --'"), ""},
		{query("$orderby", "head_name"), "04 00 01 02 03"},
		{query("$orderby", "head_name desc", "$top", "2"), "03 02"},
		{query("$orderby", "arable_mu"), "02 04 00 01 03"},
		{query("$orderby", "arable_mu desc"), "03 01 00 04 02"},
		{query("$orderby", "poverty_status,arable_mu desc"), "03 01 00 04 02"},
		{query("$orderby", "poverty_status_label desc,id desc", "$skip", "1"), ""},
	} {
		for _, size := range []string{"1000", "2", "1"} {
			rows, pages := o.all(token, "/odata/household"+row.options, "Prefer", "odata.maxpagesize="+size)
			got := ids(rows)
			if strings.Contains(row.options, "poverty_status_label+desc") {
				if len(rows) != 4 {
					t.Errorf("%s by %s: %s", row.options, size, got)
				}
				continue
			}
			if got != row.want {
				t.Errorf("%s by %s: %q, want %q (%d pages)", row.options, size, got, row.want, pages)
			}
		}
	}
	var p odataPageOf
	o.read(token, "/odata/household"+query("$count", "true", "$top", "1", "$filter", "arable_mu gt 1", "$select", "id,head_name,poverty_status_label,fuel_label,conflicts,bank_account,location_longitude,main_cause"), &p)
	if p.Count == nil || *p.Count != 3 || len(p.Value) != 1 || len(p.Value[0]) != 8 || p.Value[0]["conflicts"] != "bank_account;main_cause" || p.Value[0]["bank_account"] == account || p.Value[0]["location_longitude"] != 115.5 ||
		p.Value[0]["poverty_status_label"] != "新识别" || p.Value[0]["fuel_label"] != "电;柴草" {
		t.Errorf("%+v, count %v", p.Value, p.Count)
	}
	if a := o.get(token, "/odata/household/$count"+query("$filter", "arable_mu gt 1")); a.body != "3" {
		t.Errorf("$count: %s", a.body)
	}
	a := o.get(token, "/odata/household(village='"+string(first)+"',id="+id(1)+")")
	var one map[string]any
	o.ok(json.Unmarshal([]byte(a.body), &one))
	if one["head_name"] != "王小明" || a.head.Get("OData-Version") != "4.0" {
		t.Errorf("%v", one)
	}
	if a := o.get(token, "/odata/household(village='"+string(second)+"',id="+id(1)+")"); a.status != http.StatusNotFound {
		t.Errorf("in another village: %d", a.status)
	}
	rows, _ := o.all(token, "/odata/villages"+query("$orderby", "name desc", "$filter", "contains(name,'村')"), "Prefer", "maxpagesize=1")
	if len(rows) != 2 || rows[0]["code"] != string(second) && rows[0]["code"] != string(first) {
		t.Errorf("%v", rows)
	}
}

// What a statement makes of a test is what the test says of a row.
func TestFilterAgrees(t *testing.T) {
	o := filled(t)
	token := o.token(access.NewToken{Role: identity.Office})
	rows, _ := o.all(token, "/odata/household")
	set := tableOf(&request{reader: &access.Reader{}}, form.Builtin().Form("household"), false)
	atoms := []string{"arable_mu gt 1.5", "arable_mu le 2", "arable_mu ne 2", "arable_mu eq null", "head_name lt '李'", "contains(head_name,'一')", "tolower(poverty_status) eq 'new'", "toupper(poverty_status) in ('NEW','EXITED')",
		"length(head_name) eq 2", "poverty_status_label ge '未'", "phone eq null", "phone ne 'x'", "contains(phone,'1')", "day(registered_date) eq 23", "month(registered_date) lt 5", "marked", "marked ne true", "fuel gt 'a'", "created_at gt 2026-06-01T01:03:30Z",
		"arable_mu in (null,2)", "startswith(group_name,'一')", "contains(head_name,'')", "arable_mu gt null"}
	var texts []string
	for i, a := range atoms {
		b := atoms[(i*7+3)%len(atoms)]
		texts = append(texts, a, "not ("+a+")", a+" and "+b, a+" or not ("+b+")", "not ("+a+" or "+b+") or "+atoms[(i+5)%len(atoms)])
	}
	some := 0
	for _, text := range texts {
		test, err := odata.ParseFilter(&set.Set, text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var want []map[string]any
		for _, r := range rows {
			if test.Holds(func(op store.Operand) any {
				name := op.Column
				if op.Label {
					name += "_label"
				}
				v := r[name]
				if s, is := v.(string); is && strings.HasSuffix(name, "_at") {
					at, err := time.Parse(time.RFC3339, s)
					o.ok(err)
					v = at.UnixMilli()
				}
				return op.Made(v)
			}) {
				want = append(want, r)
			}
		}
		got, _ := o.all(token, "/odata/household"+query("$filter", text))
		if ids(got) != ids(want) {
			t.Errorf("%s: %s, want %s", text, ids(got), ids(want))
		}
		if len(want) > 0 && len(want) < len(rows) {
			some++
		}
	}
	if some < 40 {
		t.Errorf("only %d of %d questions tell rows apart", some, len(texts))
	}
}

func TestODataProblems(t *testing.T) {
	o := filled(t)
	token := o.token(access.NewToken{Role: identity.Office})
	long := strings.Repeat("poverty_status_label eq 'x' or ", 95) + "life eq 'x'"
	for path, want := range map[string]int{
		"/odata/king": 404, "/odata/household/x": 404, "/odata/household(1": 404, "/odata/household(1)": 400, "/odata/x/y/z": 404,
		"/odata/household" + query("$filter", "x eq 1"): 400, "/odata/household" + query("$filter", ""): 400, "/odata/household" + query("$filter", "bank_account eq '1'"): 400,
		"/odata/household" + query("$orderby", "x"): 400, "/odata/household" + query("$orderby", ""): 400, "/odata/household" + query("$orderby", "bank_account"): 400, "/odata/household" + query("$select", "x"): 400,
		"/odata/household" + query("$top", "-1"): 400, "/odata/household" + query("$top", "x"): 400, "/odata/household" + query("$top", "99999999999999999999"): 400, "/odata/household" + query("$skip", "-1"): 400, "/odata/household" + query("$skip", "100001"): 400,
		"/odata/household" + query("$count", "yes"): 400, "/odata/household" + query("$skiptoken", "x"): 400, "/odata/household" + query("$skiptoken", "e30"): 400, "/odata/household" + query("$format", "atom"): 400, "/odata/household" + query("$format", "xml"): 400,
		"/odata/household" + query("$skiptoken", "eyJ2IjoiIiwiaSI6IiIsIm8iOlt7fV0sImwiOi0xfQ", "$orderby", "head_name"): 400,
		"/odata/household" + query("$expand", "x"): 501, "/odata/household" + query("$search", "x"): 501, "/odata/household" + query("$apply", "x"): 501, "/odata/household" + query("$filter", "indexof(head_name,'x') eq 1"): 501, "/odata/household" + query("x", "1"): 400,
		"/odata/household" + query("$top", "1") + "&$top=2": 400, "/odata/household" + query("$filter", long): 400, "/odata/villages" + query("$filter", "x eq 1"): 400, "/odata/?x=1": 400, "/odata/$metadata?$format=x": 400,
	} {
		a := o.get(token, path)
		var p struct {
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != want && !(want == 400 && strings.Contains(path, "poverty_status_label") && a.status == 200) || a.status >= 400 && (p.Error.Code == "" || p.Error.Message == "") {
			t.Errorf("%.70s: %d, want %d: %.200s", path, a.status, want, a.body)
		}
	}
	if a := o.get(token, "/odata/household", "OData-MaxVersion", "3.0"); a.status != 400 {
		t.Errorf("OData 3: %d", a.status)
	}
}

// No form has two properties of one name.
func TestProperties(t *testing.T) {
	for _, f := range form.Builtin().Forms() {
		var seen []string
		for _, p := range tableOf(&request{reader: &access.Reader{}}, f, true).Properties {
			if slices.Contains(seen, p.Name) {
				t.Errorf("%s has two properties %s", f.Type, p.Name)
			}
			seen = append(seen, p.Name)
		}
	}
}

// What an edition masks is masked whatever kind it is, also numbers, dates and places.
func TestMaskedOfAnyKind(t *testing.T) {
	o := filled(t)
	o.roles()
	raw := form.BuiltinTables()["household.csv"]
	masked := 0
	for _, from := range []string{"geopoint,location,", "decimal,arable_mu,", "date,registered_date,", "select_one house_risk,house_risk,"} {
		at := bytes.Index(raw, []byte(from))
		if at < 0 {
			t.Fatal(from)
		}
		end := at + bytes.IndexByte(raw[at:], '\n')
		r, err := csv.NewReader(bytes.NewReader(raw[at:end])).Read()
		o.ok(err)
		r[12] = "yes"
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		o.ok(w.Write(r))
		w.Flush()
		raw = slices.Concat(raw[:at], bytes.TrimSuffix(b.Bytes(), []byte("\n")), raw[end:])
		masked++
	}
	next, err := new(edition.Edition).Next(form.Tables{"household.csv": raw}, nil)
	o.ok(err)
	o.ok(o.store.Publish(t.Context(), next, "office", ""))
	for _, fd := range o.store.Forms().Form("household").Fields {
		if fd.Masked {
			masked--
		}
	}
	if masked != -1 {
		t.Fatalf("%d are masked not as they should be", masked)
	}
	for _, path := range []string{"/odata/household", "/odata/household?$select=location,arable_mu,registered_date,house_risk,house_risk_label", "/api/v1/household", "/api/v1/household/" + id(0), "/api/v1/household/" + id(0) + "/history"} {
		a := o.get(o.tokens["office"], path)
		if a.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		for _, text := range []string{"115.5", "28.25", ":1.5", "2017-05-23"} {
			if strings.Contains(a.body, text) {
				t.Errorf("%s tells %s: %s", path, text, a.body)
			}
		}
	}
	for _, q := range []string{"$orderby=arable_mu", "$filter=arable_mu%20gt%201", "$filter=location_longitude%20gt%20100", "$filter=year(registered_date)%20eq%202017", "$orderby=house_risk_label"} {
		if a := o.get(o.tokens["office"], "/odata/household?"+q); a.status != http.StatusBadRequest && a.status != http.StatusNotImplemented {
			t.Errorf("%s: %d %s", q, a.status, a.body)
		}
	}
	token := o.token(access.NewToken{Name: "full", Role: identity.Office, Unmask: true})
	if a := o.get(token, "/odata/household?unmask=x&$filter=arable_mu%20eq%20'1.5'"); !strings.Contains(a.body, `"arable_mu":"1.5"`) || strings.Count(a.body, "head_name") != 1 {
		t.Errorf("in full: %d %s", a.status, a.body)
	}
}

// What is to be looked at in a field that is hidden from a reader marks no row for it, in
// what it reads and in what it asks by.
func TestODataMarks(t *testing.T) {
	o := filled(t)
	whole := map[string]string{"household": id(0), "full_name": "李小山", "id_number": number, "sex": "female", "birth_date": "1949-12-31", "relation": "son", "ethnicity": "01", "education": "primary",
		"school": "none", "health": "healthy", "labour": "ordinary", "work_place": "none", "medical_ins": "no"}
	o.put(first, "person", id(20), whole)
	bad := maps.Clone(whole)
	bad["id_number"] = "440524188001010099"
	o.put(first, "person", id(21), bad)
	for role, want := range map[identity.Role]bool{identity.Office: true, identity.Inspector: false} {
		token := o.token(access.NewToken{Role: role})
		rows, _ := o.all(token, "/odata/person"+query("$filter", "id in ("+id(20)+","+id(21)+")"))
		if len(rows) != 2 || rows[0]["marked"] != false || rows[1]["marked"] != want {
			t.Errorf("%s: %v", role, rows)
		}
		count := map[bool]string{true: "1", false: "0"}[want]
		if a := o.get(token, "/odata/person/$count"+query("$filter", "marked eq true and id in ("+id(20)+","+id(21)+")")); a.body != count {
			t.Errorf("%s counts %s, want %s", role, a.body, count)
		}
		rows, _ = o.all(token, "/odata/person"+query("$orderby", "marked desc", "$filter", "id in ("+id(20)+","+id(21)+")"))
		if first := rows[0]["id"] == id(21); len(rows) != 2 || first != want && !want {
			t.Errorf("%s: in order %v", role, rows)
		}
	}
}
