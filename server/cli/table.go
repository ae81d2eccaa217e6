package cli

import (
	"strings"
	"time"
	"unicode"
)

// table is what people are shown of a list.
type table struct {
	heads []string
	rows  [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// show writes the table, or says that there is nothing. With --json the lines
// are out already.
func (c *call) show(t *table, zh, en string) error {
	if c.json {
		return nil
	}
	if len(t.rows) == 0 {
		c.tell(zh, en)
		return nil
	}
	_, err := c.out.Write([]byte(t.text()))
	return err
}

// text sets the table in columns.
func (t *table) text() string {
	rows := t.rows
	if t.heads != nil {
		rows = append([][]string{t.heads}, rows...)
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], width(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			line += cell
			if i < len(row)-1 {
				line += strings.Repeat(" ", widths[i]-width(cell)+2)
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// width is how many columns of a terminal a text takes: two for each character
// of Chinese.
func width(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r >= 0x1100 && (unicode.Is(unicode.Han, r) || unicode.Is(unicode.Hangul, r) || unicode.Is(unicode.Hiragana, r) || unicode.Is(unicode.Katakana, r) ||
			r >= 0x3000 && r <= 0x303f || r >= 0xff00 && r <= 0xff60 || r >= 0xffe0 && r <= 0xffe6):
			n += 2
		default:
			n++
		}
	}
	return n
}

// fit shortens a cell to so many columns.
func fit(s string, columns int) string {
	s = strings.Join(strings.Fields(s), " ")
	if width(s) <= columns {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if width(b.String())+width(string(r)) > columns-1 {
			break
		}
		b.WriteRune(r)
	}
	return b.String() + "…"
}

// time is a time as people read it here: Beijing's.
func (c *call) time(t time.Time) string {
	return t.In(time.FixedZone("", 8*3600)).Format("2006-01-02 15:04")
}
