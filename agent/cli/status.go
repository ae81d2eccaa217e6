package cli

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zhucun/agent/store"
	"zhucun/agent/syncclient"
	"zhucun/agent/vault"
)

// statusJSON is what status prints.
type statusJSON struct {
	Pending   uint64 `json:"pending"`
	Delivered uint64 `json:"delivered"`
	// Quarantined counts changes that the office set aside, Rejected those of them that
	// it decided against, and nobody here has seen why.
	Quarantined uint64          `json:"quarantined"`
	Rejected    uint64          `json:"rejected"`
	Conflicts   uint64          `json:"conflicts"`
	Proposals   uint64          `json:"proposals"`
	LastSync    *string         `json:"last_sync"`
	ClockOffset int64           `json:"clock_offset"` // ms to add to this machine's clock
	Villages    []statusVillage `json:"villages"`
	Blobs       int             `json:"blobs"` // files that are still to be brought to the server
	// Originals are the photos as they came that are kept beside the small ones.
	Originals *originalsJSON `json:"originals,omitempty"`
	Records   uint64         `json:"records"`
	Device    string         `json:"device"`
	Role      string         `json:"role"`
	Profiles  []string       `json:"profiles"`
	Server    string         `json:"server"`
	Running   bool           `json:"running"`
	Problem   string         `json:"problem,omitempty"`
	Courier   *courierJSON   `json:"courier,omitempty"`
	// RenewedAt is when it last showed that this data might be an older image or a
	// copy.
	RenewedAt string `json:"renewed_at,omitempty"`
	// Missing counts changes that were saved here and are not here now; those that
	// were delivered come back from the office.
	Missing uint64 `json:"missing,omitempty"`
	// Edition is the number of what the office has published last and holds here, 0 for the
	// program's own forms; Unread tells of a later one that this program cannot read.
	Edition uint64 `json:"edition"`
	Unread  bool   `json:"edition_unread,omitempty"`
	// Rebuilt tells of the last time that the data file was damaged and made anew.
	Rebuilt  *rebuiltJSON `json:"rebuilt,omitempty"`
	InBundle uint64       `json:"in_bundle"` // pending changes that went into a bundle and no further
	// Quiet tells that the laptop spares its battery and metered links.
	Quiet bool `json:"quiet"`
	// Protection is what unlocks the data: "passphrase", "keyring", or "unprotected".
	Protection vault.Way `json:"protection"`
	// Progress is how far the sync has come that is under way.
	Progress *progressJSON `json:"progress,omitempty"`
	// OutOfContact is for how many days the laptop was, where that locks it.
	OutOfContact int `json:"out_of_contact,omitempty"`
}

// progressJSON counts changes and records as syncclient.Progress does. What nothing
// tells yet is left out.
type progressJSON struct {
	Sent        uint64 `json:"sent"`
	ToSend      uint64 `json:"to_send"`
	Taken       uint64 `json:"taken"`
	ToTake      uint64 `json:"to_take"`
	BytesUp     int64  `json:"bytes_up"`
	BytesDown   int64  `json:"bytes_down"`
	UpLeft      int64  `json:"bytes_up_left,omitempty"`
	DownLeft    int64  `json:"bytes_down_left,omitempty"`
	SecondsLeft int64  `json:"seconds_left,omitempty"`
	Trouble     string `json:"trouble,omitempty"`
	Files       int    `json:"files,omitempty"` // still to be brought or fetched
}

func (c *call) progress(p *syncclient.Progress) *progressJSON {
	j := &progressJSON{Sent: p.Sent, ToSend: p.ToSend, Taken: p.Taken, ToTake: p.ToTake, BytesUp: p.Up, BytesDown: p.Down,
		Files: p.Files, UpLeft: p.UpLeft, DownLeft: p.DownLeft, SecondsLeft: int64((p.Left + time.Second - 1) / time.Second)}
	if p.Trouble != nil {
		j.Trouble = sentence(p.Trouble, c.lang)
	}
	return j
}

// originalsJSON counts originals that lie on this laptop, and those of them that are
// still to be brought; what records say of their delivery is told without them.
type originalsJSON struct {
	Here         int   `json:"here"`
	Bytes        int64 `json:"bytes"`
	Waiting      int   `json:"waiting"`
	WaitingBytes int64 `json:"waiting_bytes"`
}

type rebuiltJSON struct {
	At      string `json:"at"`
	Saved   uint64 `json:"saved"`   // changes without a receipt that were found
	Missing uint64 `json:"missing"` // and that were not
	Aside   string `json:"aside"`   // the damaged file
}

// courierJSON is what is carried for others: files that wait for the server, those
// that it refused, and its replies.
type courierJSON struct {
	Waiting int      `json:"waiting"`
	Refused int      `json:"refused"`
	Replies []string `json:"replies"`
}

type statusVillage struct {
	Code      string `json:"code"`
	Name      string `json:"name"`
	Records   uint64 `json:"records"`
	Pending   uint64 `json:"pending"`
	Conflicts uint64 `json:"conflicts"`
	// Backed counts this laptop's own changes that are in a backup at the office.
	Backed uint64 `json:"backed"`
	// Fetching tells that it comes anew from the office and is not all here yet, Denied
	// that by the office's last answer the laptop may not have it any more.
	Fetching bool `json:"fetching,omitempty"`
	Denied   bool `json:"denied,omitempty"`
}

func (c *call) statusCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: c.say("同步情况", "How the sync stands"),
		Args:  c.words(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), false, func(a *agent) error {
				d, err := a.store.Device()
				if err != nil {
					return err
				}
				st, err := a.store.Status()
				if err != nil {
					return err
				}
				skew, err := a.store.Skew()
				if err != nil {
					return err
				}
				s := statusJSON{
					Pending: st.Pending, InBundle: st.Bundled, Delivered: st.Delivered, Quarantined: st.Quarantined, Rejected: st.Rejected, Conflicts: st.Conflicts, Proposals: st.Proposals, ClockOffset: skew, Records: st.Records, Blobs: st.Blobs,
					Device: string(d.ID), Role: string(d.Assigned.Role), Profiles: append([]string{}, d.Assigned.Profiles...), Server: d.URL, Running: c.live != nil, Protection: way(a.dir), Villages: []statusVillage{},
				}
				if days, lapsed, err := a.store.Lapsed(); err != nil {
					return err
				} else if lapsed {
					s.OutOfContact = days
				}
				if s.Edition, s.Unread, err = a.store.Edition(); err != nil {
					return err
				}
				if s.Quiet, err = a.store.Quiet(); err != nil {
					return err
				}
				if d.LastSync > 0 {
					t := time.UnixMilli(d.LastSync).UTC().Format(time.RFC3339)
					s.LastSync = &t
				}
				s.Missing = st.Missing
				if r := st.Rebuilt; r.At > 0 {
					s.Rebuilt = &rebuiltJSON{time.UnixMilli(r.At).UTC().Format(time.RFC3339), r.Saved, r.Missing, r.Aside}
				}
				if st.Renewed > 0 {
					s.RenewedAt = time.UnixMilli(st.Renewed).UTC().Format(time.RFC3339)
				}
				for _, v := range d.Assigned.Villages {
					sv := statusVillage{Code: string(v.Code), Name: v.Name}
					for _, vs := range st.Villages {
						if vs.Code == v.Code {
							sv.Records, sv.Pending, sv.Conflicts, sv.Backed, sv.Fetching, sv.Denied = vs.Records, vs.Pending, vs.Conflicts, vs.Backed, vs.Anew, vs.Denied
						}
					}
					s.Villages = append(s.Villages, sv)
				}
				here, waiting, err := a.store.Originals()
				if err != nil {
					return err
				}
				if here.Files+waiting.Files > 0 {
					s.Originals = &originalsJSON{here.Files, here.Bytes, waiting.Files, waiting.Bytes}
				}
				burden, err := a.sync.Courier()
				if err != nil {
					return err
				}
				if len(burden.Waiting)+len(burden.Refused)+len(burden.Replies) > 0 {
					s.Courier = &courierJSON{Waiting: len(burden.Waiting), Refused: len(burden.Refused), Replies: []string{}}
					for _, r := range burden.Replies {
						s.Courier.Replies = append(s.Courier.Replies, r.Path)
					}
				}
				state := a.sync.State()
				if p := state.Problem; p != nil {
					s.Problem = sentence(p, c.lang)
				}
				if state.Running {
					s.Progress = c.progress(&state.Progress)
				}
				if c.json {
					return c.print(s)
				}
				if st.Rebuilt.At > 0 {
					c.printf("%s\n", c.rebuilt(st.Rebuilt))
				}
				if !d.Enrolled() {
					c.printf("%s\n", c.sentence(store.ErrNotEnrolled))
					return nil
				}
				c.write(c.say("%s（%s）  服务器 %s\n", "%s (%s)  server %s\n", strings.Join(d.Assigned.Profiles, "、"), a.forms.RoleLabel(d.Assigned.Role).In(c.lang), d.URL))
				last := c.say("还没有", "never")
				if d.LastSync > 0 {
					last = time.UnixMilli(d.LastSync).In(beijing).Format("2006-01-02 15:04")
				}
				c.write(c.say("上次同步 %s；未送达 %d，已送达 %d，被搁置 %d；待决定 %d\n", "last sync %s; pending %d, delivered %d, set aside %d; to decide %d\n", last, st.Pending, st.Delivered, st.Quarantined, st.Conflicts))
				if s.Unread {
					c.write(c.say("办公室发布了新的表格，这个程序太旧，读不了；照原来的表格用，请尽快更新程序\n", "the office has published forms that this program is too old to read; it goes on with those before, update it soon\n"))
				}
				if st.Blobs > 0 {
					c.write(c.say("还有 %d 张照片或文件没有送达\n", "%d photos or files are not delivered yet\n", st.Blobs))
				}
				if s.Originals != nil && waiting.Files == 0 {
					c.write(c.say("本机留有 %d 张原图，占 %s；都已送到办公室\n", "%d originals of photos lie here and take %s; all are at the office\n", here.Files, syncclient.Size(here.Bytes)))
				} else if s.Originals != nil {
					c.write(c.say("本机留有 %d 张原图，占 %s；还有 %d 张（%s）没有送到办公室，排在最后，不影响上面的送达\n", "%d originals of photos lie here and take %s; %d of them (%s) are not at the office yet: they go last, and what is delivered above is told without them\n",
						here.Files, syncclient.Size(here.Bytes), waiting.Files, syncclient.Size(waiting.Bytes)))
				}
				if words := state.Progress.Words(c.lang); state.Running && words != "" {
					c.write(c.say("正在同步：%s\n", "syncing: %s\n", words))
				}
				if st.Rejected > 0 {
					c.write(c.say("被搁置的有 %d 条办公室没有采纳，原因见 quarantine list\n", "%d of the set aside were rejected by the office; quarantine list tells why\n", st.Rejected))
				}
				for _, v := range s.Villages {
					c.write(c.say("  %s %s  %d 条记录，未送达 %d\n", "  %s %s  %d records, %d pending\n", v.Code, v.Name, v.Records, v.Pending))
					if v.Denied {
						c.write(c.say("    办公室已停用这台电脑，或把这个村交给了别人：录入仍会送到办公室审看，新内容不再取回\n", "    the office has revoked this laptop, or taken the village from it: what you enter goes to the office for review, and nothing new comes from there\n"))
					}
					if v.Fetching {
						c.write(c.say("    正在从办公室重新取回，还不全；联网后自动取完\n", "    fetched again from the office and not all here yet; that goes on by itself\n"))
					}
				}
				for _, v := range st.Villages {
					if _, err := d.Village(v.Code); err != nil {
						c.write(c.say("  %s  已不再由这台电脑负责，未送达 %d；这里写过的都进了办公室的备份以后，从这台电脑移除\n", "  %s  is no longer this laptop's, %d pending; it goes from here once all that was written here is in a backup at the office\n", v.Code, v.Pending))
					}
				}
				if st.Bundled > 0 {
					c.write(c.say("未送达的有 %d 条已装入数据包，等答复文件（bundle take）确认\n", "%d of the pending are in a bundle and wait for the reply file (bundle take)\n", st.Bundled))
				}
				if co := s.Courier; co != nil {
					c.write(c.say("为别人捎带：%d 个文件等待同步，%d 个答复待带回，%d 个被服务器退回（原因见 %s）\n", "Carried for others: %d files wait for a sync, %d replies to be taken back, %d refused by the server (why: %s)\n",
						co.Waiting, len(co.Replies), co.Refused, filepath.Join(a.store.Dir(), "courier", "refused")))
					for _, r := range co.Replies {
						c.printf("  %s\n", r)
					}
				}
				if s.Problem != "" {
					c.printf("%s\n", s.Problem)
				}
				if s.Quiet {
					c.write(c.quietly(true))
				}
				if s.Protection == vault.Unprotected {
					c.write(c.protection(s.Protection) + "\n")
				}
				if st.Missing > 0 {
					c.write(c.say("这里少了 %d 次已存上的修改：数据从旧备份恢复过，或磁盘出了错（%s 发现）。已送达的会从办公室回来；没送出的请核对最近的录入，重新填写\n",
						"%d saved changes are missing here: the data was restored from an older copy, or the disk failed (found on %s). What had been delivered comes back from the office; look through your last entries for what had not, and enter it again\n",
						st.Missing, time.UnixMilli(st.Renewed).In(beijing).Format("2006-01-02 15:04")))
					if kept, _ := filepath.Glob(filepath.Join(a.store.Dir(), storeFile+".replaced-*")); len(kept) > 0 {
						c.write(c.say("旁边留有 %s，里面可能有这些修改：重新填写以前，先问办公室\n", "%s lies beside it and may have them: ask the office before you enter anything again\n", filepath.Base(kept[len(kept)-1])))
					}
				} else if st.Renewed > 0 {
					c.write(c.say("%s 发现这里的数据从旧备份恢复过，或被复制、移动过；这里有的都还在，办公室缺的会自动补送。若有两台电脑在用同一份数据，请给其中一台重新登记\n",
						"On %s this data was found to have been restored from an older copy, copied or moved; what is here stays, and what the office lacks is sent again by itself. If two laptops use the same data, enrol one of them anew\n",
						time.UnixMilli(st.Renewed).In(beijing).Format("2006-01-02 15:04")))
				}
				return nil
			})
		},
	}
}
