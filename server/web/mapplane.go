package web

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"zhucun/server/store"
	"zhucun/shared/figure"
	"zhucun/shared/record"
)

// The plane of the map, in units of its viewBox.
const (
	mapWidth, mapHeight, mapEdge = 640, 460, 44
	// mapNear is how far apart marks are drawn apart; closer ones are one mark.
	mapNear = 26
	// mapLeast is what a map shows at least, in metres: one household has no size.
	mapLeast = 200
	// degree of latitude, in metres
	degree = 111_320
)

// country is where villages can be, with room to spare. A place outside is mistyped, the
// two numbers in the wrong order as a rule, and one such would make a dot of all others.
var country = mapBox{West: 73, South: 3, East: 136, North: 54}

// villageReach is how far from the middle of its village's households one can be, in degrees.
const villageReach = .3

// mapBox is a part of the earth. It never goes across the 180th meridian: nothing that is
// drawn here lies there.
type mapBox struct{ West, South, East, North float64 }

func (b mapBox) has(at store.Point) bool {
	return b.West <= at.Lon && at.Lon <= b.East && b.South <= at.Lat && at.Lat <= b.North
}

// with widens a box for a place.
func (b mapBox) with(at store.Point) mapBox {
	return mapBox{min(b.West, at.Lon), min(b.South, at.Lat), max(b.East, at.Lon), max(b.North, at.Lat)}
}

// nowhere is the box of no places.
func noBox() mapBox {
	return mapBox{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
}

func (b mapBox) empty() bool { return b.West > b.East }

// squeeze is how much shorter a degree of longitude is there than one of latitude.
func (b mapBox) squeeze() float64 { return math.Cos((b.South + b.North) / 2 * math.Pi / 180) }

// grown gives a box with a margin around it, never smaller than is worth a map.
func (b mapBox) grown() mapBox {
	wide := max((b.East-b.West)*.15, mapLeast/4/(degree*b.squeeze()))
	high := max((b.North-b.South)*.15, mapLeast/4/float64(degree))
	return mapBox{b.West - wide, b.South - high, b.East + wide, b.North + high}
}

// text writes a box as addresses have it, to about a metre.
func (b mapBox) text() string {
	if b.empty() {
		return ""
	}
	var list []string
	for _, x := range []float64{b.West, b.South, b.East, b.North} {
		list = append(list, strconv.FormatFloat(x, 'f', 5, 64))
	}
	return strings.Join(list, ",")
}

// parseBox reads a box from an address; false where that is none.
func parseBox(text string) (mapBox, bool) {
	list := strings.Split(text, ",")
	if len(list) != 4 {
		return mapBox{}, false
	}
	var x [4]float64
	for i, s := range list {
		var err error
		if x[i], err = strconv.ParseFloat(s, 64); err != nil {
			return mapBox{}, false
		}
	}
	b := mapBox{x[0], x[1], x[2], x[3]}
	earth := mapBox{-180, -90, 180, 90}
	return b, b.West < b.East && b.South < b.North && earth.has(store.Point{Lon: b.West, Lat: b.South}) && earth.has(store.Point{Lon: b.East, Lat: b.North})
}

// projection gives places on the plane: equirectangular at the middle latitude, which in a
// province is true to a few in a hundred.
type projection struct {
	lon, lat, squeeze float64
	unit              float64 // units of a metre
}

func project(b mapBox) projection {
	p := projection{lon: (b.West + b.East) / 2, lat: (b.South + b.North) / 2, squeeze: b.squeeze()}
	wide, high := max((b.East-b.West)*p.squeeze*degree, mapLeast), max((b.North-b.South)*degree, mapLeast)
	p.unit = min((mapWidth-2*mapEdge)/wide, (mapHeight-2*mapEdge)/high)
	return p
}

func (p *projection) place(at store.Point) (x, y float64) {
	return mapWidth/2 + (at.Lon-p.lon)*p.squeeze*degree*p.unit, mapHeight/2 - (at.Lat-p.lat)*degree*p.unit
}

// mapScale is a bar of a round length.
type mapScale struct {
	metres int
	units  float64
}

// scale gives the longest bar of 1, 2 or 5 times a power of ten metres in a quarter of the
// map.
func (p *projection) scale() mapScale {
	var s mapScale
	for ten := 1; ten <= 10_000_000; ten *= 10 {
		for _, n := range []int{1, 2, 5} {
			if u := float64(n*ten) * p.unit; u <= mapWidth/4 {
				s = mapScale{n * ten, u}
			}
		}
	}
	return s
}

// mapMark is a village or a household.
type mapMark struct {
	store.Point
	shape    mapShape
	name     string
	says     string // how it stands
	to       string
	coverage figure.Ratio // of a village
	placed   bool
	far      bool // its place is not where it can be
}

// mapSpot is what is drawn at one place: a mark, or several that lie close together.
type mapSpot struct {
	x, y  float64
	marks []mapMark
	box   mapBox
	label mapLabel
}

// mapLabel is the words beside a spot.
type mapLabel struct {
	x, y float64
	text string
	left bool // of the spot, where it ends
	// wide tells that there is no room for it where letters are large beside the map, on
	// a telephone.
	wide bool
}

// lay sorts the marks by whether they can be drawn, and gives those their places.
func (v *mapView) lay() {
	can := country
	if v.village != "" {
		can = around(v.marks)
	}
	box := noBox()
	v.counts = map[mapShape]int{}
	v.marks = slices.DeleteFunc(v.marks, func(m mapMark) bool {
		v.counts[m.shape]++
		if m.far = m.placed && !can.has(m.Point); m.far || !m.placed {
			v.lost = append(v.lost, m)
			return true
		}
		box = box.with(m.Point)
		return false
	})
	if v.part {
		box = v.box
		all := len(v.marks)
		v.marks = slices.DeleteFunc(v.marks, func(m mapMark) bool { return !box.has(m.Point) })
		v.outside = all - len(v.marks)
	}
	if len(v.marks) == 0 {
		return
	}
	// From north to south, as people read and as Tab goes.
	slices.SortFunc(v.marks, func(a, b mapMark) int {
		return cmp.Or(cmp.Compare(b.Lat, a.Lat), cmp.Compare(a.Lon, b.Lon), cmp.Compare(a.to, b.to))
	})
	p := project(box)
	v.scale = p.scale()
	v.spots = spots(&p, v.marks)
	v.write()
	slices.SortStableFunc(v.marks, func(a, b mapMark) int {
		return cmp.Or(cmp.Compare(a.shape.order(), b.shape.order()), cmp.Compare(a.name, b.name))
	})
}

// around is where the households of a village can be: about their middle, which a few
// mistyped ones do not move.
func around(marks []mapMark) mapBox {
	var lons, lats []float64
	for _, m := range marks {
		if m.placed {
			lons, lats = append(lons, m.Lon), append(lats, m.Lat)
		}
	}
	lon, lat := median(lons), median(lats)
	return mapBox{lon - villageReach, lat - villageReach, lon + villageReach, lat + villageReach}
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)/2]
}

// spots draws marks apart that are far enough apart, and puts the others together with
// their neighbours.
func spots(p *projection, marks []mapMark) []mapSpot {
	var list []mapSpot
	for _, m := range marks {
		x, y := p.place(m.Point)
		i := slices.IndexFunc(list, func(s mapSpot) bool { return math.Hypot(s.x-x, s.y-y) < mapNear })
		if i < 0 {
			list = append(list, mapSpot{x: x, y: y, marks: []mapMark{m}, box: noBox().with(m.Point)})
			continue
		}
		s := &list[i]
		s.marks = append(s.marks, m)
		s.box = s.box.with(m.Point)
	}
	return list
}

// shape of a spot: of villages as all of them are covered, of households mixed where they
// are not alike.
func (s *mapSpot) shape(village record.Village) mapShape {
	if len(s.marks) == 1 {
		return s.marks[0].shape
	}
	if village == "" {
		return coverageShape(s.coverage())
	}
	for _, m := range s.marks {
		if m.shape != s.marks[0].shape {
			return mixed
		}
	}
	return s.marks[0].shape
}

func (s *mapSpot) coverage() figure.Ratio {
	var sum figure.Ratio
	for _, m := range s.marks {
		sum = sum.And(m.coverage)
	}
	return sum
}

// The sizes of letters: beside a map as wide as a page, and as narrow as a telephone.
const wideLetters, narrowLetters = 13.0, 24.0

// mapNames is how many marks have their names beside them at most: more are not read.
const mapNames = 150

// write puts words beside spots, where they cover nothing: how many there are, and the
// names of single ones as far as there is room.
func (v *mapView) write() {
	type area struct{ left, top, right, bottom float64 }
	var taken []area
	free := func(a area) bool {
		return a.left >= 0 && a.right <= mapWidth && a.top >= 0 && a.bottom <= mapHeight && !slices.ContainsFunc(taken, func(b area) bool {
			return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
		})
	}
	// The scale and north are there.
	taken = append(taken, area{0, mapHeight - 56, v.scale.units + 70, mapHeight}, area{mapWidth - 52, 0, mapWidth, 64})
	for _, s := range v.spots {
		taken = append(taken, area{s.x - 10, s.y - 10, s.x + 10, s.y + 10})
	}
	for _, many := range []bool{true, false} {
		for _, letters := range []float64{narrowLetters, wideLetters} {
			for i := range v.spots {
				s := &v.spots[i]
				text := s.marks[0].name
				if v.village == "" {
					text += " " + percent(s.marks[0].coverage)
				}
				if s.label.text != "" || many != (len(s.marks) > 1) || !many && len(v.spots) > mapNames {
					continue
				}
				if many {
					text = number(len(s.marks))
				}
				long := letters * letterWidth(text)
				for _, l := range []mapLabel{{x: s.x + 12}, {x: s.x - 12, left: true}} {
					a := area{l.x, s.y - letters*.6, l.x + long, s.y + letters*.5}
					if l.left {
						a.left, a.right = l.x-long, l.x
					}
					if free(a) {
						taken = append(taken, a)
						l.y, l.text, l.wide = s.y+wideLetters*.4, text, letters == wideLetters
						s.label = l
						break
					}
				}
			}
		}
	}
}

// letterWidth is how wide a text is, in heights of its letters, with some to spare.
func letterWidth(text string) float64 {
	w := .2
	for _, r := range text {
		if r < utf8.RuneSelf {
			w += .6
		} else {
			w++
		}
	}
	return w
}
