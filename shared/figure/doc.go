// Package figure works out the figures that villages are accounted for by: visit
// coverage, overdue households, attendance, headcount rate, the five precisions, the
// nine exit indicators, projects, issues, awareness and satisfaction. A laptop shows
// its own village by them and the office all villages, so both have one formula each.
//
// A Village gathers what the figures need of the records of one village as they
// read, whatever their order; Of then gives all figures of a period. What adds up
// over villages is kept as the two parts of a Ratio, so that a township's rate is
// that of its households and not the mean of its villages' rates.
//
// What holds:
//   - Figures are a function of the records as they read, the period and the rules:
//     whoever has the same records has the same figures.
//   - Void records count nowhere, nor does what is dated after the period.
//   - What has nothing to be divided by has no rate, which is shown as a dash. It is
//     neither 0 nor 100.
//   - What nobody has recorded is pending, never met: an indicator that only lacks
//     bad news is not a good one.
//
// What is not dated reads as it does now: which households are poor, how far a
// project is. Figures of a month that is over are therefore kept when it is closed
// and not worked out again.
//
// The exit lines and the thresholds of the indicators are data (folder data), in the
// columns that their files begin with.
package figure
