package wire

import (
	"zhucun/shared/blob"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/record"
)

// The server's paths.
const (
	EnrolPath = "/v1/enrol"
	SyncPath  = "/v1/sync"
	// ShortPath is SyncPath to a server that takes it (TakesShort); the token is in
	// TokenHeader then, as it is.
	ShortPath   = "/s"
	TokenHeader = "Z"
	// BundlePath takes a file of package bundle as it is, from whoever brings it,
	// and answers with the reply, as it is.
	BundlePath = "/v1/bundle"
	// BundleUploads behind BlobPath, in the place of a village, is where a bundle comes in
	// parts, from whoever brings it. When it is whole BundlePath takes it, asked with its
	// id in BundleUpload and no body, and answers with the reply; it stays until it is
	// terminated or has run out.
	BundleUploads = "bundle"
	BundleUpload  = "Zhucun-Upload"
	// BlobPath, and behind it a village's code, takes files and gives them out:
	// DESIGN.md. With BlobsAsked behind that it takes a BlobAsk.
	BlobPath   = "/v1/blobs/"
	BlobsAsked = "/asked"
	// BlobThumbnail behind a file's name is its small picture.
	BlobThumbnail = "/thumbnail"
	// EscrowPath takes the key of a laptop's data, sealed to the server.
	EscrowPath = "/v1/escrow"
)

// A long request that is cut off goes on where it was cut: BodyHeader names the
// message, by BodyName, FromHeader says how many of its bytes the server has, or
// WholeBody that it has them all.
const (
	BodyHeader = "Zhucun-Body"
	FromHeader = "Zhucun-From"
	WholeBody  = "all"
)

// Version is the version of the messages: raised when a reader of the old ones
// would misunderstand the new.
const Version = 1

// Limits in bytes. A larger message is refused by either side.
const (
	MaxRequest = 8 << 20
	MaxAnswer  = 16 << 20
	// MaxUnpacked bounds a message after decompression.
	MaxUnpacked = 64 << 20
)

// Enrol asks to bring a device in. It may be repeated with the same key.
type Enrol struct {
	Version uint64   `cbor:"0,keyasint"`
	Code    [8]byte  `cbor:"1,keyasint"`
	Secret  [16]byte `cbor:"2,keyasint"`
	Key     []byte   `cbor:"3,keyasint"` // Ed25519, 32 bytes
	Agent   string   `cbor:"4,keyasint"` // the agent's version
}

// Enrolled says who the device is from now on.
type Enrolled struct {
	Device   identity.Device `cbor:"0,keyasint"`
	Token    string          `cbor:"1,keyasint"` // shown with every request
	Server   []byte          `cbor:"2,keyasint"` // the server's identity key, Ed25519
	Numbers  []byte          `cbor:"3,keyasint"` // the key of record.NumberedID
	Assigned Assignment      `cbor:"4,keyasint"`
	Time     int64           `cbor:"5,keyasint"` // the server's clock, ms since 1970
}

// Escrow hands in the key of a laptop's data for the day on which its passphrase
// is forgotten. It may be repeated.
type Escrow struct {
	Version uint64 `cbor:"0,keyasint"`
	Sealed  []byte `cbor:"1,keyasint"` // escrow.Seal
}

// Escrowed says that the server keeps it, in this life of its data.
type Escrowed struct {
	Epoch Epoch `cbor:"0,keyasint"`
}

// BlobAsk asks which of these files the server has of a village.
type BlobAsk struct {
	Version uint64      `cbor:"0,keyasint"`
	Hashes  []blob.Hash `cbor:"1,keyasint"`
	// Of says of each which photos it is the original of, in the same order; empty where
	// none is one.
	Of [][]blob.Hash `cbor:"2,keyasint,omitempty"`
}

// MaxOf bounds the photos that one file is the original of.
const MaxOf = 8

// MaxAsked bounds the files that are asked for at once.
const MaxAsked = 1000

// BlobsHeld answers with receipts for those that it has, in the order asked.
type BlobsHeld struct {
	Version  uint64         `cbor:"0,keyasint"`
	Receipts []blob.Receipt `cbor:"1,keyasint,omitempty"`
	// Backed is when the last backup was begun that has files, ms since 1970; 0 never.
	// It has those that were received until then.
	Backed int64 `cbor:"2,keyasint,omitempty"`
}

// HeldFiles is what the server has of a village's files. It holds for this epoch: in
// another life of its data the server may lack them.
type HeldFiles struct {
	Village  record.Village `cbor:"0,keyasint"`
	Epoch    Epoch          `cbor:"1,keyasint"`
	Receipts []blob.Receipt `cbor:"2,keyasint,omitempty"`
	// Smalls are the files of which it has the small picture.
	Smalls []blob.Hash `cbor:"3,keyasint,omitempty"`
	// Backed is as in BlobsHeld.
	Backed int64 `cbor:"4,keyasint,omitempty"`
}

// BlobReceipt is the header in which the server gives its receipt for a file
// (blob.Receipt.Header).
const BlobReceipt = "Zhucun-Receipt"

// MaxBlob bounds a file, MaxThumbnail its small picture, in bytes.
const (
	MaxBlob      = 64 << 20
	MaxThumbnail = 32 << 10
)

// Assignment is what a device may do: for which villages, in which role, and
// who writes on it.
type Assignment struct {
	Serial   uint64        `cbor:"0,keyasint"` // rises with every change
	Villages []Village     `cbor:"1,keyasint"`
	Role     identity.Role `cbor:"2,keyasint"`
	Profiles []string      `cbor:"3,keyasint"` // the first is whom the device was enrolled for
	// OfflineDays is how many days without contact lock the laptop; 0 is never.
	OfflineDays uint64 `cbor:"4,keyasint,omitempty"`
	// PhotoSide and PhotoQuality are what photos are made of: points on the longer side,
	// and 1 to 100; 0 is as the agent likes (1600, 80).
	PhotoSide    uint64 `cbor:"5,keyasint,omitempty"`
	PhotoQuality uint64 `cbor:"6,keyasint,omitempty"`
	// Originals tells that a photo is kept as it came too, and brought behind all else.
	Originals bool `cbor:"7,keyasint,omitempty"`
	// Edition is what the office has published (edition.Edition.Encode); empty while it has
	// published nothing. An agent that does not know of it goes on with its own forms.
	Edition []byte `cbor:"8,keyasint,omitempty"`
}

// Village is a village's code and names.
type Village struct {
	_        struct{} `cbor:",toarray"`
	Code     record.Village
	Name     string
	Township string
}

// RoomUnit is the unit of Sync.Room, in bytes.
const RoomUnit = 64 << 20

// RoomOf gives free bytes as Sync.Room says them: coarsely above 4 GiB, so that a request
// that has nothing to say is mostly the one before it.
func RoomOf(free uint64) uint64 {
	n := free / RoomUnit
	if n >= 4<<30/RoomUnit {
		n -= n % (1 << 30 / RoomUnit)
	}
	return max(n, 1)
}

// Sync is a device's request.
type Sync struct {
	Version uint64 `cbor:"0,keyasint"`
	// Clock is the device's clock (clock.Clock.Read) as the request leaves, in ms;
	// it travels in front of the message (EncodeSync). Runs are its settings since
	// the last acknowledged change.
	Clock    int64       `cbor:"-"`
	Runs     []clock.Run `cbor:"2,keyasint,omitempty"`
	Villages []Push      `cbor:"3,keyasint"`
	// Budget is how many bytes of pages the device wants at most.
	Budget uint64 `cbor:"4,keyasint,omitempty"`
	// Assigned is the serial of the assignment that the device has.
	Assigned uint64 `cbor:"5,keyasint,omitempty"`
	// Pending counts the changes that are still to come after this request.
	Pending uint64 `cbor:"6,keyasint,omitempty"`
	Agent   string `cbor:"7,keyasint,omitempty"`
	// Backed asks how far the device's own streams are in a backup of the server's.
	Backed bool `cbor:"8,keyasint,omitempty"`
	// Wait is for how many seconds the server may keep the answer to a request that
	// brings nothing, where there is nothing to say: until there is. A server that
	// does not know of it answers at once.
	Wait uint64 `cbor:"9,keyasint,omitempty"`
	// Room is how much is free on the disk of the device's data, in units of RoomUnit and
	// rounded down, one at least; 0: not known.
	Room uint64 `cbor:"10,keyasint,omitempty"`
	// Reads says what the device reads beside what every release does: ReadsColumns …
	Reads uint64 `cbor:"20,keyasint,omitempty"`

	raw    []byte // the request as CBOR, once it was encoded or decoded
	mixed  bool   // it came mixed
	known  Known  // what it is to be, or was, mixed behind
	behind bool   // it was
}

// Push is what a device has for one village, and from where on it wants the
// village's feed.
type Push struct {
	Village record.Village `cbor:"0,keyasint"`
	// Epoch and Cursor say up to where the device holds the feed. In another
	// epoch than the server's they count as the beginning.
	Epoch  Epoch  `cbor:"1,keyasint"`
	Cursor uint64 `cbor:"2,keyasint"`
	// Streams are the device's own of which entries wait for a receipt, or of which
	// receipts are asked for again (all of them while pages are set aside), with the
	// last entry it holds and the last one it has a receipt for, or asks no receipt
	// for. Of a stream that is not named the device gets everything behind its cursor.
	Streams []Own `cbor:"3,keyasint,omitempty"`
	// Segments are encoded by journal.Segment.Encode, those of one stream in
	// order.
	Segments [][]byte `cbor:"4,keyasint,omitempty"`
	// After says that pages after Cursor have come and are set aside, up to here:
	// the feed goes on behind After, but everything else, the heads of the last
	// page and the rule of what the device need not be sent, still counts from
	// Cursor. 0 when none are set aside.
	After uint64 `cbor:"5,keyasint,omitempty"`
	// Proofs are receipts of an earlier life of the server's data for segments of
	// this request: it judges and dates these as it did then.
	Proofs []journal.Receipt `cbor:"6,keyasint,omitempty"`
}

// Epoch is drawn when the server's data begins or begins anew from a backup.
type Epoch [8]byte

// Own is one of a device's own streams in a village.
type Own struct {
	_      struct{} `cbor:",toarray"`
	Stream record.Stream
	// Head is the last entry the device holds, Acked the last it has a receipt for
	// and does not ask one again.
	Head, Acked uint64
}

// Synced is the server's answer.
type Synced struct {
	Version  uint64      `cbor:"0,keyasint"`
	Time     int64       `cbor:"1,keyasint"` // the server's clock, ms since 1970
	Villages []Pull      `cbor:"2,keyasint,omitempty"`
	Assigned *Assignment `cbor:"3,keyasint,omitempty"` // when the device's is old
	// Next is how many seconds the device should wait for the next poll.
	Next uint64 `cbor:"4,keyasint,omitempty"`
	// Files comes with a reply file: what the server has of the files that the bundle
	// brought or asked for.
	Files []HeldFiles `cbor:"21,keyasint,omitempty"`
	// Takes says what requests the server takes beside what every release does:
	// TakesMixed … It is said to who might make use of it and did not.
	Takes uint64 `cbor:"20,keyasint,omitempty"`
}

// Pull is the answer for one village. A village of which there is nothing to
// say is left out.
type Pull struct {
	Village  record.Village    `cbor:"0,keyasint"`
	Epoch    Epoch             `cbor:"1,keyasint"`
	Receipts []journal.Receipt `cbor:"2,keyasint,omitempty"`
	Refused  []Refused         `cbor:"3,keyasint,omitempty"`
	// Records is the next page of the feed behind From, Cursor where it ends. From
	// is the request's After or, without one, its Cursor, and 0 when the request
	// was of another epoch. The device checks it: an answer to an older question
	// would claim more than it brings.
	From    uint64  `cbor:"9,keyasint,omitempty"`
	Records []State `cbor:"4,keyasint,omitempty"`
	Cursor  uint64  `cbor:"5,keyasint"`
	// More says that the feed goes on: the page must be kept apart from the
	// village's records until a page without More has come.
	More bool `cbor:"6,keyasint,omitempty"`
	// Heads are the stream heads that changed after the request's Cursor (not its
	// After), on the page without More: with what the device had, the frontier of
	// the village as of Cursor. An answer to a request of another epoch has those of
	// the device's own streams in any case, as of this answer: what the device has
	// receipts for beyond them, or beyond 0 of a stream that is not among them, the
	// server has lost.
	Heads []StreamHead `cbor:"7,keyasint,omitempty"`
	// Without says which of the device's own changes were left out of Records: those
	// of each stream up to an entry. The device checks that it has the server's
	// receipts for them, these among it: a laptop that was set back to an older
	// image might be answered what it had asked before.
	Without []StreamHead `cbor:"10,keyasint,omitempty"`
	// Denied says that the device may no longer have the village.
	Denied bool `cbor:"8,keyasint,omitempty"`
	// Backed are the device's own streams with the last entry that is in a backup;
	// asked for by Sync.Backed.
	Backed []StreamHead `cbor:"11,keyasint,omitempty"`
	// Own comes with Records: how far the server had the device's own streams when it
	// read them. An answer may come late, when the device has receipts for more: the
	// records know nothing of that, and those that the device alone has changed since
	// do not come again. Of a stream that is not named it had nothing.
	Own []StreamHead `cbor:"12,keyasint,omitempty"`
	// Feed is how far the feed went when a page with More was made, Into how far the
	// page begins behind the cursor that its series began at.
	Feed uint64 `cbor:"13,keyasint,omitempty"`
	Into uint64 `cbor:"14,keyasint,omitempty"`
	// Verdicts are what the office decided on quarantined entries of the device's own
	// streams, as far as they lie between From and Cursor. They hold for whoever holds
	// the feed so far: not while the page is set aside.
	Verdicts []journal.Verdict `cbor:"15,keyasint,omitempty"`
	// Page has the Records in columns; a reader finds them in Records.
	Page []byte `cbor:"20,keyasint,omitempty"`
	// Rest comes with More: what of the feed is still to come behind Cursor.
	Rest *Rest `cbor:"21,keyasint,omitempty"`
}

// Rest is what further pages will have, as of the answer that tells it.
type Rest struct {
	_       struct{} `cbor:",toarray"`
	Records uint64
	Bytes   uint64 // of their states
}

// Made gives how far the feed went when the page was made: of two pages of one epoch
// it tells the newer.
func (p *Pull) Made() uint64 {
	if p.More {
		return p.Feed
	}
	return p.Cursor
}

// Since gives the cursor that the page's heads count from.
func (p *Pull) Since() uint64 { return p.From - min(p.Into, p.From) }

// State is one record of a page.
type State struct {
	_     struct{} `cbor:",toarray"`
	ID    record.ID
	Type  record.Type
	State []byte // merge.State.Encode
}

// StreamHead is a stream's last entry.
type StreamHead struct {
	_      struct{} `cbor:",toarray"`
	Stream record.Stream
	Seq    uint64
}

// Refused is a segment that was not taken, and why (a Refused code). Nothing of
// it is applied; the device keeps it.
type Refused struct {
	_      struct{} `cbor:",toarray"`
	Stream record.Stream
	From   uint64
	Code   string
	// Head is the last entry of the stream that the server has.
	Head uint64
}

// The codes of Refused.
const (
	RefusedGap     = "gap"     // it does not continue the stream
	RefusedFork    = "fork"    // the stream goes on otherwise at the server
	RefusedForged  = "forged"  // not signed by the device
	RefusedDamaged = "damaged" // cannot be read
	RefusedVillage = "village" // of a village that the office does not know
)

// Fault is what the server answers instead, with an HTTP status of 4xx or 5xx.
type Fault struct {
	Code string `cbor:"0,keyasint"`
	Text string `cbor:"1,keyasint,omitempty"`
	// Wipe comes with FaultRevoked: the server's signature (identity.WipeOf) over the
	// device's id. It is an order to remove everything from the laptop once all of its
	// work is in a backup.
	Wipe []byte `cbor:"2,keyasint,omitempty"`
}

func (f *Fault) Error() string { return "server answered " + f.Code + ": " + f.Text }

// The codes of Fault.
const (
	FaultCode    = "code"    // enrolment code unknown, used, expired or burnt
	FaultDevice  = "device"  // the token is nobody's
	FaultRevoked = "revoked" // the device may no longer take part
	FaultMessage = "message" // the message cannot be read
	FaultVersion = "version" // the message is of a later release
	FaultBusy    = "busy"    // come back after Retry-After
	FaultServer  = "server"  // the server failed; nothing was taken
	FaultBundle  = "bundle"  // the file is none that this server takes
)
