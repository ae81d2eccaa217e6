package cli

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"zhucun/shared/form"
	"zhucun/shared/identity"
)

// shell runs commands on one data folder.
type shell struct {
	*testing.T
	data string
	lang form.Lang
}

// run gives what a command wrote and its exit status.
func (s *shell) run(args ...string) (out, errs string, status int) {
	s.Helper()
	var o, e bytes.Buffer
	c := &call{out: &o, err: &e, lang: s.lang, now: time.Now, log: slog.New(slog.DiscardHandler)}
	status = c.run(context.Background(), append([]string{"--data", s.data}, args...))
	return o.String(), e.String(), status
}

// Each row is a command on a new server, its exit status, and a piece of what it
// says: on standard output when it is done, else on standard error.
func TestCommands(t *testing.T) {
	s := &shell{T: t, data: filepath.Join(t.TempDir(), "data")}
	id := "01890000-0000-7000-8000-000000000000"
	dot := strings.Repeat("ab", 16) + ":1"
	for _, tt := range []struct {
		command string
		status  int
		says    string
	}{
		{"verify", 1, "zhucun-server init"},
		{"init", 0, "账号 admin，密码 "},
		{"init", 1, "已经有服务器数据"},
		{"village list", 0, "还没有村"},
		{"village add 369999000001 清源村 --township 和平镇", 0, "已添加 369999000001 清源村"},
		{"village add 369999000001 清源村", 1, "已经有代码为 369999000001 的村"},
		{"village add 369999000001", 2, "village add CODE NAME"},
		{"village add 一 清源村", 2, "村代码"},
		{"village add 36999900001 短村", 2, "--force"},
		{"village add 36999900000x 短村", 2, "12位数字"},
		{"village add 一 清源村 --force", 2, "村代码"},
		{"village add v-1 试点村 --force --json", 0, `{"code":"v-1"`},
		{"village move", 2, "没有命令“move”"},
		{"village list", 0, "369999000001  清源村  和平镇"},
		{"village list --json", 0, `{"code":"369999000001","name":"清源村","township":"和平镇"}`},
		{"enrol --village 369999000001 --role team_member --name 王队员", 0, "ZC1-"},
		{"enrol --village 369999000001,2 --role team_member --name 王队员", 2, "没有代码为“2”的村"},
		{"enrol --village 369999000001 --role king --name 王队员", 2, "“king”不是"},
		{"enrol --village 369999000001 --role team_member --name admin", 2, "登录名"},
		{"enrol --village 369999000001 --role team_member", 2, "--name"},
		{"enrol --village 369999000001 --role team_member --name 王队员 --ttl -1h", 2, "有效期"},
		{"device list", 0, "还没有电脑"},
		{"device revoke nobody", 1, "device list"},
		{"device profile nobody 李", 1, "device list"},
		{"device", 0, "revoke"},
		{"account", 0, "reset-factor"},
		{"account reset-factor admin", 2, "--reason"},
		{"account reset-factor nobody --reason r", 1, "没有账号“nobody”"},
		{"account reset-factor admin --reason r --by nobody", 1, "不是管理员"},
		{"account reset-factor admin --reason 手机丢了", 0, "已取消 admin"},
		{"get household " + id, 1, "没有 household"},
		{"get houshold " + id, 2, "household"},
		{"get nosuch " + id, 2, "household、"},
		{"get household 7", 2, "不是记录编号"},
		{"list household", 0, "没有这样的记录"},
		{"list household --json", 0, ""},
		{"list houshold", 2, "household"},
		{"list nosuch", 2, "household、"},
		{"export nosuch --format csv --out -", 2, "household、"},
		{"list household --village 369999000001", 0, "没有这样的记录"},
		{"list household --village 369999000002", 2, "是不是 369999000001 清源村"},
		{"list household --village 36999900001", 2, "是不是 369999000001 清源村"},
		{"list household --village 369999000001,清源村", 2, "是不是 369999000001 清源村"},
		{"list household --village NOSUCH --json", 2, "village list"},
		{"export household --format csv --out - --village NOSUCH", 2, "village list"},
		{"conflicts --village NOSUCH", 2, "village list"},
		{"quarantine list --village NOSUCH", 2, "village list"},
		{"list household --where phone", 2, "--where"},
		{"list household --where phon=1", 2, "phone"},
		{"list household --where arable_mu=much", 2, "arable_mu"},
		{"conflicts", 0, "没有待处理的冲突"},
		{"conflicts --json", 0, ""},
		{"resolve " + id + " phone --value 1 --reason r", 1, "没有记录"},
		{"resolve " + id + " phone --value 1", 2, "--reason"},
		{"resolve " + id + " phone --reason r", 2, "--take"},
		{"resolve " + id + " phone --take 1 --value 1 --reason r", 2, "--take"},
		{"resolve " + id + " phone --take 1 --reason r", 2, "取用编号"},
		{"resolve " + id + " phone --take " + dot + " --reason r", 1, "没有记录"},
		{"resolve 7 phone --value 1 --reason r", 2, "不是记录编号"},
		{"resolve " + id + " phone --value 1 --reason r --by nobody", 1, "nobody"},
		{"quarantine list", 0, "隔离区是空的"},
		{"quarantine accept " + dot, 1, "quarantine list"},
		{"quarantine accept 1", 2, "quarantine list"},
		{"quarantine reject " + dot, 2, "--reason"},
		{"quarantine reject " + dot + " --reason " + strings.Repeat("长", 201), 2, "理由最多 200 个字，现在有 201 个"},
		{"quarantine reject " + dot + " --reason " + strings.Repeat("长", 200), 1, "quarantine list"},
		{"device photos --side abc", 2, "--side 要写整数，“abc”不是\n"},
		{"enrol --ttl soon", 2, "--ttl 要写时长，例如 48h 或 30m，“soon”不是\n"},
		{"enrol --ttl", 2, "--ttl 后面要有值\n"},
		{"enrol --tl 4h", 2, "没有选项 --tl；"},
		{"backup", 2, "backup FILE"},
		{"bundle take /nowhere/a.zcb", 1, "没有这个文件或文件夹：/nowhere/a.zcb；请核对名称\n"},
		{"restore /nowhere/a.zsb", 1, "没有这个文件或文件夹：/nowhere/a.zsb"},
		{"restore", 2, "restore FILE"},
		{"verify", 0, "0 处不符"},
		{"verify --json", 0, `"faults":0`},
		{"serve --listen nowhere", 2, "--listen"},
		{"serve --listen 127.0.0.1:bad", 2, "--listen"},
		{"serve --listen 127.0.0.1:70000", 2, "--listen"},
		{"serve --url example.cn", 2, "--url"},
		{"serve --tls-cert x", 2, "--tls-key"},
		{"nonsense", 2, "没有命令“nonsense”"},
		{"village list --lang fr", 2, "--lang"},
		{"village list --lang en", 0, "369999000001"},
		{"--nonsense", 2, "--help"},
		{"", 0, "用法：zhucun-server 命令 [选项]\n"},
	} {
		out, errs, status := s.run(strings.Fields(tt.command)...)
		said := out
		if status != 0 {
			said = errs
			if strings.Count(errs, "\n") != 1 {
				t.Errorf("%s: not one line: %q", tt.command, errs)
			}
		}
		if status != tt.status || !strings.Contains(said, tt.says) {
			t.Errorf("%s: status %d, want %d; says %q and %q, want %q", tt.command, status, tt.status, out, errs, tt.says)
		}
	}
}

func TestEnglish(t *testing.T) {
	s := &shell{T: t, data: filepath.Join(t.TempDir(), "data"), lang: form.En}
	out, _, status := s.run("init", "--json")
	var account map[string]string
	if err := json.Unmarshal([]byte(out), &account); err != nil || status != 0 || account["login"] != "admin" || len(account["password"]) < 16 {
		t.Fatalf("%d: %q, %v", status, out, err)
	}
	out, errs, status := s.run("village", "list")
	for _, r := range out + errs {
		if r > 0x2000 || status != 0 {
			t.Fatalf("%d: %q %q", status, out, errs)
		}
	}
}

func TestLanguage(t *testing.T) {
	for _, name := range []string{"ZHUCUN_LANG", "LC_ALL", "LC_MESSAGES", "LANG"} {
		t.Setenv(name, "")
	}
	for _, tt := range []struct {
		env, arg string
		want     form.Lang
	}{{"", "", form.Zh}, {"zh_CN.UTF-8", "", form.Zh}, {"en_GB.UTF-8", "", form.En}, {"C", "", form.Zh}, {"en_GB", "--lang=zh", form.Zh}, {"", "--lang=en", form.En}} {
		t.Setenv("LANG", tt.env)
		if got := language([]string{tt.arg}); got != tt.want {
			t.Errorf("LANG=%s %s is %v", tt.env, tt.arg, got)
		}
	}
}

// hello is what a client offers: agents speak no ALPN, browsers no Ed25519.
func hello(ed bool, alpn ...string) *tls.ClientHelloInfo {
	h := &tls.ClientHelloInfo{SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedProtos: alpn}
	if ed {
		h.SignatureSchemes = append(h.SignatureSchemes, tls.Ed25519)
	}
	return h
}

// The chain that agents get ends in the identity key, whatever happens to the
// certificates; browsers get one that they can read.
func TestCertificates(t *testing.T) {
	data, now := t.TempDir(), time.Now()
	k, err := makeKeys(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := makeKeys(data)
	if err != nil || !again.identity.Equal(k.identity) {
		t.Fatalf("the identity changed: %v", err)
	}
	if info, err := os.Stat(filepath.Join(data, "keys", identityFile)); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file is %v, %v", info.Mode(), err)
	}
	hosts := []string{"example.cn", "10.0.0.1"}
	var first []byte
	for _, tt := range []struct {
		name   string
		later  time.Duration
		hosts  []string
		harm   func()
		renews bool
	}{
		{"made", 0, hosts, nil, true},
		{"kept", 24 * time.Hour, hosts, nil, false},
		{"another host", 24 * time.Hour, []string{"other.cn"}, nil, true},
		{"runs out", 380 * 24 * time.Hour, []string{"other.cn"}, nil, true},
		{"half written", 380 * 24 * time.Hour, []string{"other.cn"}, func() { os.Remove(filepath.Join(k.folder, "agent.key")) }, true},
		{"damaged", 380 * 24 * time.Hour, []string{"other.cn"}, func() { os.WriteFile(filepath.Join(k.folder, "agent.crt"), []byte("x"), 0o600) }, true},
		{"without the end of the chain", 380 * 24 * time.Hour, []string{"other.cn"}, func() { os.Remove(filepath.Join(k.folder, "ca.crt")) }, false},
	} {
		if tt.harm != nil {
			tt.harm()
		}
		agents, pages, err := k.certificates(tt.hosts, now.Add(tt.later))
		if err != nil {
			t.Fatal(tt.name, err)
		}
		if renewed := !bytes.Equal(first, agents.Certificate[0]); renewed != tt.renews {
			t.Errorf("%s: renewed %v", tt.name, renewed)
		}
		first = agents.Certificate[0]
		leaf, err1 := x509.ParseCertificate(agents.Certificate[0])
		ca, err2 := x509.ParseCertificate(agents.Certificate[len(agents.Certificate)-1])
		if err1 != nil || err2 != nil {
			t.Fatal(tt.name, err1, err2)
		}
		key, ok := ca.PublicKey.(ed25519.PublicKey)
		if !ok || identity.PinOf(key) != identity.PinOf(k.public()) || leaf.CheckSignatureFrom(ca) != nil || leaf.VerifyHostname(tt.hosts[0]) != nil {
			t.Errorf("%s: the chain does not end in the identity key", tt.name)
		}
		for _, given := range []bool{false, true} {
			config := tlsConfig(agents, pages, given)
			for _, c := range []struct {
				hello *tls.ClientHelloInfo
				agent bool
			}{{hello(true), true}, {hello(false, "h2"), false}, {hello(true, "h2"), !given}} {
				got, err := config.GetCertificate(c.hello)
				if err != nil || (len(got.Certificate) == 2) != c.agent {
					t.Errorf("%s: given %v: %+v gets %d certificates", tt.name, given, c.hello, len(got.Certificate))
				}
			}
		}
	}
}

// The address that was chosen is remembered; the one that was not follows where
// the server listens.
func TestAddress(t *testing.T) {
	s := &shell{T: t, data: filepath.Join(t.TempDir(), "data")}
	if _, errs, status := s.run("init"); status != 0 {
		t.Fatal(errs)
	}
	c := &call{data: s.data, now: time.Now, log: slog.New(slog.DiscardHandler)}
	err := c.with(context.Background(), func(srv *server) error {
		for _, tt := range []struct {
			o    serveOptions
			port int
			want string
		}{
			{serveOptions{listen: "127.0.0.1:0"}, 1234, "https://127.0.0.1:1234"},
			{serveOptions{listen: "127.0.0.1:8440", plain: true}, 8440, "http://127.0.0.1:8440"},
			{serveOptions{listen: "127.0.0.1:8440", url: "https://example.cn"}, 8440, "https://example.cn"},
			{serveOptions{listen: "127.0.0.1:8440", plain: true}, 8440, "https://example.cn"},
			{serveOptions{listen: "127.0.0.1:8440", url: "http://10.0.0.1:8440"}, 8440, "http://10.0.0.1:8440"},
		} {
			got, err := c.address(context.Background(), srv, tt.o, &net.TCPAddr{Port: tt.port})
			if err != nil || got != tt.want {
				t.Errorf("%+v: %s, %v; want %s", tt.o, got, err, tt.want)
			}
			if kept, err := srv.store.Meta(context.Background(), metaURL); err != nil || string(kept) != tt.want {
				t.Errorf("%+v: kept %s, %v", tt.o, kept, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// full is what the database says of a full disk.
type full struct{}

func (full) Error() string { return "database or disk is full (13)" }
func (full) Code() int     { return sqliteFull }

// An error of the disk is in the log with what to do; any other as it is.
func TestLog(t *testing.T) {
	for _, tt := range []struct {
		lang form.Lang
		err  error
		want string
	}{
		{form.Zh, fmt.Errorf("commit: %w", full{}), `error="磁盘已满，无法写入 office；请腾出空间后再试（commit: database or disk is full (13)）"`},
		{form.En, fmt.Errorf("commit: %w", full{}), `error="The disk is full and office cannot be written; free some space and try again (commit: database or disk is full (13))"`},
		{form.Zh, errors.New("half a message"), `error="half a message"`},
	} {
		var out bytes.Buffer
		c := &call{err: &out, lang: tt.lang, data: "office"}
		c.logger(slog.LevelWarn).Error("a request failed", "path", "/sync", "error", tt.err)
		if line := out.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, tt.want) || !strings.Contains(line, `msg="a request failed" path=/sync`) {
			t.Errorf("the log has %q, want %q", line, tt.want)
		}
	}
}

func TestTable(t *testing.T) {
	tb := table{heads: []string{"村", "x"}}
	tb.add("清源村", "1")
	tb.add("a", "")
	if got, want := tb.text(), "村      x\n清源村  1\na\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := fit("清源村的记录\n很长", 8); got != "清源村…" {
		t.Errorf("fitted: %q", got)
	}
}
