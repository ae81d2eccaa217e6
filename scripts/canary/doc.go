// Package canary enters a thousand names and ID numbers that nobody has, on
// laptops as they are shipped and in every way there is, well and badly: by
// command, by import, by the drop folder, on the page, as drafts; it searches for
// them, syncs them, carries them in a bundle, has them in conflict and provokes
// errors with them. Then it looks for them where they may not lie in plain: in the
// laptop's folders but the drop folder, whose files are the user's, in temporary
// files, in what both programs log, in the arguments of processes, in what goes over
// the line and in the addresses and error pages of either side.
//
// What people typed a moment ago is told back to them, by a sentence of the command
// or by the form: that is no find. The search is asked for in the address of the
// local page and of the office's, as forms that read are; see the test.
package canary
