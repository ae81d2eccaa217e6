package odata

import (
	"encoding/json"
	"encoding/xml"
	"strings"
)

// Namespace is that of the entity types.
const Namespace = "zhucun"

const description = "Org.OData.Core.V1.Description"

// Metadata describes the sets in XML (CSDL 4.0).
func Metadata(sets []Set) []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">
<edmx:Reference Uri="https://oasis-tcs.github.io/odata-vocabularies/vocabularies/Org.OData.Core.V1.xml"><edmx:Include Namespace="Org.OData.Core.V1" Alias="Core"/></edmx:Reference>
<edmx:DataServices>
<Schema Namespace="` + Namespace + `" xmlns="http://docs.oasis-open.org/odata/ns/edm">
`)
	for i := range sets {
		s := &sets[i]
		b.WriteString(`<EntityType Name="` + attribute(s.Name) + `"><Key>`)
		for _, p := range s.Properties {
			if p.Key {
				b.WriteString(`<PropertyRef Name="` + attribute(p.Name) + `"/>`)
			}
		}
		b.WriteString("</Key>\n")
		for _, p := range s.Properties {
			b.WriteString(`<Property Name="` + attribute(p.Name) + `" Type="` + string(p.Kind) + `"`)
			if p.Key {
				b.WriteString(` Nullable="false"`)
			}
			if p.Kind == Moment {
				b.WriteString(` Precision="3"`)
			}
			b.WriteString(`><Annotation Term="` + description + `" String="` + attribute(p.Says) + `"/></Property>` + "\n")
		}
		b.WriteString("</EntityType>\n")
	}
	b.WriteString(`<EntityContainer Name="Container">` + "\n")
	for i := range sets {
		b.WriteString(`<EntitySet Name="` + attribute(sets[i].Name) + `" EntityType="` + Namespace + "." + attribute(sets[i].Name) + `"><Annotation Term="` + description + `" String="` + attribute(sets[i].Says) + `"/></EntitySet>` + "\n")
	}
	b.WriteString("</EntityContainer>\n</Schema>\n</edmx:DataServices>\n</edmx:Edmx>\n")
	return []byte(b.String())
}

func attribute(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // into memory
	return b.String()
}

// MetadataJSON describes the sets in JSON (CSDL 4.01).
func MetadataJSON(sets []Set) ([]byte, error) {
	schema, container := map[string]any{}, map[string]any{"$Kind": "EntityContainer"}
	for i := range sets {
		s := &sets[i]
		var keys []string
		of := map[string]any{"$Kind": "EntityType"}
		for _, p := range s.Properties {
			one := map[string]any{"@" + description: p.Says}
			if p.Kind != String {
				one["$Type"] = string(p.Kind)
			}
			if p.Kind == Moment {
				one["$Precision"] = 3
			}
			if p.Key {
				keys = append(keys, p.Name)
			} else {
				one["$Nullable"] = true
			}
			of[p.Name] = one
		}
		of["$Key"] = keys
		schema[s.Name] = of
		container[s.Name] = map[string]any{"$Collection": true, "$Type": Namespace + "." + s.Name, "@" + description: s.Says}
	}
	schema["Container"] = container
	return json.Marshal(map[string]any{"$Version": "4.01", "$EntityContainer": Namespace + ".Container", Namespace: schema})
}
