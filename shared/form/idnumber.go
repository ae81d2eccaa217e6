package form

import "strings"

// idState is what is wrong with an identity number, if anything.
type idState uint8

const (
	idGood idState = iota
	idRuined
	idLength
	idChars
	idDate
	idSum
	idCard
)

// problems says it to a person. None of them quotes the number.
var problems = [...]Label{
	idRuined: {"证件号被 Excel 破坏（末位变成 000 或写成 E+），请按原件重新填写", "the ID number was ruined by Excel (last digits 000, or E+); enter it again from the card"},
	idLength: {"证件号应为18位，残疾证为20位或22位", "an ID number has 18 characters, a disability certificate 20 or 22"},
	idChars:  {"证件号前17位应为数字，第18位为数字或X", "an ID number has 17 digits, then a digit or X"},
	idDate:   {"证件号中的出生日期不存在", "the date of birth in the ID number does not exist"},
	idSum:    {"证件号校验码不符，请核对", "the ID number's check digit is wrong; compare it with the card"},
	idCard:   {"残疾证号末位应为类别（1–7）和等级（1–4），补发的再加 B 和一位数字", "a disability certificate ends in type (1–7) and level (1–4), then B and a digit if reissued"},
}

// checkID checks an identity number by GB 11643 (18 characters: area, birth
// date, order, check digit), or the number of a disability certificate: an
// identity number, one digit for the type of disability and one for its
// level, and, where the certificate was reissued, B and a digit. The area is
// not looked up: codes change with every reform.
func checkID(s string) idState {
	if ruined(s) {
		return idRuined
	}
	if len(s) != 18 && len(s) != 20 && len(s) != 22 {
		return idLength
	}
	sum := 0
	for i, w := range [...]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		if !isDigit(s[i]) {
			return idChars
		}
		sum += w * int(s[i]-'0')
	}
	if c := s[17]; !isDigit(c) && c != 'X' && c != 'x' {
		return idChars
	}
	if _, ok := readDate(s[6:10] + "-" + s[10:12] + "-" + s[12:14]); !ok {
		return idDate
	}
	if want := "10X98765432"[sum%11]; s[17] != want && (want != 'X' || s[17] != 'x') {
		return idSum
	}
	if len(s) > 18 && (s[18] < '1' || s[18] > '7' || s[19] < '1' || s[19] > '4') {
		return idCard
	}
	if len(s) > 20 && (s[20] != 'B' && s[20] != 'b' || !isDigit(s[21])) {
		return idCard
	}
	return idGood
}

// GoodID tells an identity number, or that of a disability certificate, in which
// nothing is wrong.
func GoodID(s string) bool { return checkID(readID(s)) == idGood }

// Ruined tells what a spreadsheet makes of an identity number.
func Ruined(s string) bool { return ruined(readID(s)) }

// ruined tells what a spreadsheet makes of an identity number: it keeps 15
// digits and fills up with 000, or prints 3.69999E+17. One ruined number in
// eleven passes the checksum, so the ending alone is enough to be marked.
func ruined(s string) bool {
	if strings.Contains(s, "E+") || strings.Contains(s, "e+") {
		return true
	}
	if len(s) != 18 || s[15:] != "000" {
		return false
	}
	for i := range s {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}

// fromID gives the birth date and sex that a good identity number carries.
func fromID(s string) (birth, sex string) {
	if checkID(s) != idGood {
		return "", ""
	}
	sex = "female"
	if (s[16]-'0')%2 == 1 {
		sex = "male"
	}
	return s[6:10] + "-" + s[10:12] + "-" + s[12:14], sex
}

// readID brings an identity number into the one spelling in which equal
// numbers are equal: no space, X and B in capitals.
func readID(s string) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if r = narrow(r); r == '-' || trim(string(r)) == "" {
			return -1
		}
		return r
	}, s))
}
