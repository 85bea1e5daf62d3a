package strict

import (
	"reflect"
	"strings"
)

// Shape says what a JSON value may look like. It may be used from several goroutines.
type Shape struct {
	kind   kind
	fields map[string]*Shape // object
	names  []string          // object: the fields' names, for suggestions
	elem   *Shape            // array and map
}

type kind uint8

const (
	anyValue kind = iota
	textValue
	boolValue
	numberValue
	timeValue
	bytesValue
	objectValue
	mapValue
	arrayValue
)

func (k kind) String() string {
	return [...]string{"any value", "text", "true or false", "a number", "a time", "base64 text", "an object", "an object", "a list"}[k]
}

// nameOf names a JSON value by its first byte.
func nameOf(c byte) string {
	switch c {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "text"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}

// Of derives the shape from a Go type, so that the two cannot differ. Field names come from json tags; the type must not contain itself.
func Of(t reflect.Type) *Shape {
	switch {
	case t.PkgPath() == "time" && t.Name() == "Time":
		return &Shape{kind: timeValue}
	case t.Kind() == reflect.Pointer:
		return Of(t.Elem())
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return &Shape{kind: bytesValue}
	}
	switch t.Kind() {
	case reflect.String:
		return &Shape{kind: textValue}
	case reflect.Bool:
		return &Shape{kind: boolValue}
	case reflect.Int, reflect.Int64, reflect.Float64:
		return &Shape{kind: numberValue}
	case reflect.Slice:
		return &Shape{kind: arrayValue, elem: Of(t.Elem())}
	case reflect.Map:
		return &Shape{kind: mapValue, elem: Of(t.Elem())}
	case reflect.Struct:
		return structShape(t)
	}
	return &Shape{kind: anyValue}
}

func structShape(t reflect.Type) *Shape {
	s := &Shape{kind: objectValue, fields: map[string]*Shape{}}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		s.fields[name] = Of(f.Type)
		s.names = append(s.names, name)
	}
	return s
}
