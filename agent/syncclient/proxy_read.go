package syncclient

import (
	"bufio"
	"net"
	"net/url"
	"strings"
)

// How systems write what they have of proxies. All is read on every system, so that
// all is tested on one.

// windowsWays reads "host:port", or "http=host:port;https=host:port;socks=host:port",
// or several of the first.
func windowsWays(text string) (ways []*url.URL) {
	var socks []*url.URL
	for e := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ';' || r == ' ' }) {
		kind, at, several := strings.Cut(e, "=")
		switch {
		case !several:
			ways = append(ways, address("http", e))
		case kind == "https":
			ways = append(ways, address("http", at))
		case kind == "socks":
			socks = append(socks, address("socks5", at))
		}
	}
	return append(ways, socks...)
}

// windowsExcept reads the hosts that are reached without: "*.corp.cn;10.*;<local>".
func windowsExcept(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == ' ' })
}

// scutilSettings reads what macOS's scutil --proxy prints: "Key : value" lines, with
// the exceptions numbered in a list.
func scutilSettings(text string) (s settings) {
	says := map[string]string{}
	var except []string
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), " : ")
		switch {
		case !ok || strings.HasPrefix(value, "<array>"):
		case strings.Trim(key, "0123456789") == "":
			except = append(except, value)
		default:
			says[key] = value
		}
	}
	if says["ProxyAutoConfigEnable"] == "1" {
		s.script = says["ProxyAutoConfigURLString"]
	}
	for _, p := range []struct{ key, kind string }{{"HTTPS", "http"}, {"SOCKS", "socks5"}} {
		if says[p.key+"Enable"] == "1" {
			s.ways = append(s.ways, join(p.kind, nil, says[p.key+"Proxy"], says[p.key+"Port"])...)
		}
	}
	if says["ExcludeSimpleHostnames"] == "1" {
		except = append(except, "<local>")
	}
	s.except = under(except)
	return s
}

// gnomeSettings reads what gsettings list-recursively org.gnome.system.proxy prints:
// "schema key value" lines, of which those that hold a text have it in quotes. GNOME
// and the desktops that go by it have one user and password for HTTP.
func gnomeSettings(text string) (s settings) {
	says := map[string]string{}
	for line := range strings.Lines(text) {
		if f := strings.SplitN(strings.TrimSpace(line), " ", 3); len(f) == 3 {
			says[strings.TrimPrefix(f[0], "org.gnome.system.proxy")+"."+f[1]] = f[2]
		}
	}
	word := func(key string) string { return strings.Join(quoted(says[key]), "") }
	var user *url.Userinfo
	if says[".http.use-authentication"] == "true" {
		user = url.UserPassword(word(".http.authentication-user"), word(".http.authentication-password"))
	}
	switch word(".mode") {
	case "auto":
		s.script = word(".autoconfig-url")
		s.detect = s.script == ""
	case "manual":
		s.ways = append(join("http", user, word(".https.host"), says[".https.port"]), join("socks5", nil, word(".socks.host"), says[".socks.port"])...)
	}
	s.except = under(quoted(says[".ignore-hosts"]))
	return s
}

// quoted gives the texts that stand in quotes, 'so' or "so", with \ before what is
// meant as it is.
func quoted(text string) (all []string) {
	var quote rune
	var word strings.Builder
	meant := false
	for _, r := range text {
		switch {
		case quote == 0:
			if r == '\'' || r == '"' {
				quote = r
				word.Reset()
			}
		case meant:
			word.WriteRune(r)
			meant = false
		case r == '\\':
			meant = true
		case r == quote:
			quote = 0
			all = append(all, word.String())
		default:
			word.WriteRune(r)
		}
	}
	return all
}

// kdeSettings reads KDE's kioslaverc: "key=value" lines under [Proxy Settings], with
// a space before the port in older releases.
func kdeSettings(text string) (s settings) {
	says, here := map[string]string{}, false
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			here = line == "[Proxy Settings]"
		}
		if key, value, ok := strings.Cut(line, "="); ok && here {
			says[key] = value
		}
	}
	switch says["ProxyType"] {
	case "1":
		for _, p := range []struct{ key, kind string }{{"httpsProxy", "http"}, {"socksProxy", "socks5"}} {
			if at := strings.TrimSpace(says[p.key]); at != "" {
				s.ways = append(s.ways, address(p.kind, strings.ReplaceAll(at, " ", ":")))
			}
		}
	case "2":
		s.script = says["Proxy Config Script"]
	case "3":
		s.detect = true
	}
	s.except = under(strings.FieldsFunc(says["NoProxyFor"], func(r rune) bool { return r == ',' || r == ' ' }))
	return s
}

// join gives a proxy, or none where there is no host.
func join(kind string, user *url.Userinfo, host, port string) []*url.URL {
	if host == "" {
		return nil
	}
	return []*url.URL{{Scheme: kind, User: user, Host: net.JoinHostPort(host, port)}}
}
