// Package store keeps a laptop's records, its own journal and its place in each
// village's feed in one bbolt file.
//
// What holds:
//   - A save is one transaction: the journal entry, the record's new state, the
//     stream's head and the clock go to disk together, synced before the caller
//     is told. Saves that wait while a commit runs share the next one.
//   - A record's state is the server's state joined with the own changes that
//     the server has not acknowledged.
//   - Frontier and cursor of a village move in the transaction that makes the
//     pages live, never before the last page has come; what is staged is not
//     part of the village until then.
//   - "Delivered" follows from a receipt that the server's key signed over the
//     hash of the very entry, and from nothing else.
//   - What a form's answers give rise to (a visit's needs, an issue) is written in the
//     transaction of the save, under an id that follows from record and answer: there is
//     one however often it is saved, and none that the record lacks.
//   - Quarantined changes are not part of the state, but a record is shown with
//     them on it until they are decided. How it stands without them a page says; where
//     none came with the receipt it is asked for again (own.Unsettled).
//   - An answer may be of any age: what it proves it proves, a page of it is taken
//     only where it goes beyond what the laptop has, and an epoch that was left
//     does not come back.
//   - Own entries stay after they were acknowledged: the server may be restored from
//     a backup, and gets again what it then lacks. Nothing of a village may be removed
//     before the server has said that all of it is in a backup (Backed).
//   - What others wrote stays too where a restored server lacks it, though later
//     pages are without it: the village's frontier is then ahead of the server's. What
//     nobody has brought back after two weeks is sent for review, as its author's. Once
//     it is there again the server's word counts, which may have set it aside this time.
//   - What the office erases by law goes with the state that says so: the record's
//     content, the bodies of its own entries, drafts of it. In the file's unused
//     pages it stays, sealed, until they are written over.
//   - A store that is damaged is set aside, never removed, and made anew: with what it
//     holds that is nowhere else, and from the server. Until the server's part is all
//     here that is told.
//   - After an error of the disk nothing is tried again on the same handle.
//   - A stream goes on in one place only. A store that is an older image or a copy
//     begins a new one before its next entry, as soon as that can be known (a note
//     outside the store, the server's heads, a fork), and writes again in it what
//     the server does not take of the old one.
//
// Without the third, a link that dies between two pages leaves records behind
// that no later sync would fetch: measured, one run in five lost data.
//
// Buckets. All numbers in keys are 8 bytes, big endian. Keys in the file carry
// codes, types, UUIDs and numbers, nothing personal. Values marked * are sealed
// under the data key, each for its own place (value.go): package vault has the key.
//
//	meta                    name -> CBOR
//	  check                 8 bytes that tell the right data key
//	  device                Device *: id, keys, server, assignment
//	  clock                 clock.Clock
//	  asked                 when the server was last asked what is in a backup
//	  missed                when the server was last asked whether it still has files of which it has no backup
//	  rebuilt               Rebuilt: when the store was last made anew
//	  profiles              name -> Profile *: what each of the people here has chosen; not saved from a
//	                        store that is damaged, as settings are not
//	  edition               what the office has published *, and what of that is not read yet
//	  settings              Settings *: what was chosen for the laptop
//	  syncs                 []SyncNote *: what became of the last syncs
//	  quiet                 whether the laptop spares its battery and metered links
//	  session               Session *: the TLS session that the next connection goes on with
//	  known                 wire.Known *: what the next request is mixed behind
//	draft                   id (UUIDv7) -> CBOR Draft *
//	bundle                  serial -> CBOR Bundle *: a file that was made
//	salvage                 as in a village, of streams of which nothing tells the village
//	import                  16 bytes: keyed hash of a row taken -> 1
//	columns                 16 bytes: keyed hash of a table's headings -> CBOR Columns *; not saved from a
//	                        store that is damaged: somebody is asked again
//	gone                    hash (32) -> nothing: a file to be removed from the folder blobs
//	village/CODE            one bucket a village, in it:
//	  place                 "place" -> CBOR place: epoch, cursor, staged series, where it is ahead of the server
//	  frontier              stream (16) -> number of the last change applied
//	  own                   stream (16) -> CBOR own: incarnation, head, acknowledged, base, sent, bundled, backed up, settled
//	  seed                  stream (16) number (8) -> 16 bytes *; for the entries from there on. Where some of
//	                        them were erased CBOR * instead: for each its salt (16) or its body's hash (32)
//	  salvage               stream (16) number (8) -> CBOR entry *: changes to be written again
//	  touched               id (16) -> stream (16) number (8): the last own change of a record that is yet to come again
//	  log/STREAM            number (8) -> CBOR entry *: a change of this laptop's; without a body if erased
//	  record/TYPE           id (16) -> touched, state *; e.g. record/visit
//	  refers                target id (16) type 0 id (16) -> nothing; who refers to a record
//	  review                id (16) -> conflicts, proposals (varints), type: records that wait for a person
//	  quarantine            id (16) stream (16) number (8) -> CBOR journal.Quarantined *
//	  verdict               as in quarantine -> 1 seen + 2 accepted, epoch (8), CBOR journal.Verdict *
//	  stage/verdict         the same, of pages not yet part of the village
//	  blob                  hash (32) -> flags, epoch (8), CBOR BlobNote *: a file that records show; it lies in blobs/HASH (blobfile.go)
//	  receipt               stream (16) number of the last entry (8) -> CBOR journal.Receipt *
//	  stage                 id (16) type -> how far the server had the own streams, state *; pages not yet part of the village
package store
