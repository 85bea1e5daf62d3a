package omnideskapi

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// patterns are Omnidesk's own, with two exceptions that it names and does not spell out: email and time.
var patterns = map[string]*regexp.Regexp{
	"server":       regexp.MustCompile(`^[a-zA-Z0-9\.\:\/\-]+$`),
	"session":      regexp.MustCompile(`^\+?[a-zA-Z0-9\-]+$`),
	"plainsession": regexp.MustCompile(`^[a-zA-Z0-9\-]+$`),
	"token":        regexp.MustCompile(`^[a-zA-Z0-9]+$`),
	"origin":       regexp.MustCompile(`^[a-zA-Z0-9\.\-]+$`),
	"name":         regexp.MustCompile(`^[a-zA-Z 0-9]+$`),
	"phone":        regexp.MustCompile(`^\+[0-9]+$`),
	"anyphone":     regexp.MustCompile(`^\+?[0-9]+$`),
	"messagetype":  regexp.MustCompile(`^([0-9]+|calllog|contactform)$`),
	"query":        regexp.MustCompile(`^[0-9a-zA-Z ]+$`),
	"view":         regexp.MustCompile(`^[0-9a-zA-Z\-\_]+$`),
	"inputtype":    regexp.MustCompile(`^(text(area|readonly|hidden)?|select(readonly|hidden)?)$`),
	"status":       regexp.MustCompile(`^(open|pending|holding|solved)$`),
	"linkchannel":  regexp.MustCompile(`^(email|telephone|facebook|twitter)$`),
	"channelname":  regexp.MustCompile(`^[a-zA-Z0-9 \.\-\_]+$`),
	"icon":         regexp.MustCompile(`^[a-zA-Z0-9\-\_]+$`),
	"endpoint":     regexp.MustCompile(`^[a-zA-Z0-9\.\:\/\-?&=]+$`),
	"email":        regexp.MustCompile(`^[^\s@,]+@[^\s@,]+\.[^\s@,]+$`),
	"time":         regexp.MustCompile(`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]) ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$`),
	"method":       regexp.MustCompile(`^(GET|POST|PUT|DELETE)$`),
	"path":         regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_\-/]*$`),
}

// InvalidError says that a parameter breaks what Omnidesk documents about it. The call was not made.
type InvalidError struct {
	Call, Param string
	Rule        string // what the parameter must be, e.g. "min 10"
}

// Error names the call, the parameter and the rule, and never the value.
func (e *InvalidError) Error() string {
	return fmt.Sprintf("omnidesk: %s: %s must fit the documented rule %s", e.Call, e.Param, e.Rule)
}

// Allowed reports whether a text fits a pattern of the documentation by our name of it; see the tags of the parameter types.
func Allowed(pattern, text string) bool {
	re, ok := patterns[pattern]
	return ok && re.MatchString(text)
}

// param is one parameter of an endpoint.
type param struct {
	name     string
	index    []int
	number   bool
	single   bool   // of any type that is one text in a form
	where    string // path, query, body, file or filename
	required bool
	min, max int
	re       string
}

// paramsOf reads the tags of a parameter type.
func paramsOf(t reflect.Type, query bool) []param {
	var all []param
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		number := f.Type.Kind() == reflect.Int || f.Type == reflect.TypeFor[*int]()
		p := param{name: name, index: f.Index, number: number, single: f.Type.Kind() == reflect.Interface, where: "body", min: math.MinInt, max: math.MaxInt}
		if query {
			p.where = "query"
		}
		for word := range strings.FieldsSeq(f.Tag.Get("rule")) {
			p.rule(word)
		}
		all = append(all, p)
	}
	return all
}

func (p *param) rule(word string) {
	switch key, v, _ := strings.Cut(word, "="); key {
	case "required":
		p.required = true
	case "min":
		p.min, _ = strconv.Atoi(v)
	case "max":
		p.max, _ = strconv.Atoi(v)
	case "re":
		p.re = v
	default:
		p.where = word
	}
}

// absent says whether a parameter is not there. An empty text is the documented default of optional ones whose minimum is 1.
func (p *param) absent(values []pair) bool {
	return len(values) == 0 || values[0].text == "" && (p.required || p.min > 0 || p.re != "")
}

// check returns the rule that a parameter breaks, or "".
func (p *param) check(values []pair) string {
	if p.absent(values) {
		return map[bool]string{true: "required"}[p.required]
	}
	for _, v := range values {
		size, err := utf8.RuneCountInString(v.text), error(nil)
		if p.number {
			size, err = strconv.Atoi(v.text)
		}
		switch {
		case p.single && v.name != p.name:
			return "text or boolean"
		case err != nil:
			return "number"
		case size < p.min:
			return "min " + strconv.Itoa(p.min)
		case size > p.max:
			return "max " + strconv.Itoa(p.max)
		case p.re != "" && !patterns[p.re].MatchString(v.text):
			return patterns[p.re].String()
		}
	}
	return ""
}

// Check checks parameters as they arrive at a server, by name. Those of the path are not looked at.
func (i *Info) Check(values map[string][]string) *InvalidError {
	for _, p := range i.params {
		var flat []pair
		for _, text := range append(values[p.name], values[p.name+"[]"]...) {
			flat = append(flat, pair{p.name, text})
		}
		if rule := p.check(flat); rule != "" && p.where != "path" && p.where != "method" {
			return &InvalidError{Call: i.Name(), Param: p.name, Rule: rule}
		}
	}
	return nil
}
