package web

import (
	"slices"

	"zhucun/shared/form"
	"zhucun/shared/record"
)

// listing says how the records of a type are listed: what somebody looks for in it.
// All names are of fields of the form, but for the columns that begin with "_".
type listing struct {
	// columns are the answers that a line shows, the first of which leads to the record.
	columns []string
	// day is the field by which records are dated: a date, or a year. The newest come
	// first, unless there is a duty.
	day string
	// choices are the fields by whose codes the list is narrowed down.
	choices []string
	// duty tells what is still to be seen to: it comes first, the most pressing above.
	duty duty
	sums []sum
}

// sum is what a list counts over all its lines: an amount, or without a field how many
// there are, for each code of the field by where there is one.
type sum struct{ field, by string }

// Columns that are no field.
const (
	colAuthors = "_authors" // who wrote the record
	colAssured = "_assured" // how many of the seven assurances an exit check found
	// What has come for a project, and what was paid out of it.
	colReceived = "_received"
	colPaid     = "_paid"
)

// listings is how each type is listed. A type that is not here shows its title and its
// first short answers.
var listings = map[record.Type]listing{
	"village":         {columns: []string{"data_year", "village_name", "village_type", "households", "population", "collective_income", "target_exit_year"}, day: "data_year"},
	teamType:          {columns: []string{"person_name", "team_role", "unit", "phone", "start_date", "end_date"}, day: "start_date", choices: []string{"team_role"}},
	householdType:     {columns: []string{"head_name", "group_name", "poverty_attr", "poverty_status", "house_risk", "helper_name"}, choices: []string{"poverty_attr", "poverty_status", "house_risk"}},
	personType:        {columns: []string{"full_name", "household", "relation", "birth_date", "school", "labour", "work_place"}, choices: []string{"school", "labour", "work_place", "change_type"}},
	incomeType:        {columns: []string{"household", "year", "members", "per_capita_net"}, day: "year"},
	measureType:       {columns: []string{"household", "year", "measure_type", "detail", "amount", "status", "confirmed_date"}, day: "year", choices: []string{"measure_type", "status"}, sums: []sum{{field: "amount"}}},
	visitType:         {columns: []string{"visit_date", "household", "visitors", "visit_mode", "visit_result", "findings"}, day: "visit_date", choices: []string{"visit_mode", "visit_result", "satisfaction"}},
	logType:           {columns: []string{"log_date", colAuthors, "activities", "content", "help_needed"}, day: "log_date"},
	attendanceType:    {columns: []string{"work_date", "half_day", "person", "attend", "leave_type", "approver"}, day: "work_date", choices: []string{"attend", "leave_type"}, sums: []sum{{by: "attend"}}},
	projectType:       {columns: []string{"project_name", "project_type", "stage", "percent", "plan_end", "approved", colReceived, colPaid}, choices: []string{"project_type", "stage"}, duty: duty{day: "plan_end", state: "stage", over: []string{"completed", "accepted", "transferred", "stopped"}}, sums: []sum{{field: "approved"}, {field: "invested"}}},
	fundType:          {columns: []string{"fund_date", "project", "direction", "amount", "fund_source", "doc_no", "payee"}, day: "fund_date", choices: []string{"direction", "fund_source"}, sums: []sum{{field: "amount", by: "direction"}}},
	issueType:         {columns: []string{"description", "owner", "due_date", "issue_status", "severity", "issue_source"}, choices: []string{"issue_status", "severity", "issue_source"}, duty: duties[issueType]},
	inspectionType:    {columns: []string{"inspect_date", "inspector", "inspect_mode", "on_post", "findings"}, day: "inspect_date", choices: []string{"inspect_mode"}},
	sampleType:        {columns: []string{"household", "inspection", "knows_team", "knows_measures", "satisfaction", "record_matches"}, choices: []string{"satisfaction", "record_matches"}},
	"support_item":    {columns: []string{"date", "description", "unit", "support_type", "value"}, day: "date", choices: []string{"support_type"}, sums: []sum{{field: "value", by: "support_type"}}},
	"education":       {columns: []string{"date", "topic", "fu_type", "attendees"}, day: "date", choices: []string{"fu_type"}, sums: []sum{{field: "attendees"}}},
	taskType:          {columns: []string{"target", "year", "owner", "due", "task_status"}, day: "year", choices: []string{"task_status"}, duty: duties[taskType]},
	"exit_check":      {columns: []string{"household", "year", colAssured, "household_signed", "verifier"}, day: "year"},
	noticeType:        {columns: []string{"title", "notice_kind", "sent_on", "read_by", "notice_state"}, day: "sent_on", choices: []string{"notice_kind", "notice_state"}},
	replyType:         {columns: []string{"reply_date", "unit", "content"}, day: "reply_date"},
	"indicator_value": {columns: []string{"indicator", "year", "value", "evidence", "checked_by"}, day: "year", choices: []string{"indicator"}},
}

// listingOf is how the records of a form are listed.
func listingOf(f *form.Form) listing {
	l, known := listings[f.Type]
	if known {
		return l
	}
	l.columns = slices.Clone(f.Titles)
	for _, fd := range f.Fields {
		short := fd.Kind == form.SelectOne || fd.Kind == form.RefOne || fd.Kind == form.Date || fd.Kind == form.Integer || fd.Kind == form.Decimal
		if short && !fd.Masked && !slices.Contains(l.columns, fd.Name) && len(l.columns) < maxColumns {
			l.columns = append(l.columns, fd.Name)
		}
	}
	return l
}

// maxColumns is how many answers a line has room for.
const maxColumns = 8
