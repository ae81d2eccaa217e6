// Package help is the help for the people at the laptops, in Chinese and in English: what
// to do, task by task, in their own words.
//
// What holds:
//   - Both languages have the same topics in the same order, and the same links.
//   - A text is a title with an id, paragraphs, and lists of steps; that is all its format
//     has, so that anybody who can write a message can mend it.
package help
