package export

import (
	"encoding/json"
	"io"
	"math"

	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// features writes records as a GeoJSON feature collection (RFC 7946): the place of the
// form's first geopoint, in WGS-84 or, where that is asked for, in the coordinates of maps
// made in China (GCJ-02), in which places are moved by some hundred metres.
type features struct {
	w     io.Writer
	form  *form.Form
	place *form.Field
	full  bool
	gcj   bool
	n     int
}

func newFeatures(w io.Writer, f *form.Form, full, gcj bool) *features {
	x := &features{w: w, form: f, full: full, gcj: gcj}
	for _, fd := range f.Fields {
		if fd.Kind == form.Geopoint && x.place == nil {
			x.place = fd
		}
	}
	return x
}

type point struct {
	Type        string     `json:"type"`
	Coordinates [2]float64 `json:"coordinates"`
}

func (x *features) row(rec *store.Record) error {
	before := ",\n"
	if x.n++; x.n == 1 {
		before = `{"type":"FeatureCollection","features":[` + "\n"
	}
	if _, err := io.WriteString(x.w, before); err != nil {
		return err
	}
	properties := map[string]any{"village": rec.Village, "life": "alive", "updated_at": rec.View.Updated.String()}
	if rec.View.Void {
		properties["life"] = "void"
	}
	var at *point
	for name, v := range rec.View.Fields {
		fd := x.form.Field(name)
		switch {
		case fd == nil || v.IsNull():
			continue // what the form does not know is in jsonl alone
		case fd.Masked && !x.full:
			v = merge.Masked(v)
		case x.place != nil && name == x.place.Name:
			at = x.point(v)
			continue
		case fd.Kind == form.Geopoint && x.gcj:
			if p := x.point(v); p != nil {
				properties[name] = p.Coordinates
			}
			continue
		}
		properties[name] = json.RawMessage(v)
		if len(fd.Choices) > 0 {
			properties[name+"_label"] = fd.Show(v, form.Zh)
		}
	}
	b, err := json.Marshal(struct {
		Type       string         `json:"type"`
		ID         string         `json:"id"`
		Geometry   *point         `json:"geometry"`
		Properties map[string]any `json:"properties"`
	}{"Feature", rec.ID.String(), at, properties})
	if err == nil {
		_, err = x.w.Write(b)
	}
	return err
}

func (x *features) point(v record.Value) *point {
	p := &point{Type: "Point"}
	if json.Unmarshal([]byte(v), &p.Coordinates) != nil {
		return nil
	}
	if x.gcj {
		p.Coordinates[0], p.Coordinates[1] = gcj02(p.Coordinates[0], p.Coordinates[1])
	}
	return p
}

func (x *features) close() error {
	end := "\n]}\n"
	if x.n == 0 {
		end = `{"type":"FeatureCollection","features":[]}` + "\n"
	}
	_, err := io.WriteString(x.w, end)
	return err
}

// gcj02 moves a place as maps made in China do; outside of China it stays. To seven digits
// after the point, a centimetre.
func gcj02(lon, lat float64) (float64, float64) {
	if lon < 72.004 || lon > 137.8347 || lat < 0.8293 || lat > 55.8271 {
		return lon, lat
	}
	const a, ee = 6378245.0, 0.00669342162296594323
	x, y := lon-105, lat-35
	sin := func(v float64) float64 { return math.Sin(v * math.Pi) }
	common := (20*sin(6*x) + 20*sin(2*x)) * 2 / 3
	dLat := -100 + 2*x + 3*y + 0.2*y*y + 0.1*x*y + 0.2*math.Sqrt(math.Abs(x)) + common + (20*sin(y)+40*sin(y/3))*2/3 + (160*sin(y/12)+320*sin(y/30))*2/3
	dLon := 300 + x + 2*y + 0.1*x*x + 0.1*x*y + 0.1*math.Sqrt(math.Abs(x)) + common + (20*sin(x)+40*sin(x/3))*2/3 + (150*sin(x/12)+300*sin(x/30))*2/3
	rad := lat / 180 * math.Pi
	magic := 1 - ee*math.Sin(rad)*math.Sin(rad)
	dLat = dLat * 180 / (a * (1 - ee) / (magic * math.Sqrt(magic)) * math.Pi)
	dLon = dLon * 180 / (a / math.Sqrt(magic) * math.Cos(rad) * math.Pi)
	round := func(v float64) float64 { return math.Round(v*1e7) / 1e7 }
	return round(lon + dLon), round(lat + dLat)
}
