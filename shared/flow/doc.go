// Package flow says through which states records of some types go until they are done,
// and who may take which step: a table, data/steps.csv, and a row for each type in
// data/flows.csv. The pages ask it, and hold themselves to it; a laptop is never refused
// for it (package merge has the rights), what it wrote against a rule is marked.
//
// What holds:
//   - A step that no row allows to a role nobody of that role takes. A row with * is for
//     what no row names more exactly.
//   - Who closes is not who answers for it, where a flow has a column "verified": by
//     whose name the state was written, and the field that names who answers.
//
// The columns of flows.csv:
//
//	type      the record type
//	state     the field with the state
//	due       the date by which it is to be done
//	owner     who answers for it
//	done      the states in which nothing is late any more
//	verified  the state that whoever answers may not write
//	closed    the field that has the day on which that state was reached
//
// and of steps.csv, in the order in which they are offered:
//
//	type, from, to  the step; * is any state
//	roles           who may take it
//	note            yes: only with a reason
//	say             in both languages: what the button says; a row without is not offered,
//	                only allowed where somebody corrects the record
package flow
