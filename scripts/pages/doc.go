// Package pages drives both sides' pages in one real browser, over the two
// programs as they are shipped: a visit recorded with no network reaches the
// office by itself, and a contradiction is decided on either side and read on
// both.
package pages
