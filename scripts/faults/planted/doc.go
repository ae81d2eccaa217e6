// Package planted has bugs, each a patch of a few lines such as somebody might
// write, and shows that the tests see them: go run ./scripts/faults/plant plants
// one after the other into a copy of the source and runs the tests that must fail.
//
// What holds:
//   - Every patch applies to the source as it is and builds; a test of every
//     change sees to that. One that no longer does is written anew with what it is
//     about, or gives way to another: there are at least twenty.
//   - Every bug is caught by a test that its file names, and that passes without
//     it. The long leg (ZHUCUN_LONG=1) tries them all.
//
// What the command prints, as seen on a machine that had much else to do; most of
// the time is building:
//
//	01-join-drops-sibling        a join takes only the first of two values that neither side had seen
//	                                 ./shared/merge TestNothingLost, 14.1 s
//	02-save-replaces-unseen      a change replaces all values there are, not those that its author was shown
//	                                 ./shared/merge TestNothingLost, 19.4 s
//	03-clock-absorbs-future      the clock absorbs a time that is years ahead
//	                                 ./shared/clock TestObserve, 1.6 s
//	04-time-after-receipt        a change is dated by its own clock, also after the server had it
//	                                 ./shared/clock TestLaptopWithAWildClock, 2.0 s
//	05-segment-signature         the signature of a segment is not checked
//	                                 ./shared/journal TestOpenRefuses/signed_by_another, 1.3 s
//	06-receipt-unproved          a receipt counts without the server's signature
//	                                 ./agent/store TestDeliveredFollowsFromReceipts, 1.5 s
//	07-cursor-before-last-page   the cursor moves with each page, not with the last
//	                                 ./agent/store TestPagesAreStaged, 1.2 s
//	08-epoch-comes-back          an answer of an epoch that was left is taken as one of a new epoch
//	                                 ./agent/store TestEpochThatIsOver, 5.4 s
//	09-told-before-saved         a save is acknowledged once it is written, and not once the disk has it
//	                                 ./scripts/faults TestPutIsSynced, 52.5 s
//	10-quarantined-is-delivered  what the server has set aside counts as delivered
//	                                 ./agent/store TestQuarantinedStaysVisible, 5.4 s
//	11-lease-ignored             a store that is an older image goes on in its old streams
//	                                 ./agent/store TestLease/an_older_image_is_put_back, 6.1 s
//	12-fork-unnoticed            an entry whose number is in the log already is skipped, whatever it says
//	                                 ./server/store/sqlite TestStore/continuation, 13.6 s
//	13-cursor-of-another-moment  the cursor of a page is read after its records, in a transaction of its own
//	                                 ./server/store/sqlite TestStore/feed, 12.8 s
//	14-revoked-is-applied        the work of a revoked laptop is applied
//	                                 ./server/syncapi TestRevoked, 7.2 s
//	15-owner-field-written       whoever does not own a field may write it directly
//	                                 ./shared/merge TestPermit/owner,_seen_by_nobody, 7.0 s
//	16-masked-in-full            an export shows ID and bank numbers in full
//	                                 ./server/export TestMaskAndReason, 3.9 s
//	17-formula-in-a-cell         a cell that begins with = is a formula
//	                                 ./server/export TestCSVIsRead, 2.1 s
//	18-smuggled-request          a request that may be two is answered as one
//	                                 ./server/cli TestMalformed, 64.3 s
//	19-bundle-signature          the signature of a bundle is not checked
//	                                 ./shared/bundle TestRefused/a_bundle_is_no_reply, 4.7 s
//	20-misses-uncounted          wrong guesses of an enrolment code are not counted
//	                                 ./server/access TestEnrolRefused, 1.2 s
//	21-host-unchecked            the page answers under any name that leads to it
//	                                 ./agent/web TestHost, 22.0 s
//	22-push-unsynced             the server answers once a commit is written, and not once the disk has it
//	                                 ./scripts/faults TestPushIsSynced, 8.1 s
//	23-failed-save-acknowledged  a save that the disk refused is acknowledged
//	                                 ./scripts/faults TestPutFails, 24.0 s
//	24-verdict-too-early         what was accepted leaves its author's screen before its new name is there
//	                                 ./agent/store TestVerdictHoldsWithTheFeed, 1.9 s
//	25-rejudged-is-joined        a record of which a restored server set something aside is joined with what a laptop had
//	                                 ./scripts/sim TestRejudged, 5.6 s
//	26-anybody-asks              a laptop asks the village in the office's name
//	                                 ./shared/merge TestPermitQuestions, 1.4 s
//	27-question-tells-hidden     a role gets what was asked about a field that it must not see
//	                                 ./server/store/sqlite TestStore/hidden, 6.4 s
package planted
