package web

import (
	"iter"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// paper is what every printed paper says of itself.
type paper struct {
	what    string // what it is
	village string
	period  string // the time that it is about, or whoever it is about
	void    bool   // it is of a record that is void
	late    int    // records on it that are not delivered
	unsure  bool   // something on it waits for a decision
}

// use counts a record whose answers stand on the paper.
func (x *paper) use(r *store.Record) { x.late += boolInt(wayOf(r) != merge.Delivered) }

// job is what is printed at once: papers that are made one after the other while the
// page is written, so that those of a whole village take no more memory than one.
type job[T any] struct {
	title  string // without anybody's name: a browser keeps the titles of pages
	how    string // what is to be known before printing
	back   pageLink
	papers iter.Seq[T]
	err    error // why the papers ended before the last one
}

// each makes the papers of a job from what they are about.
func each[A, T any](j *job[T], of []A, make func(A) (T, error)) {
	j.papers = func(yield func(T) bool) {
		for _, a := range of {
			var one T
			if one, j.err = make(a); j.err != nil || !yield(one) {
				return
			}
		}
	}
}

// broken tells, after the papers, that some are missing.
func (j *job[T]) broken(p *page) bool {
	if j.err != nil {
		p.site.opt.Log.Error("papers not made", "path", p.r.URL.Path, "error", j.err)
	}
	return j.err != nil
}

// onPaper gives an answer as papers show it: "" where somebody is to write it by hand.
func (x *paper) onPaper(p *page, f *form.Form, r *store.Record, name string) string {
	fd := f.Field(name)
	s := p.shownOf(f, r, name)
	if s == "" || fd == nil {
		return ""
	}
	if fd.Kind == form.Text && !slices.Contains(f.Key, name) {
		s = veil(s)
	}
	return s + x.doubt(p, r, name)
}

// doubt is the sign of an answer that is not settled.
func (x *paper) doubt(p *page, r *store.Record, name string) string {
	path := record.Path(name)
	if len(r.View.Conflicts[path]) == 0 && !lone(&r.View, path) {
		return ""
	}
	x.unsure = true
	return p.T("print.star")
}

// longNumber is what may be the number of an identity card, of a disability certificate
// or of a bank account: 14 digits and more, or groups of them as people write those.
var longNumber = regexp.MustCompile(`[\d０-９]{14,}[\dXxＸｘ]?|[\d０-９]{6}[ -][\d０-９]{8}[ -][\d０-９]{3}[\dXxＸｘ]|[\d０-９]{4}(?:[ -][\d０-９]{4}){3}(?:[ -]?[\d０-９]{1,4})?[Xx]?`)

// veil leaves of such a number in somebody's words what screens show of it.
func veil(s string) string { return longNumber.ReplaceAllStringFunc(s, form.Mask) }

// printed says when a paper was printed and by whom; the day is left open where the
// laptop's cannot be right.
func (p *page) printed() string {
	if p.doubt() != "" {
		return p.T("print.undated", p.author)
	}
	return p.T("print.dated", p.date(p.now), p.now.Format("15:04"), p.author)
}

// asOf is the day up to which a paper counts.
func (p *page) asOf() string {
	if p.doubt() != "" {
		return p.T("print.asof.open")
	}
	return p.T("print.asof", p.date(p.now))
}

// source says what a paper was printed from.
func (x *paper) source(p *page) string {
	var say []string
	if x.late == 0 {
		say = append(say, p.T("print.all"))
	} else {
		say = append(say, p.T("print.late", x.late))
	}
	if x.unsure {
		say = append(say, p.T("print.unsure"))
	}
	d := delivery{}
	return strings.Join(append(say, d.lastSync(p)), " ")
}

// place names a village with its township.
func (p *page) place(code record.Village) string {
	for _, v := range p.device.Assigned.Villages {
		if v.Code == code && p.lang == form.Zh {
			return v.Township + v.Name
		}
	}
	return p.villageName(code)
}

// tight tells what is not to be broken into lines: a day, a number, a short word.
func tight(s string) bool {
	n := utf8.RuneCountInString(s)
	return n <= 4 || n == len(s) && n <= 12
}

// onPapers makes the page one of papers.
func (p *page) onPapers() { p.at, p.papers = "records", true }
