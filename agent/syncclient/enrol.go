package syncclient

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"zhucun/agent/store"
	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

// The errors of Enrol.
var (
	ErrEnrolled = errors.New("this laptop is enrolled already; use another data folder, or ask the office to change what it is assigned")
	ErrBadCode  = errors.New("the server does not accept this code: it was mistyped, used, or is too old; ask the office for a new one")
	errAlone    = errors.New("the server was not reached; the code may be tried again")
)

// Enrol brings the laptop in with a code. Code and key are stored before the
// server is asked, so that the same code works again after a lost answer. A laptop
// that is enrolled may come with a code of its own server: restored from a backup
// of before, that does not know it any more, and takes it in anew with all its work.
func (c *Client) Enrol(ctx context.Context, text string) (store.Device, error) {
	d, err := c.store.Device()
	if err != nil {
		return d, err
	}
	code, err := identity.ParseCode(text)
	again := d.Enrolled()
	switch {
	case again && (err != nil || code.Pin != d.Pin):
		return d, ErrEnrolled
	case again:
		// Who it is stays as it is until the server says otherwise.
		d.URL = code.URL
	case err != nil:
		return d, err
	default:
		if d, err = c.store.SetDevice(ctx, func(d *store.Device) { d.Code, d.URL, d.Pin = text, code.URL, code.Pin }); err != nil {
			return d, err
		}
	}
	// A connection that is left from another code was looked at for that one's key.
	c.http.HTTPClient.CloseIdleConnections()
	answer := new(wire.Enrolled)
	m := &wire.Enrol{Version: wire.Version, Code: code.ID, Secret: code.Secret, Key: d.Private().Public().(ed25519.PublicKey), Agent: c.version}
	var r Report
	at, err := c.post(ctx, d, wire.EnrolPath, m, answer, &r)
	var f *wire.Fault
	if errors.As(err, &f) && f.Code == wire.FaultCode {
		if again {
			return d, ErrEnrolled
		}
		return d, ErrBadCode
	}
	if errors.Is(err, errNoAnswer) {
		return d, fmt.Errorf("%w: %w", errAlone, err)
	}
	if err != nil {
		return d, err
	}
	if identity.PinOf(answer.Server) != code.Pin || len(answer.Server) != ed25519.PublicKeySize {
		return d, errPin
	}
	if answer.Device == "" || answer.Token == "" || len(answer.Assigned.Villages) == 0 || len(answer.Assigned.Profiles) == 0 {
		return d, fmt.Errorf("%w: its answer is incomplete", ErrUnfit)
	}
	if again && answer.Device == d.ID {
		return d, ErrEnrolled // the code that it came in with
	}
	d, err = c.store.SetDevice(ctx, func(d *store.Device) {
		d.Code, d.URL = "", code.URL
		d.ID, d.Token, d.Server, d.Numbers, d.Assigned = answer.Device, answer.Token, answer.Server, answer.Numbers, answer.Assigned
	})
	if err != nil {
		return d, err
	}
	if err := c.measure(ctx, answer.Time, at); err != nil {
		return d, err
	}
	// One that does not come through goes with a later sync.
	c.handIn(ctx, &r)
	return d, nil
}

// handIn gives the server the key of the data, sealed to it, where it has yet to
// have it.
func (c *Client) handIn(ctx context.Context, r *Report) {
	err := func() error {
		due, err := c.store.EscrowDue()
		if err != nil || !due {
			return err
		}
		sealed, err := c.store.Escrow()
		if err != nil {
			return err
		}
		d, err := c.store.Device()
		if err != nil {
			return err
		}
		answer := new(wire.Escrowed)
		if _, err := c.post(ctx, d, wire.EscrowPath, &wire.Escrow{Version: wire.Version, Sealed: sealed}, answer, r); err != nil {
			return err
		}
		_, err = c.store.SetDevice(ctx, func(d *store.Device) { d.Escrowed = answer.Epoch })
		return err
	}()
	if err != nil {
		c.log.Warn("the key of the data was not handed in", "error", err)
	}
}
