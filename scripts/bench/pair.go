package main

import (
	"context"
	"errors"

	"zhucun/scripts/rig"
	"zhucun/shared/identity"
)

// pair gives an office and two laptops of it in a folder of their own; the first has
// the set's records and has not sent them. done ends all of it.
func (b *bench) pair(ctx context.Context, name string, s set) (srv *rig.Server, laptops []*rig.Laptop, done func() error, err error) {
	r, remove, err := b.dir(name)
	if err != nil {
		return nil, nil, nil, err
	}
	done = func() (err error) {
		for _, l := range laptops {
			err = errors.Join(err, l.Close())
		}
		if srv != nil {
			err = errors.Join(err, srv.Stop())
		}
		remove()
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, done())
		}
	}()
	if srv, err = office(ctx, r, s.villages...); err != nil {
		return srv, laptops, done, err
	}
	for _, name := range []string{"甲", "乙"} {
		l, err := r.Laptop(ctx, srv, "laptop-"+name, name, identity.Office, s.villages...)
		if err != nil {
			return srv, laptops, done, err
		}
		laptops = append(laptops, l)
	}
	records, err := file(r.Dir, s.records)
	if err == nil {
		_, err = laptops[0].Import(ctx, records)
	}
	return srv, laptops, done, err
}
