package rig

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// script stands in for a program. Its first argument is the command.
func script(t *testing.T) *Program {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "program")
	text := `#!/bin/sh
case $1 in
say)   echo '{"id":"a"}'; echo '{"id":"b"}' ;;
one)   echo '{"id":"a","language":"'$ZHUCUN_LANG'"}' ;;
echo)  cat ;;
fail)  echo '{"id":"a"}'; echo 'no such village' >&2; exit 1 ;;
serve) trap 'exit 0' TERM; echo '{"url":"here"}'; while :; do sleep 0.05; done ;;
deaf)  echo 'cannot listen' >&2; exit 1 ;;
esac
`
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return &Program{Binary: file, Data: dir, Lang: "en"}
}

func TestCommands(t *testing.T) {
	p := script(t)
	ctx := t.Context()
	type line struct{ ID, Language string }
	all, err := All[line](ctx, p, "say")
	if err != nil || len(all) != 2 || all[1].ID != "b" {
		t.Errorf("All gave %v, %v", all, err)
	}
	var one line
	if err := p.JSON(ctx, &one, "one"); err != nil || one != (line{"a", "en"}) {
		t.Errorf("JSON gave %v, %v", one, err)
	}
	if out, err := p.DoWith(ctx, strings.NewReader("hello"), "echo"); err != nil || string(out) != "hello" {
		t.Errorf("DoWith gave %q, %v", out, err)
	}
	p.Through = []string{"env", "ZHUCUN_LANG=zh"}
	if err := p.JSON(ctx, &one, "one"); err != nil || one != (line{"a", "zh"}) {
		t.Errorf("through another program JSON gave %v, %v", one, err)
	}
	p.Through = nil
	stop := errors.New("enough")
	n := 0
	if err := Each(ctx, p, func(line) error { n++; return stop }, "say"); !errors.Is(err, stop) || n != 1 {
		t.Errorf("Each went on to %d lines, %v", n, err)
	}
}

// A command that fails says why, and what it printed before counts all the same.
func TestFailure(t *testing.T) {
	p := script(t)
	var got struct{ ID string }
	err := p.JSON(t.Context(), &got, "fail")
	var f *Failure
	if !errors.As(err, &f) || f.Status != 1 || f.Said != "no such village" || got.ID != "a" {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := All[struct{ ID string }](t.Context(), p, "fail"); !errors.As(err, &f) {
		t.Errorf("All gave %v", err)
	}
}

func TestStartAndStop(t *testing.T) {
	p := script(t)
	var ready struct{ URL string }
	if err := p.Start(t.Context(), &ready, "serve"); err != nil || ready.URL != "here" {
		t.Fatalf("Start gave %v, %v", ready, err)
	}
	if !p.Running() {
		t.Error("it does not run")
	}
	if err := p.Start(t.Context(), &ready, "serve"); err == nil {
		t.Error("it was started twice")
	}
	if _, err := os.Stat("/proc/self/stat"); err == nil {
		if m, err := p.Memory(); err != nil || m.Resident == 0 || m.Peak < m.Resident/2 {
			t.Errorf("Memory gave %+v, %v", m, err)
		}
		if _, err := p.CPU(); err != nil {
			t.Errorf("CPU: %v", err)
		}
	}
	if err := p.Stop(); err != nil || p.Running() {
		t.Errorf("Stop gave %v", err)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("a second Stop gave %v", err)
	}
	var f *Failure
	if err := p.Start(t.Context(), &ready, "deaf"); !errors.As(err, &f) || f.Said != "cannot listen" || p.Running() {
		t.Errorf("one that cannot start gave %v", err)
	}
	if err := p.Start(t.Context(), &ready, "serve"); err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil || p.Running() {
		t.Errorf("Kill gave %v", err)
	}
}

// A command that outlasts its caller is ended with it.
func TestContext(t *testing.T) {
	p := script(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() { _, err := p.Do(ctx, "serve"); done <- err }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("Do hangs")
	}
}
