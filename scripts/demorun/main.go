// Command demorun plays the demonstration that scripts/demo builds everything
// for: an office's server and the laptops of two villages, as processes of
// their own with data of real size, over links that are slow and break. It
// tells what happens as it goes, then checks that the office holds exactly what
// was put in.
//
//	go run ./scripts/demorun --bin bin [--check] [--lang zh|en|both]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"zhucun/scripts/rig"
)

func main() {
	bin := flag.String("bin", "bin", "folder of zhucun-server and zhucun-agent")
	check := flag.Bool("check", false, "end by itself; status 0 only if what the office holds is right")
	lang := flag.String("lang", "both", "zh, en or both")
	flag.Parse()
	v, ok := voices[*lang]
	if !ok || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := demo(ctx, v, *bin, *check)
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case err == nil:
	case errors.Is(err, errWrong):
		os.Exit(1) // it has been said what
	case interrupted:
		v.say("已中断。", "Interrupted.")
		os.Exit(1)
	default:
		v.say("演示没有走完：%v", "The demonstration did not get through: %v", err)
		os.Exit(1)
	}
}

// demo plays it all, and takes away what it made.
func demo(ctx context.Context, v voice, bin string, check bool) (err error) {
	if bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "zhucun-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	lang := "zh"
	if !v.zh {
		lang = "en"
	}
	s := &story{voice: v, start: time.Now(), rig: rig.Rig{Dir: dir, Bin: bin, Lang: lang}}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.play(ctx); err != nil {
		return err
	}
	wrong := s.check(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if check {
		return wrong
	}
	if err := s.addresses(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	fmt.Println()
	s.say("正在停止并清理……", "Stopping and cleaning up …")
	return wrong
}
