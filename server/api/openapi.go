package api

import (
	"encoding/json"
	"maps"

	"zhucun/shared/form"
)

// object is a JSON object of the OpenAPI document.
type object = map[string]any

func ref(name string) object   { return object{"$ref": "#/components/schemas/" + name} }
func list(of object) object    { return object{"type": "array", "items": of} }
func text(says string) object  { return object{"type": "string", "description": says} }
func whole(says string) object { return object{"type": "integer", "description": says} }
func moment(says string) object {
	return object{"type": "string", "format": "date-time", "description": says}
}
func truth(says string) object     { return object{"type": "boolean", "description": says} }
func parameter(name string) object { return object{"$ref": "#/components/parameters/" + name} }

// schema makes a schema of properties, of which some are always there.
func schema(properties object, always ...string) object {
	o := object{"type": "object", "properties": properties}
	if len(always) > 0 {
		o["required"] = always
	}
	return o
}

func (a *API) openAPI(q *request) (*answer, error) {
	if err := q.knows(); err != nil {
		return nil, err
	}
	b, err := json.Marshal(a.document())
	return &answer{kind: "application/vnd.oai.openapi+json;version=3.1", body: b}, err
}

// document describes what is answered, made from the forms.
func (a *API) document() object {
	paths := object{
		"/api/v1/villages":  get("listVillages", "The villages that the token sees, with how far the data of each goes", "villages"),
		"/api/v1/figures":   get("getFigures", "The figures that villages are accounted for by in a month: parts and what they are of, never rounded", "figures", parameter("village"), parameter("month")),
		"/api/openapi.json": object{"get": object{"operationId": "getOpenAPI", "summary": "This document", "responses": responses(object{"type": "object"}, "application/vnd.oai.openapi+json;version=3.1")}},
	}
	schemas := a.schemas()
	for _, f := range a.store.Forms().Forms() {
		name := string(f.Type)
		schemas[name+"_fields"] = fieldsOf(f)
		schemas[name] = recordOf(f)
		schemas[name+"_page"] = schema(object{
			"records": list(ref(name)),
			"next":    text("The address of the next page; not there where this is the last for now"),
			"cursor":  text("Where to go on later, with what changes from now on; there where one village was asked for"),
		}, "records")
		title := f.Title.Zh + " (" + f.Title.En + ")"
		path := version1 + name
		paths[path] = get("list_"+name, title+": records, village by village in the order in which they were changed last", name+"_page",
			parameter("village"), parameter("updated_after"), parameter("where"), parameter("limit"), parameter("cursor"), parameter(unmaskParameter))
		paths[path+"/{id}"] = get("get_"+name, title+": one record", name, parameter("id"), parameter("village"), parameter(unmaskParameter))
		paths[path+"/{id}/history"] = get("history_"+name, title+": one record with every change that was made to it, the newest first", name, parameter("id"), parameter("village"), parameter(unmaskParameter))
	}
	return object{
		"openapi": "3.1.0",
		"info": object{"title": "驻村通 Zhucun", "version": "1", "license": object{"name": "Internal use", "identifier": "LicenseRef-Internal"},
			"description": "Reads what the office holds. A token sees what an account of its role sees: ID and bank numbers by their last four characters, fields out of its sight not at all."},
		"servers":  []object{{"url": a.opt.URL}},
		"security": []object{{"bearer": []string{}}, {"basic": []string{}}},
		"paths":    paths,
		"components": object{"schemas": schemas, "parameters": parameters(), "responses": object{"problem": problemResponse()}, "securitySchemes": object{
			"bearer": object{"type": "http", "scheme": "bearer", "description": "The token"},
			"basic":  object{"type": "http", "scheme": "basic", "description": "The token's name as user, the token as password"},
		}},
	}
}

func get(id, summary, answers string, parameters ...object) object {
	o := object{"operationId": id, "summary": summary, "responses": responses(ref(answers), "application/json")}
	if len(parameters) > 0 {
		o["parameters"] = parameters
	}
	return object{"get": o}
}

func responses(of object, kind string) object {
	return object{
		"200":     object{"description": "What was asked for", "headers": object{"ETag": object{"description": "Changes with the answer", "schema": object{"type": "string"}}}, "content": object{kind: object{"schema": of}}},
		"304":     object{"description": "The same as If-None-Match names"},
		"default": object{"$ref": "#/components/responses/problem"},
	}
}

func problemResponse() object {
	return object{"description": "What is wrong, in one sentence", "content": object{"application/problem+json": object{"schema": ref("problem")}}}
}

func parameters() object {
	in := func(place, name, says string, of object) object {
		o := object{"name": name, "in": place, "description": says, "schema": of}
		if place == "path" {
			o["required"] = true
		}
		return o
	}
	return object{
		"id":            in("path", "id", "The record's id", object{"type": "string", "format": "uuid"}),
		"village":       in("query", "village", "Only these villages, by code; may be repeated", list(object{"type": "string"})),
		"month":         in("query", "month", "The month; this one where it is left out", object{"type": "string", "pattern": `^\d{4}-\d{2}$`}),
		"updated_after": in("query", "updated_after", "Only what was last written after this moment, or on or after this day in Beijing. It goes by when people wrote: a laptop that was long away brings what is old. To miss nothing, follow the cursor of each village.", object{"type": "string"}),
		"where":         in("query", "where", "FIELD=VALUE, as in poverty_status=new, or life=alive; all that are given must hold; may be repeated. An empty value asks for records without one.", list(object{"type": "string"})),
		"limit":         in("query", "limit", "How many records a page has at most; it may have fewer and still not be the last", object{"type": "integer", "minimum": 1, "maximum": maxLimit, "default": defaultLimit}),
		"cursor":        in("query", "cursor", "Where to go on, as an answer gave it", object{"type": "string"}),
		unmaskParameter: in("query", unmaskParameter, "Numbers in full, for this reason, which is kept in the audit; only of a token that may", object{"type": "string", "maxLength": maxReason}),
	}
}

// valueOf describes the values of a field.
func valueOf(fd *form.Field) object {
	var o object
	switch {
	case fd.Many():
		o = list(object{"type": "string"})
	case fd.Kind == form.Integer:
		o = object{"type": "integer"}
	case fd.Kind == form.Decimal, fd.Kind == form.Calculate:
		o = object{"type": "number"}
	case fd.Kind == form.Date:
		o = object{"type": "string", "format": "date"}
	case fd.Kind == form.Geopoint:
		o = object{"type": "array", "items": object{"type": "number"}, "minItems": 2, "maxItems": 2}
	case fd.Kind == form.RefOne:
		o = object{"type": "string", "format": "uuid"}
	default:
		o = object{"type": "string"}
	}
	says := fd.Label.Zh + " (" + fd.Label.En + ")"
	if fd.Kind == form.Geopoint {
		says += ": longitude, latitude"
	}
	if fd.Refers != "" {
		says += ": " + string(fd.Refers)
	}
	if fd.Masked {
		says += ": the last four characters"
	}
	o["description"] = says
	if len(fd.Choices) > 0 {
		var codes []object
		for _, c := range fd.Choices {
			codes = append(codes, object{"code": c.Name, "zh": c.Label.Zh, "en": c.Label.En})
		}
		o["x-codes"] = codes // not an enum: laptops of a later release may bring others
	}
	return o
}

func fieldsOf(f *form.Form) object {
	properties := object{}
	for _, fd := range f.Fields {
		if fd.Kind != form.Calculate {
			properties[fd.Name] = valueOf(fd)
		}
	}
	return object{"type": "object", "properties": properties, "additionalProperties": true,
		"description": "By name; a field without a value is not there. There may be fields of a later release."}
}

func recordOf(f *form.Form) object {
	claims := object{"type": "object", "additionalProperties": list(ref("claim"))}
	return schema(object{
		"village":    text("The village's code"),
		"type":       object{"const": string(f.Type)},
		"id":         object{"type": "string", "format": "uuid"},
		"fields":     ref(string(f.Type) + "_fields"),
		"conflicts":  maps.Clone(claims),
		"proposals":  maps.Clone(claims),
		"others":     maps.Clone(claims),
		"questions":  object{"type": "object", "additionalProperties": ref("question")},
		"marks":      list(ref("mark")),
		"state":      object{"const": "delivered"},
		"life":       object{"enum": []string{"alive", "void"}},
		"erased":     truth("The content was erased by law"),
		"reason":     text("Why it is void"),
		"source":     text("How it came about: onsite, backfill, import"),
		"authors":    list(object{"type": "string"}),
		"created_at": moment("When it was made"),
		"updated_at": moment("When it was last written"),
		"history":    list(ref("event")),
	}, "village", "type", "id", "fields", "conflicts", "proposals", "marks", "state", "life", "updated_at")
}

func (a *API) schemas() object {
	number := object{"type": "number"}
	counts := func(names ...string) object {
		o := object{}
		for _, n := range names {
			o[n] = object{"type": "integer"}
		}
		return o
	}
	ratio, with := ref("ratio"), func(o object, more object) object { maps.Copy(o, more); return schema(o) }
	opinion := schema(object{"awareness": ratio, "satisfaction": ratio})
	claim := object{"value": object{"description": "What somebody wrote"}, "dot": text("The change's name"), "author": text("Who wrote it"), "at": moment("When")}
	reply := maps.Clone(claim)
	reply["words"] = text("What was said with it")
	return object{
		"problem": schema(object{"type": object{"type": "string", "format": "uri"}, "title": text("What kind of problem"), "status": whole("The HTTP status"), "detail": text("One sentence"),
			"parameter": text("Which parameter is wrong")}, "type", "title", "status", "detail"),
		"claim": schema(claim, "value", "dot", "author", "at"),
		"mark":  schema(object{"path": text("The field, empty for the record"), "code": text("What is the matter"), "text": text("The same in a sentence")}, "path", "code", "text"),
		"question": schema(object{"id": object{"type": "string"}, "words": text("What the office asks"), "author": text("Who asks"), "at": moment("When"), "state": text("Whether it waits"),
			"moved": truth("The values are others than when it was asked"), "closed": truth("It was put away"), "answers": list(schema(reply, "value"))}, "id", "words", "state"),
		"event": schema(object{"dot": text("The change's name"), "at": moment("When"), "author": text("Who wrote it"), "device": text("On which laptop"),
			"set": object{"type": "object", "description": "What was written, by register", "additionalProperties": true}, "erased": truth("Its content was erased by law"),
			"set_aside": object{"type": "object", "description": "Why it was set aside, and what was decided", "additionalProperties": true}}, "dot", "at", "author", "set"),
		"villages": schema(object{"villages": list(schema(object{"code": text("The village's code"), "name": text("Its name"), "township": text("Its township"),
			"feed": whole("The number of its last change: while it stays, nothing has changed"), "delivered_at": moment("When a laptop last brought anything")}, "code", "name", "township", "feed"))}, "villages"),
		"ratio": object{"type": "object", "required": []string{"part", "of"}, "properties": object{"part": number, "of": number}, "description": "A part of something; of 0 there is no rate"},
		"figures": schema(object{"month": text("2017-05"), "from": object{"type": "string", "format": "date"}, "to": object{"type": "string", "format": "date"},
			"behind": whole("How many villages have changed since their figures were worked out"),
			"villages": list(schema(object{"village": text("The village's code"), "name": text("Its name"), "figures": object{"oneOf": []object{ref("village_figures"), {"type": "null"}}},
				"feed": whole("That the figures are of"), "delivered_at": moment("When a laptop last brought anything"), "closed_at": moment("When the month was closed"),
				"changed_after_closing": truth("Something was merged after that")}, "village", "name", "figures", "feed"))}, "month", "from", "to", "behind", "villages"),
		"village_figures": schema(object{
			"register": with(counts("households", "persons", "exited", "exited_persons", "remaining", "remaining_persons"), object{"headcount": ratio}),
			"coverage": ratio, "met": whole("Counted visits"), "overdue": whole("Households, over 31 days"), "serious": whole("Of these, over 62"),
			"posts":    schema(object{"rate": ratio, "duty": number, "leave": number, "marked": object{"type": "integer"}}),
			"projects": with(counts("number", "late"), object{"completion": ratio, "payment": ratio}),
			"sources":  list(schema(object{"source": text("Of the code list fund_source; empty where none is recorded"), "received": number, "paid": number})),
			"issues":   with(counts("open", "overdue"), object{"closure": ratio}),
			"visits":   opinion, "samples": opinion, "net": ratio,
			"precision": object{"type": "array", "items": ratio, "minItems": 5, "maxItems": 5},
			"exit": list(schema(object{"code": text("n1 to n9"), "figure": text("What is measured"), "state": text("met, unmet or pending"), "value": text("The value"),
				"checked": truth("Somebody decided"), "measured": text("What the rule alone says")})),
			"sponsor": text("The sponsor unit"), "target": text("The year of the planned exit"),
		}),
	}
}
