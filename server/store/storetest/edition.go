package storetest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"zhucun/server/store"
	"zhucun/shared/clock"
	"zhucun/shared/figure"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// publish publishes the household's form with changes; pairs are what stands in it, and
// what is to stand there.
func (w *World) publish(rules figure.Tables, pairs ...string) error {
	w.Helper()
	last, err := w.Edition(w.ctx())
	w.ok(err)
	table := form.BuiltinTables()["household.csv"]
	for i := 0; i < len(pairs); i += 2 {
		if !bytes.Contains(table, []byte(pairs[i])) {
			w.Fatalf("%q is not in the form", pairs[i])
		}
		table = bytes.Replace(table, []byte(pairs[i]), []byte(pairs[i+1]), 1)
	}
	settings := form.BuiltinTables()["settings.csv"]
	settings = bytes.Replace(settings, []byte("household,1,"), []byte("household,"+string(rune('2'+last.Number))+","), 1)
	next, err := last.Next(form.Tables{"household.csv": table, "settings.csv": settings}, rules)
	w.ok(err)
	return w.Publish(w.ctx(), next, "admin", "试行")
}

// HalfPublished: at opens the data in another process. One that publishes and dies before
// it has made the rows anew leaves that to a server that runs.
func HalfPublished(w *World, at func(store.Options) *store.Store) {
	l := w.Laptop("王队员", identity.FirstSecretary)
	l.Write(New("household", ID(1), map[record.Path]record.Value{"head_name": `"李大"`, "partner": record.Text(ID(2).String())}))
	l.Send(l.Segment(1, 1))
	var late atomic.Int64
	o := w.Options()
	o.Now = func() time.Time { return time.UnixMilli(start + late.Load()) }
	server := at(o)
	partners := func() int {
		n := 0
		for _, err := range server.Records(w.ctx(), store.Query{Type: "household", Where: []store.Condition{{Field: "partner", Value: ID(2).String()}}}) {
			if err != nil {
				return -1
			}
			n++
		}
		return n
	}
	ctx, stop := context.WithTimeout(w.ctx(), 30*time.Second)
	defer stop()
	watched := make(chan struct{})
	go func() { server.Watch(ctx); close(watched) }()
	// The process ends while it commits: nothing comes after that.
	var dying *store.Store
	o = w.Options()
	o.Now = func() time.Time {
		if dying != nil {
			dying.Close()
		}
		return w.time()
	}
	command := at(o)
	was := w.Store
	dying, w.Store = command, command
	last, err := server.Edition(w.ctx())
	w.ok(err)
	table := bytes.Replace(form.BuiltinTables()["household.csv"], []byte(phoneRow), []byte(partnerRow), 1)
	next, err := last.Next(form.Tables{"household.csv": table, "settings.csv": bytes.Replace(form.BuiltinTables()["settings.csv"], []byte("household,1,"), []byte("household,2,"), 1)}, nil)
	w.ok(err)
	if err := w.Publish(w.ctx(), next, "admin", ""); err == nil {
		w.Fatal("who died has told that it is done")
	}
	w.Store = was
	for partners() < 0 && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(1500 * time.Millisecond) // a look of Watch
	if n := partners(); n != 0 {
		w.Errorf("%d by partner at once; whoever published is given no time", n)
	}
	late.Store(time.Minute.Milliseconds())
	for partners() != 1 && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	if n := partners(); n != 1 {
		w.Errorf("%d by partner: what was half done stays so", n)
	}
	stop()
	<-watched
	w.Store = at(w.Options())
	w.Whole()
	w.Store = was
}

const (
	phoneRow   = "text,phone,电话,Phone"
	partnerRow = "select_one_from_file household.csv,partner,结对户,Paired household,,,,,,,,latest,,,,\n" + phoneRow
)

// Editions: again opens the data in another process, left counts the rows of a table that
// have something in a column. What is published holds for what was stored before and for what comes; a process that
// did not publish it follows, and so does one that is opened later.
func Editions(w *World, again func() *store.Store, left func(table, column string) int) {
	const (
		phone     = phoneRow
		partner   = partnerRow
		mobile    = "a mobile number has 11 digits and begins with 1,latest"
		contested = "a mobile number has 11 digits and begins with 1,review"
	)
	beside, office := again(), again() // other processes on the same data
	l, m := w.Laptop("王队员", identity.FirstSecretary), w.Laptop("李队员", identity.FirstSecretary)
	l.Write(New("household", ID(1), map[record.Path]record.Value{"head_name": `"李大"`, "phone": `"13900000001"`, "partner": record.Text(ID(2).String())}))
	m.Write(record.Change{Record: ID(1), Type: "household", Form: 1, Body: []record.Write{{Path: "phone", Value: `"13900000002"`}}})
	l.Send(l.Segment(1, 1))
	m.Send(m.Segment(1, 1))
	waits := func(s *store.Store) int {
		list, err := s.Reviews(w.ctx(), Code)
		w.ok(err)
		return len(list)
	}
	partners := func(s *store.Store) (n int, err error) {
		for _, e := range s.Records(w.ctx(), store.Query{Type: "household", Where: []store.Condition{{Field: "partner", Value: ID(2).String()}}}) {
			if e != nil {
				return 0, e
			}
			n++
		}
		return n, nil
	}
	if n := waits(w.Store); n != 0 {
		w.Errorf("%d wait before", n)
	}
	if _, err := partners(w.Store); err == nil {
		w.Error("a field that no form has is asked for")
	}
	serial := func() uint64 {
		d, err := w.Device(w.ctx(), l.Device.ID)
		w.ok(err)
		return d.Serial
	}
	w.enrolled(l)
	told := serial()
	w.ok(w.publish(figure.Tables{"exit_lines.csv": []byte("year,yuan\n2016,4321\n")}, phone, partner, mobile, contested))
	shows := func(who string, s *store.Store) {
		w.Helper()
		n, err := partners(s)
		if err != nil || n != 1 || waits(s) != 1 || s.Rules().Lines[0].Yuan != 4321 {
			w.Errorf("%s: %d by partner, %v, %d wait, %v", who, n, err, waits(s), s.Rules().Lines)
		}
	}
	shows("who published", w.Store)
	w.Whole()
	if n := serial(); n != told+1 {
		w.Errorf("the laptop's serial went from %d to %d", told, n)
	}
	list, err := w.Editions(w.ctx())
	w.ok(err)
	if len(list) != 1 || list[0].Number != 1 || list[0].By != "admin" || list[0].Note != "试行" {
		w.Errorf("%+v", list)
	}

	// Another process, whose office writes where no laptop brings anything, has not heard of it.
	w.ok(office.Desk(w.ctx(), Code, func(d *store.Desk) error {
		_, err := d.Write(record.Change{Record: ID(4), Type: "household", Author: "office", Body: []record.Write{{Path: "partner", Value: record.Text(ID(2).String())}}})
		return err
	}))
	if n, err := partners(office); n != 2 || err != nil {
		w.Errorf("%d by partner, %v, in the process whose office wrote", n, err)
	}
	if n, err := partners(w.Store); n != 2 || err != nil {
		w.Errorf("%d by partner, %v, once another process's office wrote", n, err)
	}
	w.Whole()

	// Meanwhile another process has stored by the forms before.
	m.Write(New("household", ID(3), map[record.Path]record.Value{"head_name": `"李三"`, "partner": record.Text(ID(2).String())}))
	_, err = beside.Take(w.ctx(), store.Delivery{Village: Code, From: m.Device, Segments: [][]byte{m.Segment(2, 2)}, Received: clock.At0(w.Clock)})
	w.ok(err)
	ctx, stop := context.WithTimeout(w.ctx(), 20*time.Second)
	defer stop()
	go beside.Watch(ctx)
	for ctx.Err() == nil {
		if n, err := partners(beside); err == nil && n == 3 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	if n, err := partners(w.Store); n != 3 || err != nil {
		w.Errorf("%d by partner, %v, once the other process knows", n, err)
	}
	if n, err := partners(again()); n != 3 || err != nil {
		w.Errorf("%d by partner, %v, in a process that was opened later", n, err)
	}
	w.Whole()

	// Two publish at once: the second is told.
	first, err := w.Edition(w.ctx())
	w.ok(err)
	a, err := first.Next(nil, nil)
	w.ok(err)
	w.ok(w.Publish(w.ctx(), a, "admin", ""))
	if err := w.Publish(w.ctx(), a, "other", ""); !errors.Is(err, store.ErrPublished) {
		w.Errorf("the second to publish: %v", err)
	}
	// What cannot be read publishes nothing.
	var mistake *form.Mistake
	if err := w.publish(nil, phone, "hologram,phone,电话,Phone"); !errors.As(err, &mistake) || !strings.HasPrefix(mistake.Error(), "household.csv row 5") {
		w.Errorf("a form with a mistake: %v", err)
	}
	// A field that goes takes what it held out of the table.
	w.ok(w.publish(nil))
	if _, err := partners(w.Store); err == nil {
		w.Error("a field that went is asked for")
	}
	if n := left("form_household", "partner"); n != 0 {
		w.Errorf("%d rows still have what was in it", n)
	}
	if n := waits(w.Store); n != 0 {
		w.Errorf("%d wait, though nothing is left to decide", n)
	}
}
