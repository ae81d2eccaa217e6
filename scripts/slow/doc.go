// Package slow holds an office's server by 900 slow connections, as one who wants
// it to stand still would: heads, bodies and readers that move by a byte a second.
// Meanwhile laptops sync as before.
//
// What holds: at the 99th of a hundred a sync takes less than a second, measured
// beside the same syncs without the others in the same run, and the server's memory
// is bounded. ZHUCUN_LONG=1 keeps it up for minutes, and has slowhttptest do the
// same.
package slow
