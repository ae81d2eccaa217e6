package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"zhucun/scripts/badlink"
	"zhucun/scripts/dataset"
	"zhucun/scripts/rig"
	"zhucun/shared/identity"
)

// story is the demonstration as it goes on.
type story struct {
	voice
	start time.Time
	rig   rig.Rig
	truth *truth

	villages   []dataset.Village
	posts      map[string][]dataset.Record // by village, in each of these
	households map[string][]dataset.Record
	visits     map[string][]dataset.Record
	register   []dataset.Record // posts, households and persons of all villages

	server                  *rig.Server
	township                *rig.Laptop
	elsewhere               []*rig.Laptop // in the other villages
	first, second, third    *rig.Laptop   // the first two in one village
	shared, other           string        // the villages
	settled, decided, asked string        // households: at the office, on a laptop, left open

	asking   sync.Mutex
	replicas map[string]map[string]string // by village: what the office shows
}

// play goes through the parts in order; each builds on those before.
func (s *story) play(ctx context.Context) error {
	parts := []struct {
		zh, en string
		do     func(context.Context) error
	}{
		{"准备数据", "The data", s.data},
		{"中心办公室的服务器", "The central office's server", s.office},
		{"乡镇录入底册，其他村录入走访", "The township brings in the register, other villages their visits", s.bring},
		{"三台电脑登记并领取本村底册", "Three laptops enrol and take their village's register", s.enrol},
		{"没有网络：照常记录", "No network: recording goes on", s.offline},
		{"网络很差：慢、时断时续", "A bad link: slow, and cut again and again", s.badLink},
		{"两台电脑各自改了同一户", "Two laptops change the same households apart", s.clash},
		{"处理冲突：一处在办公室，一处在电脑上", "Settling: one at the office, one on a laptop", s.settle},
	}
	for i, p := range parts {
		s.title(i+1, p.zh, p.en)
		if err := p.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// close stops everything that was started.
func (s *story) close() error {
	var err error
	for _, l := range append(s.elsewhere, s.township, s.first, s.second, s.third) {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	}
	if s.server != nil {
		err = errors.Join(err, s.server.Stop())
	}
	return err
}

// data makes the records. Their dates are moved so that the last visits were
// yesterday: the office's month and the laptops' "today" then show something.
func (s *story) data(context.Context) error {
	s.truth = newTruth()
	s.replicas = map[string]map[string]string{}
	s.posts, s.households, s.visits = map[string][]dataset.Record{}, map[string][]dataset.Record{}, map[string][]dataset.Record{}
	d := dataset.Generate(dataset.Options{Changes: -1})
	s.villages = d.Villages
	last := ""
	for _, r := range d.Records {
		if r.Type == "visit" {
			last = max(last, r.Fields.Text("visit_date"))
		}
	}
	day, err := time.Parse(time.DateOnly, last)
	if err != nil {
		return err
	}
	yesterday := time.Now().In(time.FixedZone("", 8*3600)).AddDate(0, 0, -1)
	move := int(yesterday.Sub(day).Hours() / 24)
	for _, r := range d.Records {
		switch r.Type {
		case "visit":
			for i, f := range r.Fields {
				if f.Name == "visit_date" || f.Name == "follow_up" {
					t, err := time.Parse(time.DateOnly, f.Value.(string))
					if err != nil {
						return err
					}
					r.Fields[i].Value = t.AddDate(0, 0, move).Format(time.DateOnly)
				}
			}
			s.visits[r.Village] = append(s.visits[r.Village], r)
		default:
			switch r.Type {
			case "team_post":
				s.posts[r.Village] = append(s.posts[r.Village], r)
			case "household":
				s.households[r.Village] = append(s.households[r.Village], r)
			}
			s.register = append(s.register, r)
		}
		if err := s.truth.add(r); err != nil {
			return err
		}
	}
	s.shared, s.other = s.villages[0].Code, s.villages[2].Code
	s.say("%d 个村，%s 户、%s 人、%s 次走访，全是虚构的",
		"%d villages, %s households, %s persons, %s visits, all made up",
		len(s.villages), thousands(s.truth.count("household")), thousands(s.truth.count("person")), thousands(s.truth.count("visit")))
	return nil
}

func (s *story) office(ctx context.Context) (err error) {
	if s.server, err = s.rig.Server(ctx, "office"); err != nil {
		return err
	}
	for _, v := range s.villages {
		if _, err := s.server.Do(ctx, "village", "add", v.Code, v.Name, "--township", v.Township); err != nil {
			return err
		}
	}
	if err := s.rig.Serve(ctx, s.server, "127.0.0.1:8440"); err != nil {
		return err
	}
	s.say("已在 %s 运行，加密；电脑只认登记码里写明的密钥", "running at %s, encrypted; laptops accept only the key that their code names", s.server.URL)
	return nil
}

// bring has a laptop of the township enter the register of all villages, and
// then a laptop in each village that is not the story's its team's visits.
func (s *story) bring(ctx context.Context) (err error) {
	var codes, others []string
	for _, v := range s.villages {
		codes = append(codes, v.Code)
		if v.Code != s.shared && v.Code != s.other {
			others = append(others, v.Code)
		}
	}
	if s.township, err = s.rig.Laptop(ctx, s.server, "township", "乡镇办公室", identity.TownshipOffice, codes...); err != nil {
		return err
	}
	took, up, down, err := s.load(ctx, s.township, s.register)
	if err != nil {
		return err
	}
	s.say("底册 %s 条：导入并同步用了 %.1f 秒，上行 %s，下行 %s",
		"the register, %s records: imported and synced in %.1f s, %s up, %s down", thousands(len(s.register)), took.Seconds(), size(up), size(down))
	var work errgroup.Group
	start := time.Now()
	n := 0
	for _, v := range others {
		person := s.posts[v][0].Fields.Text("person_name")
		l, err := s.rig.Laptop(ctx, s.server, "laptop-"+v, person, identity.FirstSecretary, v)
		if err != nil {
			return err
		}
		s.elsewhere = append(s.elsewhere, l)
		n += len(s.visits[v])
		work.Go(func() error {
			_, _, _, err := s.load(ctx, l, s.visits[v])
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	s.say("另外 %d 个村的工作队，各用一台电脑，共 %s 次走访：%.1f 秒", "the teams of %d other villages, each with a laptop, %s visits: %.1f s", len(others), thousands(n), time.Since(start).Seconds())
	return nil
}

// load imports records on a laptop that does not run, and syncs it.
func (s *story) load(ctx context.Context, l *rig.Laptop, records []dataset.Record) (took time.Duration, up, down int64, err error) {
	start := time.Now()
	file, err := s.write(filepath.Base(l.Data)+".jsonl", records)
	if err != nil {
		return 0, 0, 0, err
	}
	if _, err := l.Import(ctx, file); err != nil {
		return 0, 0, 0, err
	}
	l.Link.Reset()
	done, err := l.Sync(ctx, 2*time.Minute)
	if err != nil {
		return 0, 0, 0, err
	}
	if done.Pushed != uint64(len(records)) {
		return 0, 0, 0, fmt.Errorf("%s: %d records were delivered of %d", l.Name, done.Pushed, len(records))
	}
	passed := l.Link.Counts()
	return time.Since(start), passed.Up, passed.Down, nil
}

// enrol brings the three laptops in. They run from here on.
func (s *story) enrol(ctx context.Context) (err error) {
	for i, l := range []struct {
		to      **rig.Laptop
		village string
		post    int
	}{{&s.first, s.shared, 0}, {&s.second, s.shared, 1}, {&s.third, s.other, 0}} {
		person := s.posts[l.village][l.post].Fields.Text("person_name")
		role := identity.TeamMember
		if l.post == 0 {
			role = identity.FirstSecretary
		}
		if *l.to, err = s.rig.Laptop(ctx, s.server, fmt.Sprintf("laptop-%d", i+1), person, role, l.village); err != nil {
			return err
		}
		if err := (*l.to).Run(ctx, fmt.Sprintf("127.0.0.1:%d", 8451+i)); err != nil {
			return err
		}
	}
	for i, l := range s.laptops() {
		if err := s.synced(ctx, l, time.Minute, false); err != nil {
			return err
		}
		st, err := l.Status(ctx)
		if err != nil {
			return err
		}
		s.say("电脑%d %s（%s）：领取 %s 条", "laptop %d, %s (%s): took %s records", i+1, l.Name, s.villageOf(l).Name, thousands(st.Records))
	}
	return nil
}

func (s *story) laptops() []*rig.Laptop { return []*rig.Laptop{s.first, s.second, s.third} }

func (s *story) villageOf(l *rig.Laptop) dataset.Village {
	code := s.shared
	if l == s.third {
		code = s.other
	}
	return s.villages[slices.IndexFunc(s.villages, func(v dataset.Village) bool { return v.Code == code })]
}

// typed is how many of the visits of the shared village the second laptop
// enters by hand.
const typed = 25

// offline takes the links away and enters the visits: from a file, as lines, and
// through the drop folder.
func (s *story) offline(ctx context.Context) error {
	for _, l := range s.laptops() {
		l.Link.Set(badlink.Weather{Down: true})
	}
	mine := s.visits[s.shared]
	file, err := s.write("visits.jsonl", mine[typed:])
	if err != nil {
		return err
	}
	if _, err := s.first.Import(ctx, file); err != nil {
		return err
	}
	var lines bytes.Buffer
	w := dataset.NewLines(&lines)
	for _, r := range mine[:typed] {
		if err := w.Write(r); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if _, err := s.second.DoWith(ctx, &lines, "put", "visit"); err != nil {
		return err
	}
	// Beside the folder first: what is moved in is whole.
	theirs, err := s.write("dropped.jsonl", s.visits[s.other])
	if err != nil {
		return err
	}
	if err := os.Rename(theirs, filepath.Join(s.third.Data, "inbox", "visits.jsonl")); err != nil {
		return err
	}
	want := []int{len(mine) - typed, typed, len(s.visits[s.other])}
	how := [][2]string{{"从文件导入", "imported from a file"}, {"逐条录入", "entered line by line"}, {"放进收件夹", "through the drop folder"}}
	for i, l := range s.laptops() {
		st, err := s.await(ctx, l, time.Minute, func(st rig.Status) bool { return st.Pending >= uint64(want[i]) })
		if err != nil {
			return err
		}
		if st.Pending != uint64(want[i]) {
			return fmt.Errorf("laptop %d has %d changes to send, not %d", i+1, st.Pending, want[i])
		}
		s.say(fmt.Sprintf("电脑%d：%s，%s 次走访已存盘，未送达 %s", i+1, how[i][0], thousands(want[i]), thousands(st.Pending)),
			fmt.Sprintf("laptop %d: %s, %s visits on disk, %s pending", i+1, how[i][1], thousands(want[i]), thousands(st.Pending)))
	}
	visits, err := rig.All[rig.Record](ctx, &s.second.Program, "list", "visit")
	if err != nil {
		return err
	}
	for _, r := range visits {
		// A try to send may have been made; nothing else may be shown.
		if r.State != "local" && r.State != "sent" {
			return fmt.Errorf("visit %s is shown as %q without any network", r.ID, r.State)
		}
	}
	told := map[string]string{}
	for _, lang := range []string{"zh", "en"} {
		short, cancel := context.WithTimeout(ctx, 20*time.Second)
		var refused *rig.Failure
		_, err := s.second.Do(short, "sync", "--wait", "1s", "--lang", lang)
		cancel()
		if !errors.As(err, &refused) || refused.Said == "" {
			return fmt.Errorf("a sync without network should fail and say so: %w", err)
		}
		told[lang] = refused.Said
	}
	s.say("电脑2试着同步：“"+told["zh"]+"”", "laptop 2 tries to sync: “"+told["en"]+"”")
	return nil
}

// badLink gives each laptop a link of its own kind of badness, and waits until
// all that was recorded has arrived.
func (s *story) badLink(ctx context.Context) error {
	kinds := []struct {
		weather badlink.Weather
		zh, en  string
	}{
		{badlink.Weather{UpBits: 1_000_000, DownBits: 1_000_000, Delay: 150 * time.Millisecond, CutAfter: 3 * time.Second, Spread: 0.3, Refuse: time.Second},
			"1 Mbit/s，往返 0.3 秒，约每 3 秒断一次，断后 1 秒连不上", "1 Mbit/s, 0.3 s there and back, cut about every 3 s, then refused for 1 s"},
		{badlink.Weather{UpBits: 64_000, DownBits: 512_000, Delay: 300 * time.Millisecond},
			"上行 64 kbit/s，下行 512 kbit/s，往返 0.6 秒", "64 kbit/s up, 512 kbit/s down, 0.6 s there and back"},
		{badlink.Weather{UpBits: 512_000, DownBits: 512_000, Delay: 300 * time.Millisecond, CutBytes: 300_000, Spread: 0.3, Refuse: time.Second},
			"512 kbit/s，往返 0.6 秒，约每 300 KB 断一次", "512 kbit/s, 0.6 s there and back, cut about every 300 KB"},
	}
	for i, l := range s.laptops() {
		l.Link.Reset()
		l.Link.Set(kinds[i].weather)
		s.say(fmt.Sprintf("电脑%d：%s", i+1, kinds[i].zh), fmt.Sprintf("laptop %d: %s", i+1, kinds[i].en))
	}
	start := time.Now()
	ended := make(chan error, 3)
	took := make([]time.Duration, 3)
	for i, l := range s.laptops() {
		go func() {
			err := s.synced(ctx, l, 90*time.Second, i == 0)
			took[i] = time.Since(start)
			ended <- err
		}()
	}
	var err error
	for range 3 {
		err = errors.Join(err, <-ended)
	}
	if err != nil {
		return err
	}
	for i, l := range s.laptops() {
		c := l.Link.Counts()
		s.say("电脑%d：%.0f 秒全部送达；上行 %s，下行 %s，%d 次连接，断开 %d 次，被拒 %d 次",
			"laptop %d: all delivered in %.0f s; %s up, %s down, %d connections, cut %d times, refused %d times",
			i+1, took[i].Seconds(), size(c.Up), size(c.Down), c.Connections, c.Cuts, c.Refused)
		l.Link.Set(badlink.Weather{})
	}
	// What the other one recorded.
	for _, l := range s.laptops() {
		if err := s.synced(ctx, l, time.Minute, false); err != nil {
			return err
		}
	}
	return nil
}

// synced syncs until nothing is pending.
func (s *story) synced(ctx context.Context, l *rig.Laptop, wait time.Duration, tell bool) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	watching, unwatch := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if tell {
			s.watch(watching, l)
		}
	}()
	defer func() { unwatch(); <-watched }()
	for {
		end, _ := ctx.Deadline()
		_, err := l.Sync(ctx, time.Until(end))
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			st, serr := l.Status(context.WithoutCancel(ctx))
			return errors.Join(fmt.Errorf("%s: after %s there are still %d changes to send (%s)", l.Name, wait, st.Pending, st.Problem), serr)
		}
	}
}

// watch tells every few seconds how far a laptop has come.
func (s *story) watch(ctx context.Context, l *rig.Laptop) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(4 * time.Second):
		}
		st, err := l.Status(ctx)
		if err != nil || st.Pending == 0 {
			continue
		}
		c := l.Link.Counts()
		s.say("  …… 已送达 %s，还有 %s；已断开 %d 次", "  … %s delivered, %s to go; cut %d times so far", thousands(st.Delivered), thousands(st.Pending), c.Cuts)
	}
}

// await asks a laptop how it stands until it is as it should be.
func (s *story) await(ctx context.Context, l *rig.Laptop, wait time.Duration, ok func(rig.Status) bool) (rig.Status, error) {
	end := time.Now().Add(wait)
	for {
		st, err := l.Status(ctx)
		if err != nil || ok(st) {
			return st, err
		}
		if time.Now().After(end) {
			return st, fmt.Errorf("%s: not there after %s: %+v", l.Name, wait, st)
		}
		select {
		case <-ctx.Done():
			return st, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// write puts records into a file in the demonstration's folder.
func (s *story) write(name string, records []dataset.Record) (string, error) {
	path := filepath.Join(s.rig.Dir, name)
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	w := dataset.NewLines(f)
	for _, r := range records {
		if err := w.Write(r); err != nil {
			f.Close()
			return "", err
		}
	}
	return path, errors.Join(w.Flush(), f.Close())
}
