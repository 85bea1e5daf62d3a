package fault

import (
	"bytes"
	"cmp"
	"encoding/json"
	"html"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxConceal is how many bytes of a text are looked at. It is more than any request has: a value of the request that is cut in two
// could not be found and taken out.
const maxConceal = 1 << 20

// beginning is how many bytes of a longer value are enough to know it by: vendors cut what they repeat.
const beginning = 16

// Values are what a request says of a customer or keeps secret, each with the name that takes its place in a text. Vendors like to
// repeat a request in their refusals; [Redact] alone does not know a person's name or a message's text from the vendor's words.
type Values map[string]string

// ValuesOf returns the values of a JSON request under the names of their fields, but for the fields that are named plain: those
// help, and say nothing about a customer. Numbers of less than four digits stand in many texts, and are left.
func ValuesOf(request []byte, plain ...string) Values {
	v := Values{}
	var fields any
	dec := json.NewDecoder(bytes.NewReader(request))
	dec.UseNumber()
	if dec.Decode(&fields) != nil {
		v.Add("request", string(request))
		return v
	}
	v.collect("request", fields, plain)
	return v
}

func (v Values) collect(name string, field any, plain []string) {
	if slices.Contains(plain, name) {
		return
	}
	switch field := field.(type) {
	case map[string]any:
		for key, value := range field {
			v.collect(key, value, plain)
		}
	case []any:
		for _, value := range field {
			v.collect(name, value, plain)
		}
	case json.Number:
		if len(field) > 3 {
			v.Add(name, field.String())
		}
	case string:
		v.Add(name, field)
	}
}

// Add adds a value, unless it is a single character or empty.
func (v Values) Add(name, value string) {
	for _, written := range []string{value, unescaped(value)} {
		for _, written := range []string{written, strings.ReplaceAll(written, " ", "+")} { // as forms write it
			if len(written) > 1 {
				v[written] = name
			}
		}
	}
}

// Conceal puts the values' names, in brackets, where a vendor's text repeats the values: as they are, or as JSON, JSON within JSON,
// HTML or part of a URL writes them, whole or cut short after 16 bytes or more. The rest of the text comes back without such escapes.
// It bounds the text to 1 MiB, and does not do what [Redact] does.
func (v Values) Conceal(text string) string {
	text = unescaped(clip(text, maxConceal))
	longestFirst := slices.SortedFunc(maps.Keys(v), func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	for _, value := range longestFirst {
		text = conceal(text, value, "["+v[value]+"]")
	}
	return text
}

// conceal cuts a value out, and a long one also where only its beginning is repeated.
func conceal(text, value, name string) string {
	if len(value) <= beginning {
		return strings.ReplaceAll(text, value, name)
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, value[:beginning])
		out.WriteString(before)
		if !found {
			return out.String()
		}
		out.WriteString(name)
		rest := value[beginning:]
		for after != "" && rest != "" && after[0] == rest[0] {
			after, rest = after[1:], rest[1:]
		}
		for after != "" && !utf8.RuneStart(after[0]) { // of a character that was cut in two
			after = after[1:]
		}
		text = after
	}
}

var escapes = regexp.MustCompile(`(?:\\u[0-9a-fA-F]{4})+|\\["\\/bfnrt]|(?:%[0-9a-fA-F]{2})+`)

// unescaped undoes the ways in which a vendor that repeats a request writes it: as JSON, which may stand in a JSON text again, as
// HTML, or as part of a URL.
func unescaped(s string) string {
	for range 3 {
		plain := html.UnescapeString(escapes.ReplaceAllStringFunc(s, func(e string) string {
			if e[0] != '%' {
				_ = json.Unmarshal([]byte(`"`+e+`"`), &e) // what is no escape after all stays
			} else if plain, err := url.PathUnescape(e); err == nil && utf8.ValidString(plain) {
				return plain
			}
			return e
		}))
		if plain == s {
			break
		}
		s = plain
	}
	return s
}
