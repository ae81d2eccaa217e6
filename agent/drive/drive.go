package drive

// Low tells whether so few bytes are free on a disk that a laptop's work may soon find no
// room: a day's photos, and as much again for what is written anew at a time.
func Low(free uint64) bool { return free < 512<<20 }
