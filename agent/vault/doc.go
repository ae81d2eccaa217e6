// Package vault keeps the data key, under which a store's values are sealed, and
// what unlocks it: the system's keyring, a passphrase, or, where there is neither,
// a file that only this user can read.
//
// What holds:
//   - The key is drawn once, before the store is made, and does not change: another
//     passphrase wraps it anew. It is nowhere in the data folder but wrapped.
//   - A change of the way in is whole or not at all. The new way was read back and
//     gave the key before the old one goes.
//   - The note of how the key is wrapped lies there twice; one copy that is
//     damaged or gone costs nothing.
//   - A wrong passphrase takes the time and memory of Argon2id (RFC 9106), 64 MiB.
//
// Were the second copy not there, a flipped bit in some two hundred bytes would
// lock a year's work until the office has been reached.
//
// The note is DATA/vault.json and DATA/vault.bak, JSON:
//
//	id      22 characters, drawn with the key: names it in the keyring and in the
//	        folder of settings. (Not the device's: the store is sealed before there is
//	        one, so that nothing ever lies in it plain.)
//	way     "keyring", "passphrase" or "unprotected", which is a file
//	salt, passes, memory, lanes, box
//	        of a passphrase: Argon2id's salt (16 bytes) and parameters (memory in KiB),
//	        and the key in XChaCha20-Poly1305 under what comes of it: nonce and box
//	sum     the first 8 bytes of SHA-256 over all of the above
//
// A key file is SETTINGS/keys/ID.key, base64, 0600; SETTINGS is the user's own
// folder of settings, and the data folder where the system knows of none.
package vault
