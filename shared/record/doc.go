// Package record says what a record and a change are: a household, visit,
// issue … of one village is a set of fields, each under a path, and a change
// is what one save did to some of those paths.
//
// What holds:
//   - A Value is canonical JSON text, so two values are equal exactly when
//     their strings are, on every machine and in every release.
//   - A Dot names one change for ever: a stream and the change's number in it.
//   - A Write names the dots it replaces, as they were when its author opened
//     the form. What it does not name it does not replace.
//   - An unknown type, path or value is carried as it came.
//
// Without canonical values equal answers given on two laptops would look like
// contradictions; without the named dots a late save would overwrite what its
// author had never seen.
package record
