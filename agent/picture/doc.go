// Package picture makes of a photo what is kept of it: a JPEG of bounded size, the
// right way up, and a small one beside it.
//
// What holds:
//   - Nothing of what the camera wrote beside the picture is kept: not with what it was
//     taken, not by whom, and where only if that is asked for (Options.Place): degrees,
//     height and direction, written anew. When it was taken is given to whoever asks.
//   - A file that cannot be read as a picture is no failure of the photo: ErrForeign
//     says that it is to be kept as it came, without a preview (HEIC of a telephone,
//     a scanned PDF). Of a JPEG, PNG, GIF or WebP Strip then takes what the camera wrote;
//     of anything else (HEIC, TIFF, video) nothing can be taken here, and that is said.
//   - A photo that is to be kept as it came beside the small one loses the same (Bare).
//   - A picture of too many points is ErrForeign as well, and ErrHuge, before anything
//     is unpacked.
//
// It takes as much memory as the picture has points, some 20 MB to 150 MB for a while,
// and runs what a stranger's file tells it to: the agent lets a process of its own do it.
package picture
