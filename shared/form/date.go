package form

import "strings"

// The years a date may be in: outside them it is a slip of the finger.
const (
	firstYear = 1900
	lastYear  = 2100
)

// readDate reads a date as people and spreadsheets write it (2017-05-23,
// 2017/5/3, 2017.5.3, 2017年5月3日, 20170523, with midnight after it or not)
// and gives it as 2017-05-23.
func readDate(s string) (string, bool) {
	if len(s) == 10 && s[4] == '-' && s[7] == '-' { // as it is stored
		return s, digits(s[:4]) && digits(s[5:7]) && digits(s[8:]) && isDay(number(s[:4]), number(s[5:7]), number(s[8:]))
	}
	if len(s) > 60 {
		return "", false
	}
	s = strings.Map(narrow, s)
	if day, clock, ok := strings.Cut(s, "T"); ok {
		s = day + " " + clock
	}
	s, clock, _ := strings.Cut(s, " ")
	if strings.Trim(strings.TrimSuffix(clock, "+08:00"), "0:.Z") != "" {
		return "", false // a moment, whose day depends on where one is
	}
	var parts []string
	switch {
	case strings.Contains(s, "年"):
		parts = strings.Split(strings.TrimSuffix(strings.NewReplacer("年", "-", "月", "-").Replace(s), "日"), "-")
	case len(s) == 8 && digits(s):
		parts = []string{s[:4], s[4:6], s[6:]}
	default:
		for _, sep := range []string{"-", "/", "."} {
			if p := strings.Split(s, sep); len(p) == 3 {
				parts = p
			}
		}
	}
	if len(parts) != 3 || len(parts[0]) != 4 || len(parts[1]) > 2 || len(parts[2]) > 2 {
		return "", false
	}
	for _, p := range parts {
		if !digits(p) {
			return "", false
		}
	}
	if !isDay(number(parts[0]), number(parts[1]), number(parts[2])) {
		return "", false
	}
	return parts[0] + "-" + twoDigits(parts[1]) + "-" + twoDigits(parts[2]), true
}

// isDay tells whether the calendar has the day.
func isDay(year, month, day int) bool {
	if year < firstYear || year > lastYear || month < 1 || month > 12 || day < 1 {
		return false
	}
	days := [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[month-1]
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		days = 29
	}
	return day <= days
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

func twoDigits(s string) string {
	if len(s) == 1 {
		return "0" + s
	}
	return s
}

// number reads at most four digits.
func number(s string) int {
	n := 0
	for i := 0; i < len(s); i++ {
		n = n*10 + int(s[i]-'0')
	}
	return n
}
