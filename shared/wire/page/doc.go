// Package page lays the records of a page of a sync out in columns: what their
// states have in common stands once, and like stands beside like, which a packer
// turns into two thirds of what it makes of the same states one after the other.
//
// What holds:
//   - Every state comes back byte for byte, whatever its bytes: one that is not of
//     the form that is known here travels as it is.
//   - A reader makes no more bytes of a page than it was told to, however often its
//     columns point at the same text, and takes memory of some multiple of that.
//   - Whatever it is given, it gives records or an error.
//   - The same records give the same bytes.
//
// It knows how a state is built of changes and registers (package merge), and not what
// they mean. The format outlives a release: DESIGN.md of package wire.
package page
