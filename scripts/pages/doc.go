// Package pages drives both sides' pages in one real browser, over the two
// programs as they are shipped: a visit recorded with no network reaches the
// office by itself, and a contradiction is decided on either side and read on
// both. And it has somebody who is signed in at both open hostile pages, which
// know all that is secret about the addresses: none learns anything that it does
// not in a browser that is signed in nowhere, none changes anything.
package pages
