// Package clients shows that stock programs read the office's data: a validator of OpenAPI
// finds the description sound and every answer as it describes it, and clients of OData from
// npm ask, page and read the metadata as they would of any other service; LibreOffice opens
// every kind of workbook that the office gives.
package clients
