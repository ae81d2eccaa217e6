package sheet

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// readStyles reads what the formats of numbers make of them.
func (b *book) readStyles(name string) error {
	own := map[int]Look{}
	within := false
	for t, err := range b.tokens(name, maxSmall) {
		if err != nil {
			return err
		}
		switch e := t.(type) {
		case xml.StartElement:
			switch {
			case e.Name.Local == "numFmt" && len(own) < maxStyles:
				if id, err := strconv.Atoi(attr(e, "numFmtId")); err == nil {
					own[id] = lookOf(attr(e, "formatCode"))
				}
			case e.Name.Local == "cellXfs":
				within = true
			case e.Name.Local == "xf" && within && len(b.looks) < maxStyles:
				id, _ := strconv.Atoi(attr(e, "numFmtId"))
				look, ok := own[id]
				if !ok {
					look = builtin(id)
				}
				b.looks = append(b.looks, look)
			}
		case xml.EndElement:
			if e.Name.Local == "cellXfs" {
				within = false
			}
		}
	}
	return nil
}

// builtin is what the formats that have a number alone look like (ECMA-376 part 1,
// 18.8.30, with those of Chinese systems).
func builtin(id int) Look {
	switch {
	case id == 9 || id == 10:
		return Look{Percent: true}
	case id >= 14 && id <= 17, id == 22, id >= 27 && id <= 31, id == 36, id >= 50 && id <= 54, id == 57, id == 58:
		return Look{Date: true}
	}
	return Look{}
}

// lookOf reads the code of a format: its part for positive numbers, without what it
// prints as it is.
func lookOf(code string) (l Look) {
	code, _, _ = strings.Cut(code, ";")
	var b strings.Builder
	quoted, bracket := false, false
	for i := 0; i < len(code); i++ {
		switch c := code[i]; {
		case quoted:
			quoted = c != '"'
		case bracket:
			bracket = c != ']'
		case c == '"':
			quoted = true
		case c == '[':
			bracket = true
		case c == '\\' || c == '_' || c == '*':
			i++
		case c == '!':
			// 0!.0000 shows 35000 as 3.5000.
			l.Scaled = true
			i++
		default:
			b.WriteByte(c)
		}
	}
	left := strings.ToLower(b.String())
	digits := strings.ContainsAny(left, "0#?")
	switch {
	case strings.ContainsRune(left, '%'):
		return Look{Percent: true}
	case !digits && strings.ContainsAny(left, "yde"), !digits && strings.Contains(code, "年"), !digits && strings.Contains(code, "月"):
		return Look{Date: true}
	case digits && strings.HasSuffix(strings.TrimRight(left, " "), ","):
		l.Scaled = true
	case !l.Scaled && left != "" && strings.Trim(left, "0") == "" && len(left) > 1:
		l.Pad = len(left)
	}
	return l
}
