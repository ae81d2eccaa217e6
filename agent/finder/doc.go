// Package finder finds households by what somebody types into one box: the name of the
// head or of anybody else, in characters, as it is read, or by its initials (王小明: 王小,
// wangxiao, wxm, 王xm; characters that are read in several ways by each of them), the last
// four of an ID number, a phone, the household's number, its group (三组 by 3组 and 第三组 too), and words of two
// characters and more that were written about visits.
//
// What holds:
//   - The index is in memory and nowhere else; whoever lets go of it leaves nothing. Of an
//     ID number it has the last four characters, and a hash under a key that is drawn for
//     each index, by which the whole number is found when somebody pastes it.
//   - What it finds is what a plain look at every household, person and text would find, as
//     they were put in. Where that could be said only by reading many texts, the total is
//     said to be the most that there may be (Result.About).
//   - A search looks at what may fit and not at all there is, and reads a bounded number of
//     visits: those that are shown, and some more to tell how many there are.
//   - The best comes first: the name, its beginning, how all of it is read, how it begins to
//     be read, the end of a number, the middle of a name, the group, the middle of a number,
//     a text; of those that fit equally well the laptop's own village, and then the order of
//     the lists. The same question gives the same answer.
//   - What changed is put in as it comes. Nobody who looks for something waits for the
//     index to be put in order but for the moment in which a part takes its place.
//
// # How
//
// Names are kept once each, as numbers of characters, with who bears them; they are looked
// for among those that have a character with which the word may begin. Which characters
// those are, and how much of a word each may take, is worked out once for a search, by a
// table of readings that scripts/pinyin makes.
//
// Texts are found by their grams, two characters side by side: for each gram the visits
// that have it are listed in a few bytes (segment.go). A word of two characters is one gram
// and needs no reading; longer ones have several, all of which a text must have, and are
// then looked for in it. Two digits are no gram. New texts stand open until there are 2,048;
// then they are sealed into a segment, and segments are merged four at a time, up to 32,768
// visits, so that neither takes much memory for a moment.
//
// Measured on made-up notes of 210 characters a visit: 50,000 households, 100,000 people
// and 200,000 visits take 87 MB, 41 of them the grams. Rejected: the grams of each
// household in one (a sixth less, but all of its visits would be read anew for each that
// changes, and words would be found that stand in two of them); the texts themselves,
// packed (55 MB, and a search would go through all of them); an index on the disk under
// keyed hashes (a save would write 150 pages).
package finder
