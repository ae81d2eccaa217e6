package web

import (
	"context"
	"io"
)

// written is markup that was made already, by a template.
type written string

// Render writes it.
func (m written) Render(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, string(m))
	return err
}
