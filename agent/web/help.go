package web

import (
	"strings"

	"zhucun/agent/help"
)

// helpPage has all that there is to be told, on one page: it is searched with the
// browser, and printed.
func (w *Site) helpPage(p *page) (reply, error) {
	p.title, p.at = p.T("help.title"), "help"
	return show(helpPage(p, help.Topics(p.lang)))
}

// topics says which topic of the help a page is about, by the beginning of its path.
var topics = []struct{ path, topic string }{
	{"/bundles", "usb"}, {"/import", "import"}, {"/conflicts", "conflict"}, {"/decide", "conflict"}, {"/sync", "delivered"},
	{"/lock", "passphrase"}, {"/me", "passphrase"}, {"/settings", "laptop"}, {"/blob", "photos"}, {"/diagnosis", "ask"}, {"/print", "print"}, {"/", "visit"},
}

// topic is the topic of the help that this page is about.
func (p *page) topic() string {
	for _, t := range topics {
		if strings.HasPrefix(p.r.URL.Path, t.path) {
			return t.topic
		}
	}
	return ""
}

// helpHref is where a link of the help leads.
func (p *page) helpHref(to string) string {
	if strings.HasPrefix(to, "#") {
		return to
	}
	return string(p.url(to))
}
