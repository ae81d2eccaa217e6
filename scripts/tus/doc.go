// Package tus shows that the server takes files by the tus protocol as others speak it:
// the stock client from npm uploads to it, stops, takes up again and gives up.
package tus
