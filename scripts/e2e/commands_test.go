package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"
)

type script = *testscript.TestScript

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func worldOf(ts script) *world { return ts.Value(worldKey{}).(*world) }

// commands are what stories can say beside the two programs and what every
// script can.
var commands = map[string]func(ts script, neg bool, args []string){
	// port VAR: a free port.
	"port": func(ts script, _ bool, args []string) {
		want(ts, args, 1, 1, "port VAR")
		port, err := freePort()
		ts.Check(err)
		ts.Setenv(args[0], port)
	},

	// code N COMMAND...: runs it and wants that exit status.
	"code": func(ts script, _ bool, args []string) {
		want(ts, args, 2, -1, "code N COMMAND...")
		if got := status(ts, ts.Exec(args[1], args[2:]...)); strconv.Itoa(got) != args[0] {
			ts.Fatalf("exit status %d, want %s", got, args[0])
		}
	},

	// within DURATION code N COMMAND...: the same, and no longer than that.
	"within": func(ts script, _ bool, args []string) {
		want(ts, args, 4, -1, "within DURATION code N COMMAND...")
		most, err := time.ParseDuration(args[0])
		ts.Check(err)
		begin := time.Now()
		if got := status(ts, ts.Exec(args[3], args[4:]...)); strconv.Itoa(got) != args[2] {
			ts.Fatalf("exit status %d, want %s", got, args[2])
		}
		if took := time.Since(begin); took > most {
			ts.Fatalf("it took %s, more than %s", took, most)
		}
	},

	// until PATTERN COMMAND...: runs it again and again until its standard output
	// has the pattern; with !, until it no longer has.
	"until": func(ts script, neg bool, args []string) {
		want(ts, args, 2, -1, "until PATTERN COMMAND...")
		re, err := regexp.Compile(args[0])
		ts.Check(err)
		ts.Check(until("the output has "+args[0], func() (bool, error) {
			status(ts, ts.Exec(args[1], args[2:]...))
			return re.MatchString(ts.ReadFile("stdout")) != neg, nil
		}))
	},

	// fetch STATUS PATH [TOKEN]: asks the office's server as another program does; the answer
	// is on the standard output. Of a story without TLS.
	"fetch": func(ts script, _ bool, args []string) {
		want(ts, args, 2, 3, "fetch STATUS PATH [TOKEN]")
		r, err := http.NewRequest(http.MethodGet, worldOf(ts).url+args[1], nil)
		ts.Check(err)
		if len(args) > 2 {
			r.Header.Set("Authorization", "Bearer "+args[2])
		}
		answer, err := http.DefaultClient.Do(r)
		ts.Check(err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		ts.Check(err)
		fmt.Fprint(ts.Stdout(), string(body))
		if strconv.Itoa(answer.StatusCode) != args[0] {
			ts.Fatalf("%s: %d, want %s: %s", args[1], answer.StatusCode, args[0], body)
		}
	},

	// waitfile FILE...: until the files are there; with !, gone.
	"waitfile": func(ts script, neg bool, args []string) {
		for _, name := range args {
			ts.Check(until(name+" is there or not", func() (bool, error) {
				_, err := os.Stat(ts.MkAbs(name))
				return (err == nil) != neg, nil
			}))
		}
	},

	// waitlines FILE N: until a file has that many lines.
	"waitlines": func(ts script, _ bool, args []string) {
		want(ts, args, 2, 2, "waitlines FILE N")
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		ts.Check(until(args[0]+" has "+args[1]+" lines", func() (bool, error) {
			b, err := os.ReadFile(ts.MkAbs(args[0]))
			return bytes.Count(b, []byte("\n")) >= n, err
		}))
	},

	// json FILE PATH [WANT]: what is at PATH in a file of JSON values one a line;
	// without WANT, that something is. See at for paths.
	"json": func(ts script, neg bool, args []string) {
		want(ts, args, 2, 3, "json FILE PATH [WANT]")
		got, ok, err := at(ts.ReadFile(args[0]), args[1])
		ts.Check(err)
		switch {
		case len(args) == 2 && ok == neg:
			ts.Fatalf("%s: there is %q", args[1], got)
		case len(args) == 3 && (got == args[2]) == neg:
			ts.Fatalf("%s is %q, want %q", args[1], got, args[2])
		}
	},

	// photo FILE SEED WIDTH HEIGHT: a picture as a camera makes one, with where it was
	// taken in it.
	"photo": func(ts script, _ bool, args []string) {
		want(ts, args, 4, 4, "photo FILE SEED WIDTH HEIGHT")
		var n [3]int
		for i := range n {
			var err error
			n[i], err = strconv.Atoi(args[i+1])
			ts.Check(err)
		}
		raw, err := snap(uint64(n[0]), n[1], n[2])
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), raw, 0o600))
	},

	// jsonget VAR FILE PATH: the same into a variable.
	"jsonget": func(ts script, _ bool, args []string) {
		want(ts, args, 3, 3, "jsonget VAR FILE PATH")
		got, ok, err := at(ts.ReadFile(args[1]), args[2])
		ts.Check(err)
		if !ok {
			ts.Fatalf("nothing is at %s", args[2])
		}
		ts.Setenv(args[0], got)
	},

	// start [-pipe] NAME COMMAND...: runs it in the background, its output in
	// NAME.out and NAME.err; with -pipe its standard input stays open.
	"start": func(ts script, _ bool, args []string) {
		pipe := len(args) > 0 && args[0] == "-pipe"
		if pipe {
			args = args[1:]
		}
		want(ts, args, 2, -1, "start [-pipe] NAME COMMAND...")
		_, err := worldOf(ts).start(args[0], language(ts), pipe, args[1:]...)
		ts.Check(err)
	},

	// type NAME FILE: the file's content to the standard input of what -pipe
	// started.
	"type": func(ts script, _ bool, args []string) {
		want(ts, args, 2, 2, "type NAME FILE")
		_, err := running(ts, args[0]).stdin.Write([]byte(ts.ReadFile(args[1])))
		ts.Check(err)
	},

	// hangup NAME [N]: closes that standard input and wants the exit status.
	"hangup": func(ts script, _ bool, args []string) {
		want(ts, args, 1, 2, "hangup NAME [N]")
		ts.Check(running(ts, args[0]).stdin.Close())
		ends(ts, args, (*process).wait)
	},

	// quit NAME [N]: asks a program to end, as Ctrl-C does, and wants the exit
	// status.
	"quit": func(ts script, _ bool, args []string) {
		want(ts, args, 1, 2, "quit NAME [N]")
		ends(ts, args, (*process).stop)
	},

	// crash NAME: ends a program as a power cut does.
	"crash": func(ts script, _ bool, args []string) {
		want(ts, args, 1, 1, "crash NAME")
		ts.Check(running(ts, args[0]).crash())
		delete(worldOf(ts).procs, args[0])
	},

	// office [-plain] CODE NAME...: a server with these villages in the folder
	// office, reached by the link; $URL is where. Its process is named office.
	"office": func(ts script, _ bool, args []string) {
		w := worldOf(ts)
		plain := len(args) > 0 && args[0] == "-plain"
		if plain {
			args = args[1:]
		}
		want(ts, args, 2, -1, "office [-plain] CODE NAME...")
		ts.Check(w.office(plain, args...))
		ts.Setenv("URL", w.url)
		ts.Setenv("LISTEN", w.link.to)
	},

	// laptop NAME VILLAGE[,VILLAGE…] ROLE PERSON: enrols a laptop into the folder
	// NAME. In a story told beside running agents one runs on it from then on,
	// its process named NAME.
	"laptop": func(ts script, _ bool, args []string) {
		want(ts, args, 4, 4, "laptop NAME VILLAGE[,VILLAGE...] ROLE PERSON")
		ts.Check(worldOf(ts).laptop(args[0], args[1], args[2], args[3]))
	},

	// serve: starts the office's server again.
	"serve": func(ts script, _ bool, args []string) {
		want(ts, args, 0, 0, "serve")
		ts.Check(worldOf(ts).serve(false))
	},

	// grow FILE FROM TIMES: writes FROM to FILE in so many parts, a second apart,
	// as a slow stick does.
	"grow": func(ts script, _ bool, args []string) {
		want(ts, args, 3, 3, "grow FILE FROM TIMES")
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		text := ts.ReadFile(args[1])
		f, err := os.Create(ts.MkAbs(args[0]))
		ts.Check(err)
		defer f.Close()
		for i := range n {
			if i > 0 {
				time.Sleep(time.Second)
			}
			_, err := f.WriteString(text[len(text)*i/n : len(text)*(i+1)/n])
			ts.Check(err)
		}
	},

	// gbk FILE: writes a row as old software in the county office does.
	"gbk": func(ts script, _ bool, args []string) {
		want(ts, args, 1, 1, "gbk FILE")
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte("{\"type\":\"visit\",\"fields\":{\"findings\":\"\xd7\xdf\xb7\xc3\xd5\xc5\xc8\xfd\"}}\n"), 0o600))
	},

	// xlsx FILE FROM: makes a workbook of lines whose cells stand between |; one that
	// begins with # is a number. "== NAME" begins another sheet.
	"xlsx": func(ts script, _ bool, args []string) {
		want(ts, args, 2, 2, "xlsx FILE FROM")
		book := excelize.NewFile()
		defer book.Close()
		sheet, row := "Sheet1", 0
		for _, line := range lines(ts.ReadFile(args[1])) {
			if name, ok := strings.CutPrefix(line, "== "); ok {
				_, err := book.NewSheet(name)
				ts.Check(err)
				sheet, row = name, 0
				continue
			}
			row++
			for i, cell := range strings.Split(line, "|") {
				at, err := excelize.CoordinatesToCellName(i+1, row)
				ts.Check(err)
				var v any = cell
				if digits, ok := strings.CutPrefix(cell, "#"); ok {
					v, err = strconv.ParseFloat(digits, 64)
					ts.Check(err)
				}
				if cell != "" {
					ts.Check(book.SetCellValue(sheet, at, v))
				}
			}
		}
		ts.Check(book.SaveAs(ts.MkAbs(args[0])))
	},

	// old FILE: writes the beginning of a workbook of the old kind.
	"old": func(ts script, _ bool, args []string) {
		want(ts, args, 1, 1, "old FILE")
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), append([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), make([]byte, 1000)...), 0o600))
	},

	// gb18030 FILE FROM: writes a file as old software in the county office does.
	"gb18030": func(ts script, _ bool, args []string) {
		want(ts, args, 2, 2, "gb18030 FILE FROM")
		raw, err := simplifiedchinese.GB18030.NewEncoder().String(ts.ReadFile(args[1]))
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(raw), 0o600))
	},

	// link up|down|mute: mends the link, cuts it, or lets it swallow everything.
	"link": func(ts script, _ bool, args []string) {
		want(ts, args, 1, 1, "link up|down|mute")
		l := worldOf(ts).link
		switch args[0] {
		case "up":
			ts.Check(l.up())
		case "down":
			l.down()
		case "mute":
			ts.Check(l.swallow())
		default:
			ts.Fatalf("link %s?", args[0])
		}
	},
}

func want(ts script, args []string, least, most int, usage string) {
	if len(args) < least || most >= 0 && len(args) > most {
		ts.Fatalf("usage: %s", usage)
	}
}

// status is a command's exit status; a command that could not be run ends the
// story.
func status(ts script, err error) int {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}

func running(ts script, name string) *process {
	p := worldOf(ts).procs[name]
	if p == nil {
		ts.Fatalf("nothing named %s runs", name)
	}
	return p
}

func ends(ts script, args []string, how func(*process) (int, error)) {
	code, err := how(running(ts, args[0]))
	delete(worldOf(ts).procs, args[0])
	wanted := append(args, "0")[1]
	if err != nil || strconv.Itoa(code) != wanted {
		ts.Fatalf("%s ended with exit status %d, want %s: %v\n%s", args[0], code, wanted, err, ts.ReadFile(args[0]+".err"))
	}
}

// language hands the story's language on to what it starts.
func language(ts script) []string {
	if v := ts.Getenv("ZHUCUN_LANG"); v != "" {
		return []string{"ZHUCUN_LANG=" + v}
	}
	return nil
}

// step is one of a path.
var step = regexp.MustCompile(`^(?:\.([^.\[#]+)|\[(\d+|\*)\]|(#)|\[(\w+)=([^\]]*)\])`)

// at gives what is at a path in a text of JSON values one a line: .NAME of an
// object, [N] or every [*] or the first [NAME=VALUE] of an array, # how many. A path that begins with [
// or # is into the lines; any other is into the only line. A string is given
// bare, everything else as JSON.
func at(text, path string) (string, bool, error) {
	var x any
	var all []any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	for d.More() {
		var v any
		if err := d.Decode(&v); err != nil {
			return "", false, fmt.Errorf("not JSON: %w: %s", err, text)
		}
		all = append(all, v)
	}
	x = all
	if !strings.HasPrefix(path, "[") && !strings.HasPrefix(path, "#") {
		if len(all) != 1 {
			return "", false, fmt.Errorf("%d lines of JSON where one is looked into: %s", len(all), text)
		}
		x = all[0]
	}
	x, ok, err := walk(x, path)
	if s, bare := x.(string); bare || !ok || err != nil {
		return s, ok, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err = e.Encode(x)
	return strings.TrimSuffix(b.String(), "\n"), true, err
}

func walk(x any, path string) (any, bool, error) {
	if path == "" {
		return x, true, nil
	}
	m := step.FindStringSubmatch(path)
	if m == nil {
		return nil, false, fmt.Errorf("path %q is not understood", path)
	}
	rest := path[len(m[0]):]
	switch x := x.(type) {
	case map[string]any:
		if m[3] != "" {
			return json.Number(strconv.Itoa(len(x))), true, nil
		}
		v, ok := x[m[1]]
		if !ok {
			return nil, false, nil
		}
		return walk(v, rest)
	case []any:
		switch {
		case m[3] != "":
			return json.Number(strconv.Itoa(len(x))), true, nil
		case m[2] == "*":
			out := []any{}
			for _, e := range x {
				v, ok, err := walk(e, rest)
				if err != nil {
					return nil, false, err
				}
				if ok {
					out = append(out, v)
				}
			}
			return out, true, nil
		case m[2] != "":
			i, err := strconv.Atoi(m[2])
			if err != nil || i >= len(x) {
				return nil, false, err
			}
			return walk(x[i], rest)
		case m[4] != "":
			for _, e := range x {
				if o, ok := e.(map[string]any); ok && o[m[4]] == m[5] {
					return walk(e, rest)
				}
			}
		}
	}
	return nil, false, nil
}
