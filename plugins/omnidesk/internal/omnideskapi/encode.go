package omnideskapi

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// pair is one parameter as forms have it.
type pair struct{ name, text string }

// request is a call with its parameters checked.
type request struct {
	name   string // of the call, for errors
	method string
	path   string // with its values in place
	query  url.Values
	form   []pair
	object map[string]any // the form as JSON has it
	file   []byte         // sent as a part of its own; the form has it otherwise
	title  string         // of the file
}

// read checks the parameters and puts each into its place. Zero values are not sent.
func (c *Client) read(info *Info, in reflect.Value) (*request, error) {
	r := &request{name: info.Name(), method: info.Method, query: url.Values{}, object: map[string]any{}, title: "file"}
	r.path = cmp.Or(c.opts.Paths[r.name], info.Path)
	for i := range info.params {
		p := &info.params[i]
		v := in.FieldByIndex(p.index)
		if d, ok := c.defaults[p.name]; ok && v.IsZero() {
			v = d
		}
		var flat []pair
		if !v.IsZero() {
			v = reflect.Indirect(v)
			flat = flatten(nil, p.name, v.Interface())
		}
		rule := p.check(flat)
		if rule == "" && !p.absent(flat) {
			if words := c.words[p.name]; words != nil && !slices.Contains(words, flat[0].text) {
				rule = "one of " + strings.Join(words, ", ")
			} else {
				rule = c.put(r, p, v.Interface(), flat)
			}
		}
		if rule != "" {
			return nil, &InvalidError{Call: r.name, Param: p.name, Rule: rule}
		}
	}
	if c.opts.PageNumbers {
		return r, r.numberPages()
	}
	return r, nil
}

// put puts a parameter into its place, and returns the rule that it breaks, or "".
func (c *Client) put(r *request, p *param, v any, flat []pair) string {
	switch p.where {
	case "method":
		r.method = flat[0].text
	case "path":
		r.path = strings.ReplaceAll(r.path, "{"+p.name+"}", flat[0].text)
	case "query":
		for _, f := range flat {
			r.query.Add(f.name, f.text)
		}
	case "filename":
		r.title = flat[0].text
	case "file":
		data, err := base64.StdEncoding.DecodeString(flat[0].text)
		if err != nil {
			return "base64"
		}
		if c.opts.BinaryFiles {
			r.file = data
			return ""
		}
		fallthrough
	default:
		r.form = append(r.form, flat...)
		if members, ok := v.(Fields); ok {
			maps.Copy(r.object, members)
		} else {
			r.object[p.name] = v
		}
	}
	return ""
}

// numberPages turns itemStart and itemLimit into page and limit.
func (r *request) numberPages() error {
	if !r.query.Has("itemStart") && !r.query.Has("itemLimit") {
		return nil
	}
	start, _ := strconv.Atoi(r.query.Get("itemStart"))
	limit, _ := strconv.Atoi(cmp.Or(r.query.Get("itemLimit"), "15"))
	if start%limit != 0 {
		return &InvalidError{Call: r.name, Param: "itemStart", Rule: "a multiple of itemLimit, where pages are numbered"}
	}
	maps.DeleteFunc(r.query, func(name string, _ []string) bool { return name == "itemStart" || name == "itemLimit" })
	r.query["page"], r.query["limit"] = []string{strconv.Itoa(start/limit + 1)}, []string{strconv.Itoa(limit)}
	return nil
}

// flatten writes a value as forms have it: required_statuses[], fromAddress[name]. The members of Fields stand beside the other
// parameters.
func flatten(to []pair, name string, v any) []pair {
	switch v := v.(type) {
	case Fields:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			to = flatten(to, key, v[key])
		}
		return to
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			to = flatten(to, name+"["+key+"]", v[key])
		}
		return to
	case string:
		return append(to, pair{name, v})
	case int:
		return append(to, pair{name, strconv.Itoa(v)})
	case float64:
		return append(to, pair{name, strconv.FormatFloat(v, 'f', -1, 64)})
	case nil:
		return to
	}
	list := reflect.ValueOf(v)
	if list.Kind() != reflect.Slice {
		return append(to, pair{name, fmt.Sprint(v)})
	}
	for i := range list.Len() {
		to = flatten(to, name+"[]", list.Index(i).Interface())
	}
	return to
}

// encode writes the body and its media type.
func (c *Client) encode(r *request) ([]byte, string, error) {
	if len(r.form) == 0 && r.file == nil {
		return nil, "", nil
	}
	if c.opts.Encoding == JSON {
		raw, err := json.Marshal(r.object)
		return raw, "application/json", err
	}
	body, contentType := multipartForm(r)
	return body, contentType, nil
}
