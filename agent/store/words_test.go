package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"zhucun/shared/form"
)

// Two villages fail at once, with what is known or with anything else: it is one
// sentence all the same.
func TestSentenceOfSeveral(t *testing.T) {
	for _, err := range []error{ErrDisk, errors.New("boom")} {
		both := errors.Join(fmt.Errorf("village 369999000001: %w", err), fmt.Errorf("village 369999000002: %w", err))
		for _, lang := range []form.Lang{form.Zh, form.En} {
			if said := Sentence(both, lang); strings.Contains(said, "\n") || !strings.Contains(said, "369999000002") {
				t.Errorf("said %q", said)
			}
		}
	}
}
