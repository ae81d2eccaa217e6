package form

import (
	"strings"

	"zhucun/shared/record"
)

// canonPlace reads [lon, lat].
func (fd *Field) canonPlace(v record.Value) (record.Value, error) {
	xy, ok := words(v)
	if !ok || len(xy) != 2 {
		return "", fd.wrongKind()
	}
	return fd.place(trim(xy[0]), trim(xy[1]))
}

// canonPlaceText reads a place in one text: the JSON array; lon,lat with a
// comma, in the same order; or, as XLSForm tools write it with spaces, latitude,
// longitude and perhaps altitude and accuracy, which are dropped.
func (fd *Field) canonPlaceText(s string) (record.Value, error) {
	if strings.HasPrefix(s, "[") {
		v, err := record.ParseValue([]byte(s))
		if err != nil {
			return "", fd.wrongKind()
		}
		if v.IsNull() {
			return record.Null, nil
		}
		return fd.canonPlace(v)
	}
	s = strings.Map(narrow, s)
	if lon, lat, ok := strings.Cut(s, ","); ok {
		return fd.place(trim(lon), trim(lat))
	}
	if w := strings.Fields(s); len(w) >= 2 && len(w) <= 4 {
		return fd.place(w[1], w[0])
	}
	return "", fd.wrongKind()
}

func (fd *Field) place(lon, lat string) (record.Value, error) {
	x, err := record.Number(lon)
	if err != nil {
		return "", fd.wrongKind()
	}
	y, err := record.Number(lat)
	if err != nil {
		return "", fd.wrongKind()
	}
	if !within(x, 180) || !within(y, 90) {
		return "", fd.refuse("经度应在±180之间，纬度在±90之间，先经度后纬度", "longitude is within ±180 and latitude within ±90, longitude first")
	}
	return "[" + x + "," + y + "]", nil
}

// within tells whether -most <= v <= most.
func within(v record.Value, most int64) bool {
	x, low, high := recall(v), integer(-most), integer(most)
	return x.kind == isNumber && compareNumbers(&x, &low) >= 0 && compareNumbers(&x, &high) <= 0
}
