// Package store keeps everything the server has: the signed log of changes,
// the records that came of it, tables for reports, who takes part. It is one
// Store over database/sql; package sqlite holds what differs between engines,
// and storetest is the suite that every engine passes.
//
// What holds:
//   - Everything that one segment does to a village happens in one
//     transaction, which locks the village's head row first and gives the feed
//     numbers under that lock. A reader that sees a number sees all below it.
//     A delivery is one transaction, or several where it takes long.
//   - An entry is skipped as known only where its hash is the stored one. What
//     goes on otherwise is set aside whole, and shown.
//   - Whatever is acknowledged is in the log, durably: receipts are read from
//     it after the commit.
//   - The states of records, the projections and the review list are what
//     replaying the log gives; Verify does it and compares.
//   - What people do at the office leaves a note in the audit, in the transaction
//     of the deed or before the first byte of the look. Notes are chained and only
//     ever added; the chain's end is signed with the first note of a day, by a
//     running server daily and when it ends. What is changed, dropped, put in or
//     moved up to the last signed end Verify finds; behind it whoever can write
//     the file can also compute hashes.
//   - What a restored server sets aside though others may have had it from the life
//     that was lost touches its record's place in the feed: they get it as it stands.
//   - A change that is a receipt (merge.Receipts) needs no name, and History tells neither
//     its laptop nor its stream.
//   - What the office erases by law is gone from every table that had it, in the
//     transaction that writes the change by which replicas learn of it, and soon
//     after from the database's files. Segments lose bodies and their seed and keep
//     hashes, signatures and receipts; an erased entry changes nothing where it is
//     replayed. What is written to the record later is quarantined, its body not
//     kept. Backups of before and exported files have it still; a server restored
//     from one must be told again.
//   - A record that moves is entered in the one village before it leaves the other, each in
//     a transaction of its own, and what was begun is finished at the next start. What is
//     written here in between leaves with it, or stays and waits for a decision. Its files
//     may be read in both villages, also those that come later.
//   - Every table that grows leads its key with the village and refers to no
//     other; account, device, code, village and saved_view are reference tables and are
//     never written by a delivery; so is the audit, written by people's deeds. So the schema shards by village.
//
// Were a number given outside the lock, a laptop could read past a row that
// commits later, and never see it. Were states kept without the log, nobody
// could tell a bug in merging from what people wrote.
//
// The tables:
//
//	meta          key → value: epoch, url, the key of numbered records; "forget" is
//	              there while the files may still hold what was erased, "derive" while
//	              rows are still to be made anew by the forms that were published
//	account       who signs in at the office
//	device        laptops: key, token, role, people, villages
//	code          enrolment codes
//	token         what programs read by: a hash, role, villages, until when
//	village       names
//	audit         (number) → who did what to what, and why, and the note's hash,
//	              which covers that of the note before; meta "audit" is the end
//	audit_head    (number) → the hash of that note as the server signed it, once a day
//	village_head  (village) → feed, the last feed number given; log, the last
//	              place given in the log; delivered, when a laptop last brought any
//	record        (village, record) → state, and the feed number, stream and
//	              entry of its last change. feed_other is the feed number of the
//	              last change by another stream than that one. trail names every
//	              change ever applied: pairs of varints, the stream's number
//	              within the village and the entry.
//	stream        (village, stream) → whose it is and its last entry; backed, the
//	              last that is in a backup; rewound, that the data was restored
//	              and may lack entries that others have seen
//	segment       (village, stream, last entry) → a run of entries as the device
//	              signed them (zstd), the hash before and the hash of the last,
//	              the receipt. One row a run, not one an entry: a third of the CPU.
//	              Of erased entries it has body hashes (journal.Segment.Erase).
//	quarantine    (village, stream, entry) → why it was not applied, and what
//	              was decided since, under which feed number
//	setaside      (village, stream, first entry, hash) → what could not be taken,
//	              at most 8 MB and 1,000 segments of a device. Under the village
//	              "" is what a device sent for villages that are not its own.
//	contact       (village, device) → when it was last heard of, and what it told of itself
//	review        (village, record, register, kind) → what waits for a person, and what
//	              the office has asked
//	blob          (village, hash) → a file of the village: its kind, size, who brought
//	              it, and the signature of its receipt. The file itself lies in Files.
//	thumbnail     (village, hash) → its small picture
//	original      (village, photo, hash) → that the file is that photo as it came
//	erased_file   (village, hash) → that the file was in a record that was erased:
//	              an old bundle may bring it again
//	upload        (village, id) → a file on its way in, until when
//	shown         (village, first half of the hash, record) → which records show it
//	figure        (village, month or year) → the figures of a village up to a day, as
//	              JSON, and the feed number that they are of: they count until that moves
//	saved_view    (id) → a list that an account looks at again and again, by name
//	closing       (village, month) → the same as of the moment at which somebody closed
//	              the month. Nothing changes it.
//	search_key    (village, type, word, record) → that the word finds the record: names,
//	              how they are read, numbers, and of masked ones the last four (search.go)
//	alike         (village, key, record) → that the record shares the key, a hash, with others
//	              that may be the same; wide where other villages' are looked at too
//	alike_head    (village) → the feed number up to which pairs were looked for
//	pair          (village, record, other) → two records that may be the same, how likely
//	bulk          (village, bulk, nth) → a decision of those that were taken by a rule
//	bulk_head     (bulk) → who took them, when, by which rule and why
//	search_head   (village) → the feed number that its keys and counts are of
//	transfer      (village, id) → that a record moves, or has moved, from here to another
//	              village, with all that is of it; done is 0 while that is under way
//	type_count    (village, type) → how many records there are, and of these void
//	form_TYPE     (village, record) → the record as it reads, a column a field
//
// The migrator is our own: the usual one links text/template, which makes the
// linker keep every method of the program, 3.8 MB of them.
package store
