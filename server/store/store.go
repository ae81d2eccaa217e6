package store

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"

	"zhucun/server/blob"
	"zhucun/shared/clock"
	"zhucun/shared/figure"
	"zhucun/shared/form"
	"zhucun/shared/journal"
	"zhucun/shared/pack"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Engine is a database, and what differs between one and another.
type Engine struct {
	// Write and Read are the same database. Transactions on Write are those
	// that may lock; on SQLite it is one connection.
	Write, Read *sql.DB
	// Migrations holds NUMBER_name.sql, in the order of their numbers.
	Migrations fs.FS
	// Among gives the condition that column is one of the texts in parameter
	// number n, passed as the JSON array that Texts makes.
	Among func(column string, n int) string
	// Columns gives the names of a table's columns, none if there is no such table.
	Columns func(ctx context.Context, tx *sql.Tx, table string) ([]string, error)
	// Forget drops from the database's files what no table holds any more; false
	// where somebody who is reading keeps it from that.
	Forget func(ctx context.Context) (bool, error)
	// Again tells an error that a repetition of the transaction may mend.
	Again func(error) bool
	// Copy writes the database as of one moment into a new file, beside running
	// writers, and lets look read what is in it.
	Copy func(ctx context.Context, file string, look func(*sql.DB) error) error
}

// Options are what a Store is given from outside.
type Options struct {
	// Key is the server's identity: it signs receipts and the office's changes.
	Key    ed25519.PrivateKey
	Now    func() time.Time
	Random io.Reader
	Log    *slog.Logger // nil: none
	Files  *blob.Files  // what records show; nil: none are taken
}

// Store is the server's data.
type Store struct {
	Options
	engine Engine
	forms  *form.Set
	epoch  wire.Epoch
	anew   bool // the data has come out of a backup once
	write  statements
	read   statements
	made   atomic.Pointer[map[record.Type]*table]
	rules  atomic.Pointer[figure.Rules]
	// edition is the number of what the office has published last, as this process has it;
	// publishing is held while another is made to hold everywhere, holding while it takes
	// its place here.
	edition    atomic.Uint64
	publishing sync.Mutex
	holding    sync.Mutex
	zip        *zstd.Encoder

	notice notice
	heard  contacts
	trends trends
}

// ErrNotFound says that there is no such thing.
var ErrNotFound = errors.New("not found")

// New brings the schema up to date and gives the store.
func New(ctx context.Context, e Engine, o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{Options: o, engine: e, forms: form.Builtin().Copy()}
	s.write.db, s.read.db = e.Write, e.Read
	s.notice.init()
	var err error
	if s.zip, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false)); err != nil {
		return nil, err
	}
	s.hold(0, form.Builtin(), figure.Builtin())
	_, _ = s.holdNewest(ctx) // before the schema is made there is none
	// A command beside a running server must not wait for its lock only to
	// find that everything is in order.
	if s.current(ctx) {
		return s, nil
	}
	if err := s.migrate(ctx); err != nil {
		return nil, fmt.Errorf("bring the schema up to date: %w", err)
	}
	if _, err := s.holdNewest(ctx); err != nil {
		return nil, fmt.Errorf("read what the office has published: %w", err)
	}
	if err := s.chainNotes(ctx); err != nil {
		return nil, fmt.Errorf("chain the audit: %w", err)
	}
	if err := s.makeTables(ctx); err != nil {
		return nil, fmt.Errorf("make the tables of the forms: %w", err)
	}
	if err := s.reviewAnew(ctx); err != nil {
		return nil, fmt.Errorf("list anew what waits: %w", err)
	}
	if err := s.begin(ctx); err != nil {
		return nil, fmt.Errorf("draw the epoch: %w", err)
	}
	if !s.current(ctx) {
		return nil, errors.New("the schema is not as it was just made")
	}
	return s, nil
}

// current reads the epoch and tells whether the schema is this program's.
func (s *Store) current(ctx context.Context) bool {
	var schema, epoch []byte
	err := s.look(ctx, func(t *tx) error {
		t.from = nil
		if err := t.row(`SELECT value FROM meta WHERE key = 'schema'`).Scan(&schema); err != nil {
			return err
		}
		if err := t.row(`SELECT count(*) > 0 FROM meta WHERE key = $1`, metaAnew).Scan(&s.anew); err != nil {
			return err
		}
		return t.row(`SELECT value FROM meta WHERE key = 'epoch'`).Scan(&epoch)
	})
	copy(s.epoch[:], epoch)
	return err == nil && string(schema) == s.schema()
}

// schema names the migrations, forms and formulas that the tables must have been made by.
func (s *Store) schema() string {
	h := sha256.New()
	files, err := fs.Glob(s.engine.Migrations, "*.sql")
	fmt.Fprintln(h, files, err)
	for _, f := range s.forms.Forms() {
		fmt.Fprintln(h, s.tables()[f.Type].version())
	}
	fmt.Fprintln(h, figure.Formulas, *s.rules.Load(), s.searchBy(), reviewVersion)
	return hex.EncodeToString(h.Sum(nil))
}

// begin draws the epoch where the data begins, drops figures and keys that were worked
// out otherwise, and notes the schema.
func (s *Store) begin(ctx context.Context) error {
	var epoch wire.Epoch
	if _, err := io.ReadFull(s.Random, epoch[:]); err != nil {
		return err
	}
	return s.change(ctx, func(t *tx) error {
		if err := t.exec(`INSERT INTO meta(key, value) VALUES('epoch', $1) ON CONFLICT(key) DO NOTHING`, epoch[:]); err != nil {
			return err
		}
		for _, kept := range []string{"figure", "search_head", "search_key", "type_count"} {
			if err := t.exec(`DELETE FROM ` + kept); err != nil {
				return err
			}
		}
		if err := s.derivedAll(t); err != nil {
			return err
		}
		return t.setMeta("schema", []byte(s.schema()))
	})
}

// Epoch names this life of the data: it changes when a backup is restored.
func (s *Store) Epoch() wire.Epoch { return s.epoch }

// Forms are the forms by which the store reads its records.
func (s *Store) Forms() *form.Set { return s.forms }

// now is the server's clock in milliseconds.
func (s *Store) now() int64 { return s.Now().UnixMilli() }

// Close writes what is still in memory and closes the database.
func (s *Store) Close() error {
	err := s.FlushContacts(context.Background())
	s.write.close()
	s.read.close()
	return errors.Join(err, s.engine.Read.Close(), s.engine.Write.Close())
}

// Meta gives a value of the table meta; nil when there is none.
func (s *Store) Meta(ctx context.Context, key string) ([]byte, error) {
	var b []byte
	err := s.look(ctx, func(t *tx) error {
		return t.row(`SELECT value FROM meta WHERE key = $1`, key).Scan(&b)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return b, err
}

// SetMeta sets a value of the table meta, with the notes that it leaves in the
// audit.
func (s *Store) SetMeta(ctx context.Context, key string, value []byte, notes ...*Note) error {
	return s.change(ctx, func(t *tx) error {
		if err := t.setMeta(key, value); err != nil {
			return err
		}
		return t.note(s, s.Now(), notes...)
	})
}

func (t *tx) setMeta(key string, value []byte) error {
	return t.exec(`INSERT INTO meta(key, value) VALUES($1, $2) ON CONFLICT(key) DO UPDATE SET value = excluded.value`, key, value)
}

// pack and unpack are how segments lie in the table.
func (s *Store) pack(raw []byte) []byte { return s.zip.EncodeAll(raw, make([]byte, 0, len(raw)/2)) }

func (s *Store) unpack(body []byte) (*journal.Segment, error) {
	raw, err := pack.Unzip(body, wire.MaxUnpacked)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", journal.ErrDamaged, err)
	}
	return journal.Decode(raw)
}

// beijing is the zone of all dates: China has one and no summer time since 1991.
var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

// Day gives the date in Beijing at t, by which a form's rules are checked.
func Day(t clock.Time) string { return t.Std().In(beijing).Format("2006-01-02") }

// statements keeps each text prepared for a database. What a transaction finds
// missing it prepares for itself, and asks for it to be kept once it has ended:
// before that the only writing connection is its own.
type statements struct {
	db *sql.DB
	sync.Mutex
	made map[string]*sql.Stmt
}

func (p *statements) get(text string) *sql.Stmt {
	p.Lock()
	defer p.Unlock()
	return p.made[text]
}

func (p *statements) keep(ctx context.Context, text string) {
	st, err := p.db.PrepareContext(ctx, text)
	if err != nil {
		return // it will be prepared again when it is needed
	}
	p.Lock()
	defer p.Unlock()
	if p.made == nil {
		p.made = map[string]*sql.Stmt{}
	}
	if p.made[text] != nil {
		st.Close()
		return
	}
	p.made[text] = st
}

func (p *statements) close() {
	p.Lock()
	defer p.Unlock()
	for _, st := range p.made {
		st.Close()
	}
	p.made = nil
}

// tx is one transaction with its prepared statements.
type tx struct {
	*sql.Tx
	ctx     context.Context
	from    *statements // nil: statements are not kept
	mine    map[string]*sql.Stmt
	missing []string
}

func (t *tx) prepare(text string) (*sql.Stmt, error) {
	if st := t.mine[text]; st != nil {
		return st, nil
	}
	var st *sql.Stmt
	if t.from != nil {
		if st = t.from.get(text); st == nil {
			t.missing = append(t.missing, text)
		}
	}
	if st != nil {
		st = t.StmtContext(t.ctx, st)
	} else {
		var err error
		if st, err = t.PrepareContext(t.ctx, text); err != nil {
			return nil, fmt.Errorf("prepare %.60q: %w", text, err)
		}
	}
	t.mine[text] = st
	return st, nil
}

func (t *tx) exec(text string, args ...any) error {
	_, err := t.affect(text, args...)
	return err
}

// affect is exec for those who need to know how many rows it touched.
func (t *tx) affect(text string, args ...any) (int64, error) {
	st, err := t.prepare(text)
	if err != nil {
		return 0, err
	}
	r, err := st.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, fmt.Errorf("%.60q: %w", text, err)
	}
	return r.RowsAffected()
}

// rows calls each for every row of the answer.
func (t *tx) rows(each func(*sql.Rows) error, text string, args ...any) error {
	st, err := t.prepare(text)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(t.ctx, args...)
	if err != nil {
		return fmt.Errorf("%.60q: %w", text, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// one is the answer of a query for one row.
type one struct {
	row *sql.Row
	err error
}

func (o one) Scan(into ...any) error {
	if o.err != nil {
		return o.err
	}
	return o.row.Scan(into...)
}

func (t *tx) row(text string, args ...any) one {
	st, err := t.prepare(text)
	if err != nil {
		return one{err: err}
	}
	return one{row: st.QueryRowContext(t.ctx, args...)}
}

// attempts is how often a transaction is tried that another process kept out.
const attempts = 5

// change runs do in a transaction that may write. Once begun it runs to its
// end whatever becomes of ctx: a caller that hangs up costs nothing but the
// answer, and the driver need not watch for it at every statement, which would
// start a goroutine for each. While it waits for its turn it gives up with ctx.
func (s *Store) change(ctx context.Context, do func(*tx) error) error {
	var err error
	for range attempts {
		err = s.run(ctx, &s.write, nil, do)
		if errors.Is(err, errOther) {
			if _, err := s.holdNewest(ctx); err != nil {
				return err
			}
			continue
		}
		if err == nil || !s.engine.Again(err) {
			return err
		}
	}
	return err
}

// look runs do in a transaction that only reads: all of it sees one moment.
func (s *Store) look(ctx context.Context, do func(*tx) error) error {
	return s.run(ctx, &s.read, &sql.TxOptions{ReadOnly: true}, do)
}

func (s *Store) run(ctx context.Context, from *statements, o *sql.TxOptions, do func(*tx) error) error {
	conn, err := from.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	ctx = context.WithoutCancel(ctx)
	t := &tx{ctx: ctx, from: from, mine: map[string]*sql.Stmt{}}
	if err := t.run(conn, o, do); err != nil {
		return err
	}
	if t.from != nil {
		for _, text := range t.missing {
			t.from.keep(ctx, text)
		}
	}
	return nil
}

// run leaves neither a transaction nor a connection behind, not even when do
// panics: there is one connection to write, and who panics may well be
// recovered further up.
func (t *tx) run(conn *sql.Conn, o *sql.TxOptions, do func(*tx) error) (err error) {
	defer func() { err = errors.Join(err, conn.Close()) }()
	if t.Tx, err = conn.BeginTx(t.ctx, o); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	done := false
	defer func() {
		if !done {
			err = errors.Join(err, t.Rollback())
		}
	}()
	if err := do(t); err != nil {
		return err
	}
	done = true
	if err := t.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// Again tells an error of a store that is only busy: the same may be tried
// later.
func (s *Store) Again(err error) bool { return s.engine.Again(err) }
