// Package cli is the agent's commands. While an agent runs on a data folder, a
// command for that folder is carried out by it; while none runs, the command
// opens the store itself. It is the same code both times: the running agent is
// sent the command's words and its standard input, and sends back what it
// prints.
//
// What holds:
//   - Every command does the same beside a running agent as without one.
//   - Exit status is 0 done, 1 failed, 2 wrong usage; what went wrong is one
//     sentence with the next step on standard error. Wrong usage is what no data
//     could make right: a word missing or too many, a FIELD without =, what is no
//     id, no dot, no address. What depends on forms and data is failed: a type,
//     field, code, village or record that is not there.
//   - The running agent takes commands only from whoever can read run.json in
//     its data folder, which is the user it runs as.
//   - A command gives nothing to what listens where run.json says before that
//     has proved to be the agent; it goes on alone where it does not.
package cli
