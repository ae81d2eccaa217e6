// Package backup keeps copies of a laptop's data on another drive: when a person asks, and
// by itself whenever a drive that was chosen for that appears.
//
// What holds:
//   - A drive is known by a file that was put on it when it was chosen (the marker), not by
//     its letter or its name. Its name has a random id, and nothing of the laptop or its
//     people is in it.
//   - A backup is written under another name, read again to its last byte, and only then
//     named; older ones are removed after that, never before.
//   - Of the backups of this laptop on a drive the newest Keep stay. Where there is no room
//     for another, older ones make some only behind one that was just read and found good.
//     Those of other laptops and other files are never touched, and of two laptops that one
//     image was put on, which know the drive by one marker, neither touches what the other
//     makes: which are a laptop's own is kept in its store (store.Drive.Made).
//   - By itself it makes one a day at most, and after one that failed it waits an hour, or
//     until the drive was away.
//   - A drive that is pulled out midway leaves what was there before; what it leaves of the
//     new one is removed the next time.
//   - Nothing lies there, or on the way there, but sealed.
//
// Without the second rule the one good backup would be gone when the stick fails under the
// next.
//
// On the drive, in the folder that was chosen (for a drive: FolderName on it):
//
//	zhucun-ID.drive                       the marker; ID is 12 hexadecimal digits
//	zhucun-ID-20171127-093000.zcbackup    a backup, by the day and time of Beijing
//	.zhucun-zhucun-ID-…                   what was left of one that was cut off
package backup
