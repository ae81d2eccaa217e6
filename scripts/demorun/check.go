package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"zhucun/scripts/rig"
)

// claim is one thing that must hold.
type claim struct {
	zh, en string
	holds  func(context.Context) error
}

func (s *story) claims() []claim {
	var list []claim
	add := func(zh, en string, holds func(context.Context) error) { list = append(list, claim{zh, en, holds}) }
	for _, t := range []struct{ typ, zh, en string }{
		{"team_post", "队员", "team posts"}, {"household", "户", "households"}, {"person", "人", "persons"}, {"visit", "走访", "visits"},
	} {
		n := thousands(s.truth.count(t.typ))
		add(fmt.Sprintf("办公室：%s %s 条，一条不多，一条不少，逐个字段相同", t.zh, n), fmt.Sprintf("the office: %s %s, each once, equal field by field", n, t.en),
			func(ctx context.Context) error { return s.truth.compare(ctx, &s.server.Program, t.typ) })
	}
	add("办公室：两处冲突已按决定写入，第三处两个值都在", "the office: two conflicts are as decided, the third has both its values", s.waiting)
	for i, l := range s.laptops() {
		add(fmt.Sprintf("电脑%d（%s）：与办公室完全一致，没有未送达的", i+1, l.Name), fmt.Sprintf("laptop %d (%s): equal to the office, nothing pending", i+1, l.Name),
			func(ctx context.Context) error { return s.equal(ctx, l) })
	}
	add("服务器：重放全部日志，与存储一致", "the server: the whole log replayed, equal to what is stored",
		func(ctx context.Context) error { return s.verify(ctx, &s.server.Program) })
	all := slices.Concat(s.laptops(), s.elsewhere, []*rig.Laptop{s.township})
	add(fmt.Sprintf("全部 %d 台电脑：记录链完好", len(all)), fmt.Sprintf("all %d laptops: their chains are whole", len(all)), func(ctx context.Context) error {
		var err error
		for _, l := range all {
			if verr := s.verify(ctx, &l.Program); verr != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", l.Name, verr))
			}
		}
		return err
	})
	return list
}

// check holds the office against what was put in, and the laptops against the
// office. It goes through all of it, whatever fails.
func (s *story) check(ctx context.Context) error {
	s.title(9, "核对", "Checking")
	list := s.claims()
	found := make([]error, len(list))
	done := make([]chan struct{}, len(list))
	for i := range done {
		done[i] = make(chan struct{})
	}
	var work errgroup.Group
	work.SetLimit(2)
	go func() {
		for i, c := range list {
			work.Go(func() error {
				found[i] = c.holds(ctx)
				close(done[i])
				return nil
			})
		}
	}()
	good := true
	for i, c := range list {
		<-done[i]
		if ctx.Err() != nil {
			continue
		}
		mark := "✓ "
		if found[i] != nil {
			mark, good = "✗ ", false
		}
		s.say(mark+c.zh, mark+c.en)
		if found[i] != nil {
			fmt.Println("       " + strings.ReplaceAll(found[i].Error(), "\n", "\n       "))
		}
	}
	took := time.Since(s.start).Round(time.Second)
	if !good {
		s.say("有不符之处，见上。共用 %s", "Something differs, see above. It took %s", took)
		return errWrong
	}
	s.say("全部相符。共用 %s", "All is right. It took %s", took)
	return nil
}

// waiting checks what waits for a decision at the office.
func (s *story) waiting(ctx context.Context) error {
	type conflict struct{ ID, Path, Kind string }
	list, err := rig.All[conflict](ctx, &s.server.Program, "conflicts")
	if err != nil {
		return err
	}
	if len(list) != 1 || list[0].ID != s.asked || list[0].Path != "house_structure" {
		return fmt.Errorf("%v waits for a decision, not house_structure of %s alone", list, s.asked)
	}
	held, err := rig.All[struct{ ID, Reason string }](ctx, &s.server.Program, "quarantine", "list")
	if err != nil {
		return err
	}
	if len(held) > 0 {
		return fmt.Errorf("%d changes are quarantined, the first: %v", len(held), held[0])
	}
	return nil
}

// equal holds a laptop against the office.
func (s *story) equal(ctx context.Context, l *rig.Laptop) error {
	st, err := l.Status(ctx)
	if err != nil {
		return err
	}
	if st.Pending > 0 || st.Quarantined > 0 {
		err = fmt.Errorf("%d pending, %d quarantined", st.Pending, st.Quarantined)
	}
	village := s.villageOf(l).Code
	office, oerr := s.atOffice(ctx, village)
	laptop, lerr := replica(ctx, &l.Program, village)
	if oerr != nil || lerr != nil {
		return errors.Join(err, oerr, lerr)
	}
	return errors.Join(err, differ(office, laptop))
}

// atOffice is what the office shows of a village; it is asked once.
func (s *story) atOffice(ctx context.Context, village string) (map[string]string, error) {
	s.asking.Lock()
	defer s.asking.Unlock()
	if s.replicas[village] == nil {
		r, err := replica(ctx, &s.server.Program, village)
		if err != nil {
			return nil, err
		}
		s.replicas[village] = r
	}
	return s.replicas[village], nil
}

func (s *story) verify(ctx context.Context, p *rig.Program) error {
	_, err := p.Do(ctx, "verify")
	return err
}

// addresses says where everything can be looked at.
func (s *story) addresses(ctx context.Context) error {
	s.title(10, "请随意查看", "Yours to browse")
	s.say("办公室：%s   账号 %s   密码 %s", "the office: %s   account %s   password %s", s.server.URL, s.server.Login, s.server.Password)
	s.say("（浏览器会提示证书不受信任：它是这台服务器自己签发的）", "(the browser warns of the certificate: this server made it itself)")
	for i, l := range s.laptops() {
		link, err := l.Do(ctx, "open", "--print")
		if err != nil {
			return err
		}
		s.say("电脑%d %s：%s", "laptop %d, %s: %s", i+1, l.Name, strings.TrimSpace(string(link)))
	}
	s.say("每个链接只能用一次；再要一个：%s open --print --data %s", "each link works once; for another: %s open --print --data %s", s.first.Binary, s.first.Data)
	s.say("按 Ctrl-C 结束，停止一切并删除数据。", "Ctrl-C ends it, stops everything and removes the data.")
	return nil
}
