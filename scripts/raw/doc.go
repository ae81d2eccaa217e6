// Package raw sends bytes that no browser and no laptop would send, to an office
// and a laptop as they are shipped: what is malformed, what does not end, and
// short messages that unpack to long ones.
//
// What holds: a request that is hidden in another is not served, nothing is stored,
// nothing panics, every connection ends within the limits on time, memory does not
// follow what a message says, and whoever comes next is answered.
package raw
