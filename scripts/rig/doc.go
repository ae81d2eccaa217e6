// Package rig sets up the real thing on one machine: the two programs that are
// shipped, each in a data folder and a process of its own, as an office and its
// laptops run them. The demonstration and the benchmark stand on it.
//
// What holds:
//   - Nothing reaches into a program: all that is done and seen goes through
//     its commands, and its files are only measured.
//   - A program that was started ends with the one that started it, on Linux
//     even when that one is killed.
//   - An error carries what the program said on standard error.
package rig
