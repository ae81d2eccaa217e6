package store

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

const issueType = record.Type("issue")

// birth says of a type whose answers give rise to issues what these get from the
// record: where they come from (a code of the issue's source), on which of its days
// they were found and are due, and what they are about where the answer does not say.
type birth struct{ source, found, due, topic string }

var births = map[record.Type]birth{
	"visit":    {source: "visit", found: "visit_date", due: "follow_up"},
	"work_log": {source: "self", found: "log_date"},
	"person":   {source: "self", topic: "education"},
}

// born writes the issues that a save gives rise to, in its transaction: one for each
// answer that was given or changed, under the id that follows from the record and the
// answer, so that a form that is saved twice, or on two laptops, makes one. Words that
// are mended later are mended in the issue as long as it still says what was written
// first. What is taken out of the form leaves its issue: somebody may be at work on it.
// What is asked for again once that is closed or void is the answer's next issue, under
// an id that follows as well; so is what is asked for in other words after it was taken out.
//
// The number, who sees to it and until when are the office's to say; of these only
// what the record tells is proposed. An author who may not write issues makes none.
func (t *tx) born(f *form.Form, k record.Key, author string, before, after merge.View) (keys []record.Key, err error) {
	d, err := t.dev()
	if err != nil {
		return nil, err
	}
	issue := t.s.forms.Form(issueType)
	if issue == nil || f.Type == issueType || merge.Permit(issue, issueType, nil, merge.Writer{Author: author, Role: d.Assigned.Role}, nil) != nil {
		return nil, nil
	}
	clk, err := t.time()
	if err != nil {
		return nil, err
	}
	today := time.UnixMilli(t.s.opt.Wall() + clk.Skew).In(beijing).Format(time.DateOnly)
	old := f.Issues(before.Fields, today)
	for _, path := range f.Issues(after.Fields, today) {
		name, element := path.Field()
		was := slices.Contains(old, path)
		if was && (element != "" || before.Fields[name] == after.Fields[name]) {
			continue
		}
		e := Edit{Village: k.Village, Type: issueType, Author: author}
		words := record.Text(t.describe(f, path, after))
		made, err := t.issues(k.ID, path)
		if err != nil {
			return nil, err
		}
		// The first that is still open, and about this.
		i := slices.IndexFunc(made, func(r Record) bool {
			return !r.settled() && (was || element != "" || r.View.Fields["description"] == words)
		})
		switch {
		case i < 0:
			e.ID = issueID(k.ID, path, len(made)+1)
			e.Fields = t.issue(issue, f, path, after, author, today)
		case was && made[i].View.Fields["description"] == record.Text(t.describe(f, path, before)):
			e.ID, e.Fields = made[i].Key.ID, map[string]record.Value{}
		default:
			continue
		}
		e.Fields["description"] = words
		done, err := t.save(&e)
		if err != nil {
			return nil, err
		}
		keys = append(keys, done.Key)
	}
	return keys, nil
}

// issueID is the id of the nth issue of an answer.
func issueID(parent record.ID, path record.Path, n int) record.ID {
	if n > 1 {
		path += record.Path("#" + strconv.Itoa(n))
	}
	return record.DerivedID(parent, path)
}

// issues gives the issues that an answer gave rise to, in the order of their ids.
func (t *tx) issues(parent record.ID, path record.Path) (made []Record, err error) {
	for {
		v, k, err := t.find(issueType, issueID(parent, path, len(made)+1))
		if errors.Is(err, ErrNotFound) {
			return made, nil
		}
		if err != nil {
			return nil, err
		}
		r, err := v.mustLoad(k.Type, k.ID)
		if err != nil {
			return nil, err
		}
		made = append(made, r)
	}
}

// Issues gives the issues that an answer of a record gave rise to, the first one first.
func (s *Store) Issues(parent record.ID, path record.Path) (made []Record, err error) {
	err = s.view(func(t *tx) error {
		made, err = t.issues(parent, path)
		return err
	})
	return made, err
}

// settled tells an issue that nobody is at work on any more. One that somebody has
// closed and somebody else has not stays open until that is decided.
func (r *Record) settled() bool {
	v := &r.View
	return r.Gone || v.Void || v.Fields["issue_status"] == record.Text("closed") && len(v.Conflicts["issue_status"]) == 0
}

// issue gives what a new issue says beside its description.
func (t *tx) issue(issue, f *form.Form, path record.Path, view merge.View, author, today string) map[string]record.Value {
	b := births[f.Type]
	fields := map[string]record.Value{
		"issue_source": record.Text("self"), "issue_status": record.Text("open"), "severity": record.Text("1"),
		"found_date": record.Text(today), "owner": record.Text(author),
	}
	if b.source != "" {
		fields["issue_source"] = record.Text(b.source)
	}
	if v := view.Fields[b.found]; v != "" {
		fields["found_date"] = v
	}
	if v := view.Fields[b.due]; v != "" {
		fields["due_date"] = v
	}
	_, topic := path.Field()
	if topics := issue.Field("topics"); topics != nil {
		if _, listed := topics.Choice(topic); !listed {
			topic = b.topic
		}
		if topic != "" {
			fields["topics"] = record.Set([]string{topic})
		}
	}
	return fields
}

// describe says what an issue is about: whose it is, for an issue names no household,
// and what was written, or the answer that was ticked.
func (t *tx) describe(f *form.Form, path record.Path, view merge.View) string {
	name, element := path.Field()
	fd := f.Field(name)
	words, _ := view.Fields[name].Text()
	switch {
	case element != "":
		words = fd.Label.Zh + "：" + fd.Show(record.Text(element), form.Zh)
	case len(fd.Choices) > 0:
		words = fd.Label.Zh + "：" + fd.Show(view.Fields[name], form.Zh)
	}
	whose := ""
	if id, err := record.ParseID(first(view.Fields["household"].Texts())); err == nil {
		if v, k, err := t.find("household", id); err == nil {
			if r, err := v.mustLoad(k.Type, k.ID); err == nil {
				whose, _ = r.View.Fields["head_name"].Text()
				if group, _ := r.View.Fields["group_name"].Text(); group != "" {
					whose += "（" + group + "）"
				}
			}
		}
	}
	if full, _ := view.Fields["full_name"].Text(); full != "" {
		whose += full
	}
	if whose == "" {
		return words
	}
	return whose + "：" + words
}

func first(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return texts[0]
}

// beijing is the zone of every date.
var beijing = time.FixedZone("CST", 8*3600)
