// Package odata reads what a client asks for by the query options of OData 4.0, $filter,
// $orderby and $select, of a table that it is told of, and describes such tables to clients
// (CSDL). It knows neither HTTP nor records.
//
// What holds:
//   - What is read is the store's own Test and Order of properties that may be asked for;
//     no text of a client gets into a statement.
//   - What cannot be read is refused with one sentence; reading ends, whatever comes, within
//     bounds on length, depth and number.
//   - What OData has and this does not is said to be missing, not taken for something else.
//
// By hand, as what there is of OData for Go is for clients, or brings a server of its own.
//
// $filter has eq ne gt ge lt le, in, and or not, parentheses, contains startswith endswith,
// tolower toupper trim length, year month day of dates, null, texts, numbers, dates, times,
// ids and truth values.
package odata
