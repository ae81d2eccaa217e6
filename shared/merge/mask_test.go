package merge

import (
	"strings"
	"testing"

	"zhucun/shared/form"
	"zhucun/shared/record"
)

// An answer of the team to a question about a masked field is masked in the history too.
func TestMaskAnswers(t *testing.T) {
	const number = "11010519491231002X"
	at := record.Path("id_number").Asking()
	j := JSON{History: []Event{{Set: map[record.Path]record.Value{
		"id_number":   record.Text(number),
		"full_name":   `"李大山"`,
		at:            valueOf(asked{Words: "是 " + number + " 吗"}),
		at.Proposal(): valueOf(answer{Value: record.Text(number), Words: number + "，见户口簿"}),
	}}}}
	j.Mask(form.Builtin().Form("person"))
	for p, v := range j.History[0].Set {
		if strings.Contains(string(v), number) {
			t.Errorf("%s tells %s", p, v)
		}
	}
	if v := j.History[0].Set["full_name"]; v != `"李大山"` {
		t.Errorf("the name is %s", v)
	}
}
