// Package storetest is the suite that every engine of the store passes. It
// plays laptops that sign what they write, and the server that takes it.
//
// What holds: after every test Verify finds nothing.
//
// Were each engine tested by its own author's idea of the rules, laptops would
// lose data on one of them.
package storetest
