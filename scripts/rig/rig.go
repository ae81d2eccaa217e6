package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"time"

	"zhucun/scripts/badlink"
	"zhucun/shared/identity"
)

// Rig is a folder with programs at work in it.
type Rig struct {
	Dir   string // for all data
	Bin   string // where zhucun-server and zhucun-agent are
	Lang  string
	Plain bool // HTTP without TLS, so that links see what is sent
	Env   []string
	Log   io.Writer
}

// Server is an office's server.
type Server struct {
	Program
	Login, Password string // of the first account
	URL             string // once it serves
}

// Server makes a server's data in DIR/name.
func (r *Rig) Server(ctx context.Context, name string) (*Server, error) {
	s := &Server{Program: Program{Binary: filepath.Join(r.Bin, "zhucun-server"), Data: filepath.Join(r.Dir, name), Lang: r.Lang, Env: r.Env, Log: r.Log}}
	var made struct{ Login, Password string }
	if err := s.JSON(ctx, &made, "init"); err != nil {
		return nil, err
	}
	s.Login, s.Password = made.Login, made.Password
	return s, nil
}

// Serve starts the server at listen, or at a free port when that is taken or
// empty.
func (r *Rig) Serve(ctx context.Context, s *Server, listen string) error {
	args := []string{"serve", "--listen", free(listen)}
	if r.Plain {
		args = append(args, "--plain-http")
	}
	var ready struct{ URL string }
	if err := s.Start(ctx, &ready, args...); err != nil {
		return err
	}
	s.URL = ready.URL
	return nil
}

// free gives the address if nobody has it, else one at which the program finds
// itself a free port.
func free(addr string) string {
	const any = "127.0.0.1:0"
	if addr == "" {
		return any
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return any
	}
	l.Close()
	return addr
}

// Laptop is an agent behind a link of its own.
type Laptop struct {
	Program
	Name string // of whoever it was enrolled for
	Link *badlink.Link
	Addr string // of its page, while it runs
}

// Laptop enrols a laptop whose data is in DIR/name. Its code is the office's
// with the address of its own link in it.
func (r *Rig) Laptop(ctx context.Context, s *Server, name, person string, role identity.Role, villages ...string) (*Laptop, error) {
	var issued struct{ Code string }
	if err := s.JSON(ctx, &issued, "enrol", "--village", strings.Join(villages, ","), "--role", string(role), "--name", person); err != nil {
		return nil, err
	}
	code, err := identity.ParseCode(issued.Code)
	if err != nil {
		return nil, err
	}
	scheme, addr, _ := strings.Cut(s.URL, "://")
	link, err := badlink.New(addr, 1, badlink.Weather{})
	if err != nil {
		return nil, err
	}
	code.URL = scheme + "://" + link.Addr()
	l := &Laptop{
		Program: Program{Binary: filepath.Join(r.Bin, "zhucun-agent"), Data: filepath.Join(r.Dir, name), Lang: r.Lang, Env: r.Env, Log: r.Log},
		Name:    person, Link: link,
	}
	if _, err := l.Do(ctx, "enrol", code.String()); err != nil {
		link.Close()
		return nil, err
	}
	return l, nil
}

// Run starts the agent at listen, or at a free port when that is taken or empty.
func (l *Laptop) Run(ctx context.Context, listen string) error {
	var ready struct{ Listening string }
	if err := l.Start(ctx, &ready, "run", "--listen", free(listen)); err != nil {
		return err
	}
	l.Addr = ready.Listening
	return nil
}

// Close stops the agent and its link.
func (l *Laptop) Close() error {
	err := l.Stop()
	l.Link.Close()
	return err
}

// Synced is what sync prints.
type Synced struct {
	Pushed     uint64 `json:"pushed"`
	Pulled     uint64 `json:"pulled"`
	BytesUp    int64  `json:"bytes_up"`
	BytesDown  int64  `json:"bytes_down"`
	RoundTrips int    `json:"round_trips"`
	Pending    uint64 `json:"pending"`
}

// Sync syncs once, for at most wait.
func (l *Laptop) Sync(ctx context.Context, wait time.Duration) (Synced, error) {
	var s Synced
	err := l.JSON(ctx, &s, "sync", "--wait", wait.String())
	return s, err
}

// Status is what status prints, as far as anybody here looks at it.
type Status struct {
	Pending     uint64 `json:"pending"`
	Delivered   uint64 `json:"delivered"`
	Quarantined uint64 `json:"quarantined"`
	Conflicts   uint64 `json:"conflicts"`
	Records     uint64 `json:"records"`
	Device      string `json:"device"`
	Problem     string `json:"problem"`
}

// Status asks how the laptop stands.
func (l *Laptop) Status(ctx context.Context) (Status, error) {
	var s Status
	err := l.JSON(ctx, &s, "status")
	return s, err
}

// Imported is what import prints.
type Imported struct {
	Rows, New, Changed, Same int
	Bad                      []json.RawMessage
}

// Import imports a file; a row that was not taken is an error.
func (l *Laptop) Import(ctx context.Context, file string) (Imported, error) {
	var i Imported
	err := l.JSON(ctx, &i, "import", file)
	if len(i.Bad) > 0 {
		err = fmt.Errorf("import %s: %d rows were not taken, the first: %s", filepath.Base(file), len(i.Bad), i.Bad[0])
	}
	return i, err
}

// Put saves fields (name=value) of one record and gives its id; with id "" it
// makes one.
func (l *Laptop) Put(ctx context.Context, typ, id string, fields ...string) (string, error) {
	args := []string{"put", typ}
	if id != "" {
		args = append(args, "--id", id)
	}
	var saved struct{ ID string }
	err := l.JSON(ctx, &saved, append(args, fields...)...)
	return saved.ID, err
}

// Record is a record as get and list print it.
type Record struct {
	Village   string             `json:"village"`
	Type      string             `json:"type"`
	ID        string             `json:"id"`
	Fields    map[string]any     `json:"fields"`
	Conflicts map[string][]Claim `json:"conflicts"`
	Proposals map[string][]Claim `json:"proposals"`
	Others    map[string][]Claim `json:"others"`
	State     string             `json:"state"`
	Life      string             `json:"life"`
}

// Claim is one of several live values of a field.
type Claim struct {
	Value  any    `json:"value"`
	Dot    string `json:"dot"`
	Author string `json:"author"`
	At     string `json:"at"`
}
