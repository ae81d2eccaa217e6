package web

import "zhucun/server/access"

// asks are the questions that help answers, with who asks them.
var asks = []struct {
	id     string
	action access.Action
}{
	{"help.ask.conflict", access.Decide},
	{"help.ask.silent", access.Devices},
	{"help.ask.lost", access.Devices},
	{"help.ask.stick", access.Bundles},
	{"help.ask.month", access.SeeTotals},
	{"help.ask.masked", access.SeeRecords},
	{"help.ask.backup", access.Backups},
	{"help.ask.stranger", access.Own},
	{"help.ask.password", access.Own},
}

// help says what each page is for that whoever asks may go to, and answers what is asked
// most.
func (w *Site) help(p *page) (reply, error) {
	p.title, p.at, p.still = p.T("help.title"), "help", true
	return show(helpPage(p))
}
